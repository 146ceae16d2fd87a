"""A phone played by hand: the scenario writes each of its messages and reads each answer, so that it may do what no
well-bred phone does. It knows the form of SIP (RFC 3261) and digests, and of transactions only that a request other than
INVITE is sent again while it is not answered: no INVITE is repeated and nothing is acknowledged unless the scenario says so.
"""

import hashlib
import itertools
import re
import socket
import threading
import time

from sipp import Failure, free_port

next_number = itertools.count(1).__next__
DIGESTS = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "SHA-512-256": lambda data: hashlib.new("sha512_256", data)}


class Message:
    def __init__(self, data):
        head, _, body = data.partition(b"\r\n\r\n")
        self.start, *lines = head.decode("utf-8").split("\r\n")
        self.headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.body = body.decode("utf-8")
        status = re.match(r"SIP/2\.0 (\d{3})", self.start)
        self.status = int(status.group(1)) if status else None
        self.method = self.header("CSeq").split()[-1]
        self.cseq = int(self.header("CSeq").split()[0])

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name):
        return (self.all(name) or [""])[0]

    def tag(self, name):
        found = re.search(r";\s*tag=([^;\s]+)", self.header(name))
        return found.group(1) if found else None

    def media(self):
        """Where the SDP wants audio, and in which direction."""
        port, ip = re.search(r"^m=audio (\d+)", self.body, re.M), re.search(r"^c=IN IP[46] (\S+)", self.body, re.M)
        if not port or not ip:
            raise Failure(f"{self.start}: no audio in its SDP: {self.body!r}")
        direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", self.body, re.M)
        return ip.group(1), int(port.group(1)), direction.group(1) if direction else "sendrecv"

    def __repr__(self):
        return f"{self.start} (CSeq {self.header('CSeq')})"


def sdp(port, direction="sendrecv", version=1, ip="127.0.0.1", codecs="0 8 101", more=""):
    family = "IP6" if ":" in ip else "IP4"
    known = {"0": "PCMU/8000", "8": "PCMA/8000", "101": "telephone-event/8000"}
    lines = [f"v=0\r\no=- 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {codecs}\r\n"]
    lines += [f"a=rtpmap:{codec} {known[codec]}\r\n" for codec in codecs.split() if codec in known]
    return "".join(lines) + f"a={direction}\r\n{more}"


