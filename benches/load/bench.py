"""What the scripts of this folder and tests/soak share: generators, calls whose audio is counted, and a place before other work."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "peers"))
from process import compiled  # noqa: E402
from sipp import Failure, Sipp, poll  # noqa: E402

# Below those of the switch; 2,000 even ones.
RTP_FIRST = 15000


def rtp_ports(count):
    return [RTP_FIRST + 2 * n for n in range(count)]


def build(folder, tool):
    return compiled(folder, HERE / f"{tool}.c")


def be_first():
    """Contestants and generators go before other work (needs root), so that a busy machine changes less.

    The kernel shares the processor among sessions first (sched_autogroup), so this takes a session of its own; the
    process that was started waits for it.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    except PermissionError:
        return ""
    if child := os.fork():
        def pass_on(*_):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGINT)
        signal.signal(signal.SIGINT, pass_on)
        signal.signal(signal.SIGTERM, pass_on)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    os.setsid()
    try:
        Path("/proc/self/autogroup").write_text("-15")
    except OSError:
        pass
    return ", all at nice -15"


class Relayed:
    """`count` calls to `number`, which the switch leads to its trunk at `far`: all up, nobody talks yet. They last until
    they are hung up; `parties` are the places that talk, for a Blast. The far side takes PCMU, as the near one, or another."""

    def __init__(self, folder, address, far, number, count, far_codec=None):
        near_ports, far_ports = rtp_ports(2 * count)[::2], rtp_ports(2 * count)[1::2]
        # All are up before the first ends for want of media (20 s).
        rate = max(50, count // 10)
        answers = {"RING": 20, "HOLD": 3600000} | ({"CODEC": far_codec} if far_codec else {})
        self.far = Sipp(folder / "sipp", "answer", None, answers, [(port,) for port in far_ports], port=far, calls=count, timeout=3600)
        self.near = Sipp(folder / "sipp", "caller", address, {"NUMBER": number, "HOLD": 3600000, "CODECS": "0"}, [(f"139{n:08}", port) for n, port in enumerate(near_ports)], calls=count, rate=rate, timeout=3600)
        try:
            poll(f"{count} calls to be up", lambda: self.up() == count, 30 + count / rate, every=0.2)
        except Failure:
            self.stop()
            raise
        self.parties = [(near_ports[int(who[3:])], ip, port) for who, ip, port in self.near.lines(r"^answered (\S+) (\S+) (\S+) ")]
        self.parties += [(int(local), ip, port, far_codec or 0) for local, ip, port in self.far.lines(r"^invited (\S+) (\S+) (\S+) ")]

    def up(self):
        if self.near.process.poll() is not None:
            raise Failure(f"the calls ended early{self.near.why()}")
        return min(len(self.near.lines("^answered ")), len(self.far.lines("^talking ")))

    def hang_up(self):
        """Every caller does; a Failure unless each call went as it should."""
        self.near.hang_up_all()
        self.near.finish(60)

    def stop(self):
        self.near.stop()
        self.far.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Blast:
    """The parties talk for `warm_s`, and then for `measure_s` in which each packet is counted (rtpblast.c). `transcoded`: what is
    heard is not what was sent."""

    def __init__(self, folder, parties, warm_s, measure_s, transcoded=False):
        self.process = subprocess.Popen([str(folder / "rtpblast"), str(warm_s), str(measure_s), *(["any"] if transcoded else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write("".join(" ".join(map(str, party)) + "\n" for party in parties))
        self.process.stdin.close()
        if self.process.stdout.readline().strip() != "measuring":
            raise Failure("rtpblast did not start")

    def measured(self):
        """Waits for the end of what is measured."""
        self.process.stdout.readline()

    def figures(self):
        figures = {k: float(v) for k, v in (pair.split("=") for pair in self.process.stdout.readline().split())}
        self.process.wait(10)
        return figures
