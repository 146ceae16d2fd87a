"""Strangers who mean harm, from addresses that no trunk has, while honest calls go on. Each demand is on the running
product: what a stranger learns, what it can end, what it can use up.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

from courses import dial
from hand import Message, digest, next_number, sdp
from lab import check_hears, expect
from life import own_switch
from process import rss_kib
from scenarios import scenario
from sipp import Failure, Skipped
from switch import SECRET

EXISTING, UNKNOWN = ("1001", "1004"), ("1999", "8888")


class Stranger:
    """A socket of another loopback address."""

    def __init__(self, lab, ip):
        self.ip, self.server = ip, lab.switch.address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, 0))
        self.port = self.socket.getsockname()[1]

    def text(self, method, uri, user, to=None, tag="s", to_tag="", call_id=None, branch=None, cseq=1, more=(), body=""):
        number = next_number()
        server = f"{self.server[0]}:{self.server[1]}"
        lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {self.ip}:{self.port};branch={branch or f'z9hG4bKs{number}'};rport", "Max-Forwards: 70"]
        lines += [f"From: <sip:{user}@{server}>;tag={tag}", f"To: <sip:{to or user}@{server}>{to_tag}", f"Call-ID: {call_id or f'stranger-{self.port}-{number}'}", f"CSeq: {cseq} {method}"]
        lines += [f"Contact: <sip:{user}@{self.ip}:{self.port}>", *more, *(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()

    def send(self, data):
        self.socket.sendto(data, self.server)
        return len(data)

    def answers(self, seconds, enough=None):
        """What comes within that time, or until there are enough."""
        said, end = [], time.monotonic() + seconds
        while time.monotonic() < end and (enough is None or len(said) < enough):
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                said.append(self.socket.recv(65536))
            except OSError:
                break
        return said

    def close(self):
        self.socket.close()


def shape(answer):
    """An answer without what differs from one to the next by its nature."""
    def fixed(name, value):
        if name in ("via", "from", "to", "call-id", "cseq"):
            return name
        return name, re.sub(r'nonce="[^"]*"', "nonce", value)
    return answer.start, [fixed(*header) for header in answer.headers], answer.body


@scenario(alone=True)
def who_is_there(lab):
    """whoever asks for extensions by REGISTER, INVITE, OPTIONS, SUBSCRIBE or MESSAGE cannot tell those that exist from others."""
    with own_switch(lab, "attack-names") as own:
        owner = own.hand("1001")
        owner.register()  # one of them is there, one is not
        server = f"127.0.0.1:{own.switch.sip}"
        for method in ("REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE", "NOTIFY", "REFER"):
            for credentials in ((), ('Authorization: Digest username="{}", realm="hotline", nonce="0", uri="sip:x", response="0"',)):
                told = {}
                for user in EXISTING + UNKNOWN:
                    one = Stranger(own, "127.0.0.66")
                    uri = f"sip:{server}" if method == "REGISTER" else f"sip:{user}@{server}"
                    one.send(one.text(method, uri, user, more=[c.format(user) for c in credentials], body=sdp(40000) if method == "INVITE" else ""))
                    said = [shape(Message(data)) for data in one.answers(10, 1)]
                    one.close()
                    if not said:
                        raise Failure(f"{method} for {user} was not answered")
                    told[user] = said[0]
                if any(answer != told["1999"] for answer in told.values()):
                    raise Failure(f"{method} tells who exists: {({user: answer[0] for user, answer in told.items()})}")


@scenario(alone=True)
def guesses_passwords(lab):
    """of 300 guesses from one address in less than 12 s at most 100 are checked; the owner elsewhere registers meanwhile."""
    with own_switch(lab, "attack-guess") as own:
        uri = f"sip:127.0.0.1:{own.switch.sip}"
        one, owner = Stranger(own, "127.0.0.69"), own.hand("1001")

        def ask(*more):
            # Without a Contact, so that a right guess binds nothing: whoever is bound is known.
            text = one.text("REGISTER", uri, "1001", more=more)
            one.send(re.sub(rb"Contact: [^\r]*\r\n", b"", text))
            said = one.answers(10, 1)
            if not said:
                raise Failure("a guess was not answered")
            return Message(said[0])
        challenge, right, began = ask(), 0, time.monotonic()
        for n in range(300):
            # Each right one among the wrong ones shows whether guesses are still checked.
            password = "not-the-password" if n % 2 else SECRET
            proof = digest(challenge.header("WWW-Authenticate"), "REGISTER", uri, "1001", password, n + 1)
            right += ask(f"Authorization: {proof}").status == 200
            if n == 200:
                owner.register()
        took = time.monotonic() - began
        if took < 12 and right > 100:
            raise Failure(f"{2 * right} of 300 guesses in {took:.1f} s were checked")
        return f"{right} of 150 right ones among 300 were let in within {took:.1f} s"


def sipvicious(tool):
    """The tool of Debian's package, or of PyPI's beside this Python."""
    places = [os.path.dirname(sys.executable), None]
    return next((found for name in (f"sipvicious_{tool}", tool) for place in places if (found := shutil.which(name, path=place))), None)


@scenario(alone=True)
def sipvicious_scans(lab):
    """sipvicious finds the server and no extension of it."""
    svwar, svmap = sipvicious("svwar"), sipvicious("svmap")
    if not svwar or not svmap:
        raise Skipped("sipvicious is not installed (apt-get install sipvicious)")
    # It always speaks from 127.0.0.1.
    with own_switch(lab, "attack-scan", carrier="127.0.0.9/32") as own:
        home = own.folder / "home"
        home.mkdir(parents=True)

        def scan(*command):
            # It keeps its findings at home, and waits for ever where it cannot ask.
            done = subprocess.run(command, cwd=home, env={**os.environ, "HOME": str(home)}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
            return done.stdout + done.stderr
        seen = scan(svmap, "--fp", "-p", str(own.switch.sip), "127.0.0.1") + scan(svmap, "-p", str(own.switch.sip), "127.0.0.1")
        for method in ("REGISTER", "INVITE", "OPTIONS"):
            said = scan(svwar, "--force", "-m", method, "-e", "998-1010", "-p", str(own.switch.sip), "127.0.0.1")
            (home / f"svwar-{method}.txt").write_text(said)
            if found := re.findall(r"^\s*[|│]\s*(1\d\d\d)\s*[|│].*", said, re.M):
                raise Failure(f"svwar -m {method} found {found}")
        own.switch.alive()
        return "svmap saw " + (re.search(r"hotline/[\d.]+", seen) or re.search(r".*", seen)).group()


@scenario(alone=True)
def ends_others_calls(lab):
    """a third party who knows Call-ID and From tag can neither end a call by BYE or CANCEL nor move its audio by re-INVITE or UPDATE."""
    with own_switch(lab, "attack-spoof") as own:
        caller = own.hand("13900008001")
        call = dial(own, caller, "9196", 700)
        from_tag = re.search(r"tag=(\S+)", call.ours).group(1)
        to_tag = re.search(r"(;tag=\S+)", call.theirs).group(1)
        one, thief = Stranger(own, "127.0.0.67"), own.voices.open()
        guesses = ("", ";tag=guess", to_tag[:-1] + ("0" if to_tag[-1] != "0" else "1"))
        for guess in guesses:
            for method in ("BYE", "INVITE", "UPDATE", "INFO", "REFER"):
                body = sdp(thief.port) if method in ("INVITE", "UPDATE") else ""
                one.send(one.text(method, call.target, "13900008001", "9196", tag=from_tag, to_tag=guess, call_id=call.id, cseq=2_000_000, more=["Refer-To: <sip:9193@127.0.0.1>"], body=body))
        one.send(one.text("BYE", call.target, "13900008001", "9196", tag="other", to_tag=to_tag, call_id=call.id, cseq=2_000_000))
        one.send(one.text("CANCEL", f"sip:9196@{caller.server_text}", "13900008001", "9196", tag=from_tag, call_id=call.id))
        one.send(one.text("CANCEL", f"sip:9196@{caller.server_text}", "13900008001", "9196", tag=from_tag, call_id=call.id, branch=call.branch))
        said = [Message(data) for data in one.answers(3, 18)]
        if wrong := [m for m in said if m.status and m.status < 300]:
            raise Failure(f"a third party was told {wrong}")
        check_hears(call.voice, 700, "echo beside a third party")
        call.voice.check_stream()
        if thief.stats()["packets"]:
            raise Failure("the third party was sent audio")
        call.hang_up()
        expect(call_record := own.switch.record_of(call.id), end="caller", cause="normal")
        return f"{len(said)} answers, {', '.join(sorted({str(m.status) for m in said}))}; the call lasted {call_record['duration_ms'] / 1000:.1f} s"


@scenario(slow=True)
def sends_more_than_it_gets(lab):
    """a forged source is sent at most three times the octets that came in its name, within 10 s."""
    server, asked = f"127.0.0.1:{lab.switch.sip}", []
    for method in ("INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "NO-SUCH"):
        one = Stranger(lab, "127.0.0.68")
        # As short as a request can be.
        sent = sum(one.send(f"{method} sip:1001@{server} SIP/2.0\r\nv: SIP/2.0/UDP {one.ip}:{one.port};branch=z9hG4bKa{n}\r\nf: <sip:1001@b>;tag=1\r\nt: <sip:a@b>\r\ni: {one.port}-{n}\r\nCSeq: 1 {method}\r\nm: <sip:a@{one.ip}>\r\nl: 0\r\n\r\n".encode()) for n in range(5))
        asked.append((one, sent, method))
    time.sleep(10)
    worst = []
    for one, sent, method in asked:
        worst.append((sum(map(len, one.answers(0.3))) / sent, method))
        one.close()
    times, method = max(worst)
    if times > 3:
        raise Failure(f"{method} is answered with {times:.1f} times its octets")
    return f"at most {times:.1f} times ({method})"


def flood(own, until, ip, kinds):
    """160 packets a second of each kind in turn."""
    one, sent = Stranger(own, ip), 0
    server = f"127.0.0.1:{own.switch.sip}"
    due = time.monotonic()
    while time.monotonic() < until:
        kind = kinds[sent % len(kinds)]
        if kind == "junk":
            one.send(b"INVITE sip:95598@127.0.0.1 SIP/2.0\r\nVia: " + os.urandom(200) + b"\r\n\r\n")
        else:
            user = f"{next_number()}"
            uri = f"sip:{server}" if kind == "REGISTER" else f"sip:95598@{server}"
            wrong = f'Authorization: Digest username="{user}", realm="hotline", nonce="{user}", uri="{uri}", response="{user}"'
            one.send(one.text(kind, uri, user, more=[wrong] if sent % 2 else [], body=sdp(40000) if kind == "INVITE" else ""))
        sent += 1
        due += 1 / 160
        time.sleep(max(0.0, due - time.monotonic()))
    one.close()
    return sent


@scenario(alone=True)
def floods(lab):
    """800 INVITEs, REGISTERs and junk packets a second from five addresses for 8 s: every honest call succeeds, memory stays."""
    with own_switch(lab, "attack-flood") as own:
        own.sipp("caller", {"NUMBER": "9196", "HOLD": 300, "CODECS": "0"}, rows=[("13900008100", "6000")], calls=20, rate=20, timeout=60).finish()
        before, sent = rss_kib(own.switch.process.pid), []
        until = time.monotonic() + 8
        attackers = [threading.Thread(target=lambda n=n: sent.append(flood(own, until, f"127.0.0.{70 + n}", ("INVITE", "REGISTER", "junk")))) for n in range(5)]
        call = dial(own, own.hand("13900008101"), "9196", 700)
        for each in attackers:
            each.start()
        own.sipp("caller", {"NUMBER": "9196", "HOLD": 500, "CODECS": "0"}, rows=[("13900008102", "6000")], calls=60, rate=8, timeout=90).finish()
        check_hears(call.voice, 700, "echo in the flood")
        for each in attackers:
            each.join()
        own.sipp("options", timeout=10).finish()
        call.hang_up()
        grown = (rss_kib(own.switch.process.pid) - before) / 1024
        if grown > 32:
            raise Failure(f"memory grew by {grown:.1f} MB")
        return f"{sum(sent)} packets, 60 calls set up meanwhile, memory {grown:+.1f} MB"


@scenario(slow=True)
def dribbles(lab):
    """100 TCP connections that send an octet a second and 50 that say nothing: calls over TCP go on, and the dribblers are let go."""
    server, streams = lab.switch.address, []
    for n in range(150):
        stream = socket.socket()
        stream.bind((f"127.0.0.{80 + n % 5}", 0))
        stream.connect(server)
        stream.setblocking(False)
        streams.append(stream)
    dribblers, opened = list(streams[:100]), time.monotonic()
    text = b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKdrip\r\n" + b"X-Slow: slow\r\n" * 50
    at, calls = 0, 0
    while dribblers and time.monotonic() - opened < 60:
        for stream in list(dribblers):
            try:
                stream.send(text[at : at + 1])
                if stream.recv(4096) == b"":
                    raise ConnectionResetError
            except BlockingIOError:
                continue
            except OSError:
                dribblers.remove(stream)
        at = (at + 1) % len(text)
        if at in (2, 6):
            lab.sipp("options", transport="t1", timeout=20).finish()
            call = dial(lab, lab.hand("13900008200", transport="tcp"), "9196")
            call.hang_up()
            calls += 1
        time.sleep(1)
    took = time.monotonic() - opened
    for stream in streams:
        stream.close()
    if dribblers:
        raise Failure(f"{len(dribblers)} of 100 dribbling connections were still open after {took:.0f} s")
    return f"{calls} calls over TCP meanwhile, the last dribbler gone after {took:.0f} s"