def digest(challenge, method, uri, user, password, count=1):
    """The value of an Authorization header for that challenge (RFC 7616)."""
    fields = {key.lower(): quoted or bare for key, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', challenge)}
    algorithm = fields.get("algorithm", "MD5")
    def hashed(text):
        return DIGESTS[algorithm](text.encode()).hexdigest()
    nc, cnonce = f"{count:08x}", f"c{next_number()}"
    ha1, ha2 = hashed(f"{user}:{fields['realm']}:{password}"), hashed(f"{method}:{uri}")
    parts = [ha1, fields["nonce"], *([nc, cnonce, "auth"] if "qop" in fields else []), ha2]
    answer = f'Digest username="{user}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{uri}", algorithm={algorithm}'
    answer += f', response="{hashed(":".join(parts))}"'
    return answer + (f', qop=auth, nc={nc}, cnonce="{cnonce}"' if "qop" in fields else "")


class Hand:
    def __init__(self, switch, user, password, transport="udp", ip="127.0.0.1", piece=1 << 16):
        """`piece`: octets that are given to a stream at once."""
        self.user, self.password, self.transport, self.ip, self.piece = user, password, transport, ip, piece
        self.host = f"[{ip}]" if ":" in ip else ip
        self.server = (ip, switch.sip)
        self.server_text = f"{self.host}:{self.server[1]}"
        self.inbox, self.seen, self.known, self.arrival = [], [], set(), threading.Condition()
        self.bound = False
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        if transport == "udp":
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self.socket.bind((ip, free_port()))
        else:
            self.socket = self.connect()
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.read, args=(self.socket,), daemon=True).start()

    def connect(self):
        stream = socket.create_connection(self.server, 10)
        stream.settimeout(None)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def reconnect(self):
        """The connection is gone at once (RST), and another one, from another port, is there."""
        self.drop()
        self.socket = self.connect()
        threading.Thread(target=self.read, args=(self.socket,), daemon=True).start()

    def drop(self):
        if self.socket.fileno() < 0:
            return
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        try:
            self.socket.shutdown(socket.SHUT_RD)  # wakes the reader
        except OSError:
            pass
        self.socket.close()

    def read(self, source):
        held = b""
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                return
            if not data and self.transport != "udp":
                return
            if self.transport == "udp":
                self.deliver(data)
                continue
            held += data
            while True:
                held = held.lstrip(b"\r\n")
                head, end, rest = held.partition(b"\r\n\r\n")
                length = re.search(rb"^content-length:\s*(\d+)", head, re.M | re.I)
                size = int(length.group(1)) if length else 0
                if not end or len(rest) < size:
                    break
                self.deliver(head + end + rest[:size])
                held = rest[size:]

    def deliver(self, data):
        if data.strip():
            with self.arrival:
                message = Message(data)
                self.seen.append(message)
                # What is repeated because this machine is slow is not news.
                if data not in self.known:
                    self.known.add(data)
                    self.inbox.append(message)
                self.arrival.notify_all()

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        if self.transport == "udp":
            self.socket.sendto(data, self.server)
            return
        for at in range(0, len(data), self.piece):
            self.socket.sendall(data[at : at + self.piece])

    def take(self, what, wanted, timeout=15, again=None):
        """The first message for which `wanted` is true; it and only it leaves the inbox. `again`: what a datagram phone
        sends each second until then."""
        with self.arrival:
            def place():
                return next((at + 1 for at, message in enumerate(self.inbox) if wanted(message)), 0)
            end, at = time.monotonic() + timeout, 0
            while not at and time.monotonic() < end:
                at = self.arrival.wait_for(place, min(1, end - time.monotonic()))
                if not at and again and self.transport == "udp":
                    self.send(again)
            if not at:
                raise Failure(f"{self.user}: {what} did not come within {timeout:g} s; last came {self.seen[-3:]}")
            return self.inbox.pop(at - 1)

    def request(self, method, timeout=15):
        return self.take(f"a {method}", lambda m: m.status is None and m.method == method, timeout)

    def line(self, method, uri, headers, body="", branch=None):
        """A request's text. `headers` are lines without their ends; Via and Max-Forwards are put before, the length behind."""
        branch = branch or f"z9hG4bKhand{next_number()}"
        lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/{self.transport.upper()} {self.host}:{self.port};branch={branch};rport", "Max-Forwards: 70", *headers]
        lines += ["Content-Type: application/sdp"] if body else []
        return "\r\n".join(lines) + f"\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"

    def reply(self, request, status, reason="Said", tag=None, headers=(), body=""):
        to = request.header("To") + (f";tag={tag}" if tag and not request.tag("To") else "")
        lines = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in request.all("Via")), *(f"Record-Route: {r}" for r in request.all("Record-Route"))]
        lines += [f"From: {request.header('From')}", f"To: {to}", f"Call-ID: {request.header('Call-ID')}", f"CSeq: {request.header('CSeq')}", *headers]
        lines += ["Content-Type: application/sdp"] if body else []
        self.send("\r\n".join(lines) + f"\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}")

    @property
    def contact(self):
        return f"Contact: <sip:{self.user}@{self.host}:{self.port};transport={self.transport}>"

    def exchange(self, method, uri, headers, cseq, timeout=15):
        """A request outside a dialog and its final answer."""
        call_id = next(h for h in headers if h.startswith("Call-ID:"))[8:].strip()
        text = self.line(method, uri, [*headers, f"CSeq: {cseq} {method}"])
        self.send(text)
        return self.take(f"an answer to {method}", lambda m: (m.status or 0) >= 200 and m.header("Call-ID") == call_id and m.cseq == cseq, timeout, again=text)

    def register(self, headers=("Expires: 300",), contact=None, status=200, algorithm=None):
        """REGISTER with digest; gives the last answer."""
        uri = f"sip:{self.server_text}"
        aor = f"<sip:{self.user}@{self.server_text}>"
        lines = [f"From: {aor};tag=reg{next_number()}", f"To: {aor}", f"Call-ID: reg-{self.user}-{self.port}-{next_number()}", contact if contact is not None else self.contact, *headers]
        answer = self.exchange("REGISTER", uri, lines, 1)
        if answer.status == 401:
            answer = self.exchange("REGISTER", uri, [*lines, "Authorization: " + self.proof(answer, "REGISTER", uri, algorithm)], 2)
        if answer.status != status:
            raise Failure(f"REGISTER of {self.user} was answered {answer}, not {status}")
        self.bound = self.bound or status == 200
        return answer

    def unregister(self):
        answer = self.register(["Expires: 0"], "Contact: *")
        self.bound = False
        return answer

    def proof(self, answer, method, uri, algorithm=None, password=None):
        challenges = answer.all("WWW-Authenticate") + answer.all("Proxy-Authenticate")
        chosen = next((c for c in challenges if not algorithm or f"algorithm={algorithm}" in c), None)
        if not chosen:
            raise Failure(f"{answer}: no challenge for {algorithm or 'anything'}")
        return digest(chosen, method, uri, self.user, password or self.password)

    def dial(self, number, body, headers=(), allow="INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE", proves=False):
        """Sends an INVITE. `proves`: a challenge must come, and is met before this returns."""
        call = Dialog.calling(self, number, body, [f"Allow: {allow}", *headers])
        if proves:
            call.prove(call.final("INVITE"))
        return call

    def invited(self, timeout=20):
        return Dialog.called(self, self.request("INVITE", timeout))

    def stop(self):
        try:
            if self.bound:
                self.unregister()
        except (Failure, OSError):
            pass
        self.drop()


