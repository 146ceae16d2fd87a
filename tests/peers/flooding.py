"""More requests than a switch will take (sipflood.c), and a line on which calls go on meanwhile."""

import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from process import compiled

SOURCE = Path(__file__).parent / "sipflood.c"


def request(method, number, call, branch, cseq, address, own, to_tag="", body=""):
    to = f"<sip:{number}@{address[0]}>{to_tag}"
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{method} sip:{number}@{address[0]}:{address[1]} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:139@127.0.0.1>;tag=t{call}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContact: <sip:139@127.0.0.1:{own}>\r\n"
        f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"


class Line:
    """A socket and what came back on it, acknowledged."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.own = self.socket.getsockname()[1]
        self.answers, self.came = {}, threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def send(self, data):
        self.socket.sendto(data, self.address)

    def read(self):
        while True:
            text = self.socket.recv(65536).decode("latin-1")
            found = re.match(r"SIP/2.0 (\d+)", text)
            if not found or int(found[1]) < 200:
                continue
            status, call = int(found[1]), re.search(r"(?im)^Call-ID: *(\S+)", text)[1]
            cseq, method = re.search(r"(?im)^CSeq: *(\d+) (\w+)", text).groups()
            to_tag = (re.search(r"(?im)^To:.*?(;tag=[^\s;]+)", text) or [None, ""])[1]
            branch = re.search(r"branch=z9hG4bK([^;\s]+)", text)[1]
            if method == "INVITE":
                number = re.search(r"(?im)^To:.*?sip:(\w+)@", text)[1]
                self.send(request("ACK", number, call, branch if status >= 300 else branch + "a", cseq, self.address, self.own, to_tag))
            with self.came:
                self.answers.setdefault((call, cseq, method), (time.monotonic(), status, to_tag))
                self.came.notify_all()

    def ask(self, method, call, cseq, number, to_tag="", body="", limit=2.0):
        """(seconds, status, To tag) of the final answer; repeated like an INVITE when nothing comes."""
        began, wait = time.monotonic(), 0.5
        data = request(method, number, call, f"{call}-{cseq}{method}", cseq, self.address, self.own, to_tag, body)
        key = (call, str(cseq), method)
        while time.monotonic() - began < limit:
            self.send(data)
            with self.came:
                if self.came.wait_for(lambda: key in self.answers, wait):
                    came, status, tag = self.answers[key]
                    return came - began, status, tag
            wait *= 2
        return limit, 0, ""


class Flood:
    """`calls` to a number, or `registers`, so many a second."""

    def __init__(self, folder, kind, address, rate, seconds, number=None):
        command = [compiled(folder, SOURCE), kind, address[0], str(address[1]), str(rate), str(seconds), *([number] if number else [])]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.seconds, self.sending = seconds, threading.Thread(target=self.process.stdout.readline)
        self.sending.start()

    def meanwhile(self, deed):
        """Does it again and again while requests are sent."""
        while self.sending.is_alive():
            deed()
            time.sleep(0.05)
        return self

    def figures(self):
        """What sipflood counted; `good`: how many were answered 200 in each second."""
        self.sending.join()
        figures = dict(pair.split("=") for pair in self.process.communicate()[0].split() if "=" in pair)
        good = [int(count) for count in figures.pop("good").split(",")]
        return {key: int(value) for key, value in figures.items()} | {"good": good[: self.seconds], "answered": sum(good)}
