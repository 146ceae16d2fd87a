"""One run of sipp: a scenario of tests/peers/sipp with its @PLACES@ filled in, its log, and its verdict."""

import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

SCENARIOS = Path(__file__).parent / "sipp"


class Failure(Exception):
    """What a scenario found wrong, in one sentence."""


class Skipped(Exception):
    """What this machine lacks for a scenario, and how to get it."""


def installed(tool):
    return shutil.which(tool) is not None


def free_port():
    """A port below the ephemeral range that is free for UDP and TCP now, as is the one above it, which a SIP phone often
    takes for TLS; who asked takes it a moment later."""
    with free_port.lock:
        for port in range(free_port.next, 20000, 2):
            try:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    for each in (port, port + 1):
                        with socket.socket(socket.AF_INET, kind) as s:
                            s.bind(("127.0.0.1", each))
            except OSError:
                continue
            free_port.next = port + 2
            return port
    raise Failure("no free port is left between 12000 and 20000")


# Each run begins elsewhere, so that two runs at once seldom ask for the same port.
free_port.next, free_port.lock = 12000 + os.getpid() % 200 * 20, threading.Lock()


def poll(what, until, timeout, every=0.02):
    """The first true result of `until()`, or a Failure that says what was waited for."""
    end = time.monotonic() + timeout
    while True:
        result = until()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"{what} did not happen within {timeout:g} s")
        time.sleep(every)


def credentials(user, password):
    """A row for register.xml."""
    return user, f"[authentication username={user} password={password}]"


def keys(pressed, pause_ms=400):
    """For the place KEYS of caller.xml: presses these keys by INFO, with that pause before each."""
    text = (SCENARIOS / "key.xml").read_text()
    return "".join(text.replace("@PAUSE@", str(pause_ms)).replace("@KEY@", key).replace("@CSEQ@", str(2 + n)) for n, key in enumerate(pressed))


# For `calls` of a phone that takes calls until it is stopped.
ENDLESS = 1_000_000_000


class Sipp:
    def __init__(self, folder, scenario, target=None, fill=None, rows=(("13900000000", "6000"),), transport="u1", port=None, calls=1, rate=None, timeout=120, timed=False):
        self.scenario, self.calls = scenario, calls
        self.port = port or free_port()
        name = f"{scenario}-{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        self.log, self.errors, self.messages = (folder / f"{name}.{end}" for end in ("log", "err", "msg"))
        xml, rows_file, self.screen = folder / f"{name}.xml", folder / f"{name}.csv", folder / f"{name}.out"
        for old in (self.log, self.errors, self.messages):
            old.unlink(missing_ok=True)
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for place, value in {"KEYS": "", "CODEC": "[$codec]", "DIRECTION": "sendrecv", **(fill or {})}.items():
            text = text.replace(f"@{place}@", str(value))
        if left := re.search(r"@[A-Z]{3,}@", text):
            raise Failure(f"{scenario}.xml: {left.group()} has no value")
        xml.write_text(text, "latin-1")
        rows_file.write_text("SEQUENTIAL\n" + "".join(";".join(map(str, row)) + ";\n" for row in rows))
        command = ["sipp", *([f"{target[0]}:{target[1]}"] if target else []), "-sf", str(xml), "-inf", str(rows_file)]
        command += ["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(self.port), "-t", transport, "-m", str(calls), "-nostdin"]
        command += ["-cid_str", f"{name}-%u-%p@127.0.0.1", "-timeout", str(timeout), "-timeout_error"]
        command += ["-trace_logs", "-log_file", str(self.log), "-trace_err", "-error_file", str(self.errors)]
        if calls == 1:
            command += ["-trace_msg", "-message_file", str(self.messages)]
        if transport.endswith("n"):
            # A socket for each call; the usual bound is above what a process may open.
            command += ["-max_socket", "1000"]
        if timed:
            # Written down so many at a time; the rest is not.
            command += ["-trace_rtt", "-rtt_freq", str(min(calls, 100))]
        if rate:
            command += ["-r", str(rate), "-l", str(calls)]
        self.timeout = timeout
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.screen.open("wb"), stderr=subprocess.STDOUT, cwd=folder)

    def lines(self, pattern):
        """All matches of the pattern in the log so far."""
        return re.findall(pattern, self.log.read_text("latin-1"), re.M) if self.log.exists() else []

    def wait_for(self, pattern, timeout):
        """The first match in the log."""
        def found():
            hits = self.lines(pattern)
            if not hits and self.process.poll() is not None:
                raise Failure(f"sipp {self.scenario} ended before `{pattern}`{self.why()}")
            return hits
        return poll(f"`{pattern}` in sipp {self.scenario}", found, timeout)[0]

    def hang_up(self, call_id):
        """Tells a running caller.xml or answer.xml to send its BYE."""
        text = f"MESSAGE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKsteer\r\nFrom: <sip:t@t>;tag=1\r\nTo: <sip:t@t>\r\nCall-ID: {call_id}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(text.encode(), ("127.0.0.1", self.port))

    def setup_ms(self):
        """How long each call of a caller that is `timed` took until its answer, once all are over."""
        file = self.screen.parent / f"{self.screen.stem}_{self.process.pid}_rtt.csv"
        return [float(row.split(";")[1]) for row in file.read_text().splitlines()[1:]] if file.exists() else []

    def hang_up_all(self, rounds=5):
        """A word that found no room in sipp's socket is said again."""
        for _ in range(rounds):
            for _, _, _, call_id in self.lines(r"^answered (\S+) (\S+) (\S+) (\S+)"):
                self.hang_up(call_id)
                time.sleep(0.001)
            if self.calls == len(self.lines("^ended-by ")):
                return

    def why(self):
        text = self.errors.read_text("latin-1").strip() if self.errors.exists() else ""
        # Each entry begins with a date, not always on a line of its own.
        entries = [" ".join(entry.split()) for entry in re.split(r"(?=\d{4}-\d\d-\d\d\t)", text)]
        useful = [entry for entry in entries if entry and "jumping to label" not in entry and not entry.startswith("The following")]
        return ": " + " | ".join(useful)[:600] if useful else ""

    def finish(self, timeout=None):
        """Waits for the end; a Failure unless every call went as the scenario says."""
        try:
            code = self.process.wait(timeout or self.timeout + 5)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Failure(f"sipp {self.scenario} did not end{self.why()}")
        if code != 0:
            raise Failure(f"sipp {self.scenario} failed (exit {code}){self.why()}")

    def failed(self):
        """Waits for the end; how many of the calls went wrong."""
        try:
            self.finish()
            return 0
        except Failure as failure:
            counts = re.findall(r"Failed call\s+\|\s+\d+\s+\|\s+(\d+)", self.screen.read_text("latin-1"))
            if not counts:
                raise failure
            return int(counts[-1])

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