class Dialog:
    """One call of a hand. `invited_by` and `branch` are the CSeq and the branch of its last INVITE."""

    def __init__(self, hand, call_id, ours, theirs, target):
        self.hand, self.id, self.ours, self.theirs, self.target = hand, call_id, ours, theirs, target
        self.routes, self.cseq, self.invited_by, self.progress, self.headers = [], 0, 0, [], []

    @classmethod
    def calling(cls, hand, number, body, headers):
        uri = f"sip:{number}@{hand.server_text}"
        dialog = cls(hand, f"hand-{next_number()}-{hand.port}", f"<sip:{hand.user}@{hand.server_text}>;tag=h{next_number()}", f"<{uri}>", uri)
        dialog.number, dialog.headers, dialog.body = number, headers, body
        dialog.cseq = dialog.invited_by = 1
        dialog.branch = f"z9hG4bKhand{next_number()}"
        dialog.text = dialog.line("INVITE", [hand.contact, *headers], body, branch=dialog.branch)
        hand.send(dialog.text)
        return dialog

    @classmethod
    def called(cls, hand, invite):
        tag = f"h{next_number()}"
        dialog = cls(hand, invite.header("Call-ID"), f"{invite.header('To')};tag={tag}", invite.header("From"), contact_uri(invite))
        dialog.invite, dialog.tag, dialog.routes = invite, tag, invite.all("Record-Route")
        return dialog

    def line(self, method, headers=(), body="", branch=None, cseq=None):
        lines = [f"From: {self.ours}", f"To: {self.theirs}", f"Call-ID: {self.id}", f"CSeq: {cseq or self.cseq} {method}", *(f"Route: {r}" for r in self.routes), *headers]
        return self.hand.line(method, self.target, lines, body, branch)

    # --- the one who calls ---

    def answer(self, status=200, timeout=20):
        """The final answer to the INVITE; provisional answers are kept, refusals acknowledged."""
        while True:
            said = self.hand.take(f"an answer to INVITE {self.invited_by}", lambda m: m.status and m.status > 100 and m.header("Call-ID") == self.id and m.method == "INVITE" and m.cseq == self.invited_by, timeout)
            if said.status < 200:
                self.progress.append(said)
                continue
            if said.status >= 300:
                self.acknowledge_refusal(said)
            if said.status != status:
                raise Failure(f"INVITE of {self.hand.user} was answered {said}, not {status}")
            if said.status < 300:
                self.confirmed(said)
            return said

    def provisional(self, status, timeout=20):
        """The next answer with that status that is not final."""
        while True:
            said = self.hand.take(f"{status} to INVITE", lambda m: m.status and m.status > 100 and m.header("Call-ID") == self.id and m.method == "INVITE" and m.cseq == self.invited_by, timeout)
            if said.status == status:
                self.progress.append(said)
                return said
            if said.status >= 200:
                raise Failure(f"INVITE of {self.hand.user} was answered {said}, not {status}")

    def prove(self, challenge):
        name = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        self.headers = [*self.headers, f"{name}: {self.hand.proof(challenge, 'INVITE', self.target)}"]
        self.cseq = self.invited_by = self.cseq + 1
        self.branch = f"z9hG4bKhand{next_number()}"
        self.text = self.line("INVITE", [self.hand.contact, *self.headers], self.body, branch=self.branch)
        self.hand.send(self.text)

    def confirmed(self, said):
        self.theirs, self.target, self.routes = said.header("To"), contact_uri(said), list(reversed(said.all("Record-Route")))

    def acknowledge_refusal(self, said):
        lines = [f"From: {self.ours}", f"To: {said.header('To')}", f"Call-ID: {self.id}", f"CSeq: {said.cseq} ACK"]
        self.hand.send(self.hand.line("ACK", self.target, lines, branch=self.branch))

    def ack(self, body=""):
        self.hand.send(self.line("ACK", body=body, cseq=self.invited_by))

    def cancel(self):
        uri_lines = [f"From: {self.ours}", f"To: {self.theirs}", f"Call-ID: {self.id}", f"CSeq: {self.invited_by} CANCEL"]
        self.hand.send(self.hand.line("CANCEL", self.target, uri_lines, branch=self.branch))

    # --- the one who is called ---

    def say(self, status, body="", headers=(), tag=None, contact=True):
        """An answer to the INVITE."""
        self.hand.reply(self.invite, status, tag=tag or self.tag, headers=[*([self.hand.contact] if contact else []), "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE", *headers], body=body)

    def acknowledged(self, timeout=15):
        return self.hand.take("an ACK", lambda m: m.start.startswith("ACK ") and m.header("Call-ID") == self.id, timeout)

    # --- both ---

    def send(self, method, headers=(), body=""):
        """A request within the dialog."""
        self.cseq += 1
        branch = f"z9hG4bKhand{next_number()}"
        if method == "INVITE":
            self.invited_by, self.branch = self.cseq, branch
        self.text = self.line(method, headers, body, branch=branch)
        self.hand.send(self.text)

    def ask(self, method, headers=(), body="", timeout=15, status=200):
        """A request within the dialog and its final answer; that to a re-INVITE is acknowledged when it is no success too."""
        contact = [self.hand.contact] if method in ("INVITE", "UPDATE") else []
        self.send(method, [*contact, *headers], body)
        said = self.final(method, timeout)
        if said.status != status:
            raise Failure(f"{method} of {self.hand.user} within a call was answered {said}, not {status}")
        return said

    def final(self, method, timeout=15):
        cseq = self.invited_by if method in ("INVITE", "CANCEL") else self.cseq
        said = self.hand.take(f"an answer to {method}", lambda m: (m.status or 0) >= 200 and m.header("Call-ID") == self.id and m.method == method and m.cseq == cseq, timeout, again=None if method in ("INVITE", "CANCEL") else self.text)
        if method == "INVITE" and said.status >= 300:
            self.acknowledge_refusal(said)
        return said

    def reoffer(self, port, direction, **settings):
        """A re-INVITE with its ACK; gives the answer."""
        said = self.ask("INVITE", body=sdp(port, direction, version=self.cseq + 1, **settings))
        self.ack()
        return said

    def hang_up(self):
        self.ask("BYE")

    def ended(self, timeout=15):
        """Waits for the other's BYE and answers it."""
        bye = self.hand.take("a BYE", lambda m: m.status is None and m.method == "BYE" and m.header("Call-ID") == self.id, timeout)
        self.hand.reply(bye, 200)
        return bye


def contact_uri(message):
    found = re.search(r"<([^>]+)>", message.header("Contact"))
    if not found:
        raise Failure(f"{message}: no Contact")
    return found.group(1)
