"""Those whose cost is compared: hotline, kamailio, rtpengine, and a bare relay that looks at nothing."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from bench import HERE
from sipp import Failure, Sipp, credentials, free_port, poll
from switch import ROOT, Switch, write_project

FOLDER = Path(os.environ.get("CARGO_TARGET_DIR") or Path(ROOT) / "target").resolve() / "load"
FLOOR_FIRST = 20000
FIRST_AGENT = 2001


class Hotline:
    name, records, agents = "hotline", "false", 0

    def __init__(self):
        self.far = free_port()
        self.switch = Switch(FOLDER / "hotline", self.arguments)
        self.pid, self.address = self.switch.process.pid, self.switch.address
        if self.agents:
            rows = [credentials(user, f"pw-of-{user}") for user in self.users()]
            Sipp(FOLDER / "sipp", "register", self.address, {"STATUS": 200, "EXPIRES": 3600}, rows, port=self.far, calls=len(rows), rate=200).finish()

    def users(self):
        return range(FIRST_AGENT, FIRST_AGENT + self.agents)

    def arguments(self, sip, http, state):
        text = fill(HERE / "hotline.yaml", STATE=state, SIP=sip, HTTP=http, FAR=self.far, RECORDS=self.records)
        text += "".join(f"  - {{id: \"{user}\", password: pw-of-{user}, queues: [service]}}\n" for user in self.users())
        path = write_project(FOLDER / "hotline" / "hotline.yaml", text)
        return ["serve", "-c", str(path)]

    def metric(self, name):
        return self.switch.metric(name)

    def stop(self):
        self.switch.stop()


class Recording(Hotline):
    """With as many agents, all on the phone that is the far trunk elsewhere, whose talks are recorded."""

    records, agents = "true", 200


class Kamailio:
    name = "kamailio"

    def __init__(self):
        self.far, sip = free_port(), free_port()
        folder = FOLDER / "kamailio"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "kamailio.cfg"
        config.write_text(fill(HERE / "kamailio.cfg", SIP=sip, FAR=self.far))
        self.process = subprocess.Popen(["kamailio", "-f", str(config), "-DD", "-E", "-Y", str(folder), "-P", str(folder / "pid")],
                                        stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.pid, self.address = self.process.pid, ("127.0.0.1", sip)
        poll("kamailio to start", lambda: udp_port_taken(sip) or self.process.poll() is not None, 10)
        time.sleep(1)
        if self.process.poll() is not None:
            raise Failure(f"kamailio ended: {(folder / 'log').read_text('latin-1')[-400:]}")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Floor:
    name = "rtpfloor"

    def __init__(self):
        self.process = subprocess.Popen([str(FOLDER / "rtpfloor"), str(FLOOR_FIRST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid

    def relay(self, near_and_far):
        """Where the two sides of each call have to send."""
        self.process.stdin.write("".join(f"{near} {far}\n" for near, far in near_and_far))
        self.process.stdin.close()
        if self.process.stdout.readline().strip() != "ready":
            raise Failure("rtpfloor did not start")
        return [(FLOOR_FIRST + 4 * n, FLOOR_FIRST + 4 * n + 2) for n in range(len(near_and_far))]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Rtpengine:
    name = "rtpengine"

    def __init__(self):
        self.port = free_port()
        folder = FOLDER / "rtpengine"
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(["rtpengine", "--table=-1", "--foreground", "--log-stderr", "--log-level=3", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{self.port}",
                                         "--port-min=20000", "--port-max=29999", "--num-threads=1", "--delete-delay=0", f"--pidfile={folder / 'pid'}"],
                                        stdout=(folder / "log").open("wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.pid, self.count = self.process.pid, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(1)

        def ready():
            if self.process.poll() is not None:
                raise Failure(f"rtpengine ended: {(folder / 'log').read_text('latin-1')[-400:]}")
            try:
                return self.ask(command="ping").get("result") == "pong"
            except OSError:
                return False
        poll("rtpengine to start", ready, 10)

    def ask(self, **words):
        self.count += 1
        cookie = f"{os.getpid()}_{self.count}"
        self.socket.sendto(f"{cookie} ".encode() + bencode({k.replace("_", "-"): v for k, v in words.items()}), ("127.0.0.1", self.port))
        while True:
            answer = self.socket.recv(65536)
            if answer.startswith(cookie.encode() + b" "):
                return bdecode(answer[len(cookie) + 1 :])[0]

    def relay(self, call, near, far):
        """Where the two sides of a call have to send."""
        words = {"call_id": f"load-{call}", "from_tag": "a", "replace": ["origin"], "ICE": "remove", "flags": ["trust-address"]}
        to_far = media_port(self.ask(command="offer", sdp=sdp(near), **words))
        to_near = media_port(self.ask(command="answer", to_tag="b", sdp=sdp(far), **words))
        return to_near, to_far

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.socket.close()


def udp_port_taken(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def fill(path, **places):
    text = path.read_text()
    for place, value in places.items():
        text = text.replace(f"@{place}@", str(value))
    return text


def sdp(port):
    return f"v=0\r\no=- {port} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"


def media_port(answer):
    if answer.get("result") != "ok":
        raise Failure(f"rtpengine: {answer}")
    return int(re.search(r"m=audio (\d+)", answer["sdp"]).group(1))


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(v) for k, v in sorted(value.items())) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, int):
        return b"i%de" % value
    value = value.encode()
    return b"%d:%s" % (len(value), value)


def bdecode(data, at=0):
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in b"dl":
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if kind == b"d" else items), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end].decode("latin-1"), end


def can_run(kind):
    if issubclass(kind, Hotline):
        binary = os.environ.get("HOTLINE_BIN") or os.path.join(ROOT, "target", "release", "hotline")
        return None if os.access(binary, os.X_OK) else f"{binary} is not there (cargo build --release)"
    if kind is Floor:
        return None
    return None if shutil.which(kind.name) else f"{kind.name} is not installed (apt-get install {'rtpengine-daemon' if kind is Rtpengine else kind.name})"
