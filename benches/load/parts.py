"""What is measured: one round of each part."""

import os
import socket
import subprocess
import time
from functools import partial
from pathlib import Path

from bench import RTP_FIRST, Blast, Relayed, rtp_ports
from contestants import FOLDER, Floor, Hotline, Kamailio, Recording, Rtpengine
from process import cpu_s, rss_kib
from sipp import Failure, Sipp, credentials, poll

RELAY_WARM_S, RELAY_S = 3, 10
SETUP_CALLS, SETUP_RATE = 10000, 500
ANSWER_CALLS, ANSWER_RATE = 4000, 400
UAS_CALLS, UAS_RATE = 30000, 1500
REGISTER_CALLS, REGISTER_RATE = 20000, 1000
WAIT_WARM_S, WAIT_S = 2, 5
RECORDED, TRANSCODED = 200, 200
MIXED_S, MIXED_TALKS = 20, 100


def answer(hotline):
    """Answered, 2 s of the welcome, BYE."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # received, never read: the kernel drops what is too much
    sink.bind(("127.0.0.1", 0))
    before, began = cpu_s(hotline.pid), time.monotonic()
    phone = Sipp(FOLDER / "sipp", "caller", hotline.address, {"NUMBER": "95598", "HOLD": 2000, "CODECS": "0"}, [("13900000000", sink.getsockname()[1])], calls=ANSWER_CALLS, rate=ANSWER_RATE, timeout=120, timed=True)
    failed = phone.failed()
    took = time.monotonic() - began
    time.sleep(1)
    cpu = cpu_s(hotline.pid) - before
    sink.close()
    idle = cpu_s(hotline.pid)
    time.sleep(2)
    idle = (cpu_s(hotline.pid) - idle) / 2
    return {"cpu_ms_per_call": 1000 * (cpu - idle * (took + 1)) / ANSWER_CALLS, "failed": failed} | until_answer(phone)


def until_answer(*phones):
    """What callers waited for, as sipp sees it, whose own clock goes by milliseconds."""
    waits = sorted(wait for phone in phones for wait in phone.setup_ms())
    return {f"setup_p{percent}_ms": waits[min(len(waits) - 1, len(waits) * percent // 100)] for percent in (50, 95, 99) if waits}


def wait(hotline, calls):
    """Callers in a queue without an agent, each with music of its own."""
    base = rss_kib(hotline.pid)
    listener = subprocess.Popen([str(FOLDER / "rtplisten"), str(RTP_FIRST), str(calls), str(WAIT_WARM_S), str(WAIT_S)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if listener.stdout.readline().strip() != "listening":
        raise Failure("rtplisten did not start")
    rows = [(f"139{n:08}", RTP_FIRST + 2 * n) for n in range(calls)]
    phone = Sipp(FOLDER / "sipp", "caller", hotline.address, {"NUMBER": "9000", "HOLD": 60000, "CODECS": "0"}, rows, calls=calls, rate=200, timeout=120)
    try:
        poll(f"{calls} callers to wait", lambda: len(phone.lines("^answered ")) == calls, 30, every=0.2)
        listener.stdin.write("go\n")
        listener.stdin.close()
        listener.stdout.readline()
        before = cpu_s(hotline.pid)
        listener.stdout.readline()
        cpu, memory = cpu_s(hotline.pid) - before, rss_kib(hotline.pid) - base
        figures = {k: float(v) for k, v in (pair.split("=") for pair in listener.stdout.readline().split())}
        if figures["streams"] < calls:
            raise Failure(f"only {figures['streams']:.0f} of {calls} callers heard music")
    finally:
        listener.kill()
        listener.wait()
        phone.stop()
    return {"core_percent": 100 * cpu / WAIT_S, "cpu_ms_per_call_second": 1000 * cpu / calls / WAIT_S, "rss_kib_per_call": memory / calls, "p50_us": figures["p50_us"], "p99_us": figures["p99_us"], "max_us": figures["max_us"]}


def uas(hotline):
    """Answered at once, torn down after 100 ms, at a rate that one core has to keep up with."""
    keep_to(hotline.pid, {0})
    sent_again = hotline.metric("hotline_sip_retransmissions_total")
    before = cpu_s(hotline.pid)
    phone = Sipp(FOLDER / "sipp", "caller", hotline.address, {"NUMBER": "9196", "HOLD": 100, "CODECS": "0"}, [("13900000000", "6002")], calls=UAS_CALLS, rate=UAS_RATE, timeout=120, timed=True)
    keep_to(phone.process.pid, {1})
    failed = phone.failed()
    return {"cpu_ms_per_call": 1000 * (cpu_s(hotline.pid) - before) / UAS_CALLS, "failed": failed, "sent_again": hotline.metric("hotline_sip_retransmissions_total") - sent_again} | until_answer(phone)


def register(hotline):
    """One extension that registers again and again, each time challenged."""
    before = cpu_s(hotline.pid)
    phone = Sipp(FOLDER / "sipp", "register", hotline.address, {"STATUS": 200, "EXPIRES": 3600}, [credentials("1001", "pw-of-1001")], calls=REGISTER_CALLS, rate=REGISTER_RATE, timeout=120)
    failed = phone.failed()
    return {"cpu_us_per_register": 1e6 * (cpu_s(hotline.pid) - before) / REGISTER_CALLS, "failed": failed}


def keep_to(pid, cores):
    """Binds a process with all its threads to these cores, where there are several."""
    if os.cpu_count() > 1:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def setup(target):
    """Two legs set up, torn down after 200 ms without media."""
    # The far phone is steered by signals only; its calls end when the near one hangs up.
    far = Sipp(FOLDER / "sipp", "answer", None, {"RING": 50, "HOLD": 20000}, [("6000",)], port=target.far, calls=SETUP_CALLS, timeout=120)
    before = cpu_s(target.pid)
    near = Sipp(FOLDER / "sipp", "caller", target.address, {"NUMBER": "7000", "HOLD": 200, "CODECS": "0"}, [("13900000000", "6002")], calls=SETUP_CALLS, rate=SETUP_RATE, timeout=120, timed=True)
    try:
        failed = near.failed()
        time.sleep(0.5)
        cpu = cpu_s(target.pid) - before
    finally:
        near.stop()
        far.stop()
    return {"cpu_ms_per_call": 1000 * cpu / SETUP_CALLS, "failed": failed} | until_answer(near)


def blast(pid, parties, calls, transcoded=False):
    """CPU while the parties talk through the process `pid`."""
    voices = Blast(FOLDER, parties, RELAY_WARM_S, RELAY_S, transcoded)
    before = cpu_s(pid)
    voices.measured()
    cpu = cpu_s(pid) - before
    figures = voices.figures()
    if figures["received"] == 0:
        raise Failure("not one packet came through")
    figures |= {"cpu_ms_per_call_second": 1000 * cpu / calls / RELAY_S, "cpu_ns_per_packet": 1e9 * cpu / figures["received"]}
    return figures


def relay_rtpengine(engine, count):
    ports = rtp_ports(2 * count)
    base, parties = rss_kib(engine.pid), []
    for n in range(count):
        near, far = ports[2 * n], ports[2 * n + 1]
        to_near, to_far = engine.relay(n, near, far)
        parties += [(near, "127.0.0.1", to_near), (far, "127.0.0.1", to_far)]
    figures = blast(engine.pid, parties, count)
    figures["rss_kib_per_call"] = (rss_kib(engine.pid) - base) / count
    return figures


def relay_floor(floor, count):
    ports = rtp_ports(2 * count)
    calls = list(zip(ports[::2], ports[1::2]))
    parties = [(phone, "127.0.0.1", to) for phones, places in zip(calls, floor.relay(calls)) for phone, to in zip(phones, places)]
    return blast(floor.pid, parties, count)


def relay_hotline(hotline, count, number="7000", far_codec=None):
    base = rss_kib(hotline.pid)
    with Relayed(FOLDER, hotline.address, hotline.far, number, count, far_codec) as calls:
        figures = blast(hotline.pid, calls.parties, count, transcoded=far_codec is not None)
        figures["rss_kib_per_call"] = (rss_kib(hotline.pid) - base) / count
        calls.hang_up()
    return figures


def record(hotline):
    """Callers who talk with agents, recorded."""
    figures = relay_hotline(hotline, RECORDED, "9000")
    return figures | {"failed": hotline.metric("hotline_recordings_failed_total"), "unrecorded": hotline.metric("hotline_recording_packets_lost_total")}


def transcode(hotline):
    """PCMU on one side, PCMA on the other."""
    figures = relay_hotline(hotline, TRANSCODED, far_codec=8)
    return {key: figures[key] for key in ("cpu_ms_per_call_second", "cpu_ns_per_packet", "rss_kib_per_call", "lost_ppm")}


def mixed(hotline):
    """Some of all at once: calls that talk, callers who listen to a prompt, short calls, and registrations."""
    def callers(number, hold_ms, rate):
        return Sipp(FOLDER / "sipp", "caller", hotline.address, {"NUMBER": number, "HOLD": hold_ms, "CODECS": "0"}, [("13900000000", "6002")], calls=rate * MIXED_S, rate=rate, timeout=120, timed=True)
    base = rss_kib(hotline.pid)
    with Relayed(FOLDER, hotline.address, hotline.far, "7000", MIXED_TALKS) as talking:
        voices = Blast(FOLDER, talking.parties, 1, MIXED_S)
        before = cpu_s(hotline.pid)
        asking, short = callers("95598", 2000, 40), callers("9196", 100, 150)
        phones = Sipp(FOLDER / "sipp", "register", hotline.address, {"STATUS": 200, "EXPIRES": 3600}, [credentials("1001", "pw-of-1001")], calls=100 * MIXED_S, rate=100, timeout=120)
        voices.measured()
        cpu = cpu_s(hotline.pid) - before
        figures = voices.figures()
        failed = asking.failed() + short.failed() + phones.failed()
        talking.hang_up()
    figures |= {"core_percent": 100 * cpu / MIXED_S, "failed": failed, "rss_kib_more": rss_kib(hotline.pid) - base}
    return figures | until_answer(asking, short)


def relay(calls):
    return [(kind, partial(run, count=calls)) for kind, run in ((Hotline, relay_hotline), (Rtpengine, relay_rtpengine), (Floor, relay_floor))]


def play(streams):
    return [(Hotline, partial(wait, calls=streams))]


PARTS = {
    "answer": [(Hotline, answer)],
    "uas": [(Hotline, uas)],
    "register": [(Hotline, register)],
    "wait": play(1000),
    "setup": [(Hotline, setup), (Kamailio, setup)],
    "relay": relay(500),
    "record": [(Recording, record)],
    "transcode": [(Hotline, transcode)],
    "mixed": [(Hotline, mixed)],
    "relay-100": relay(100),
    "relay-1000": relay(1000),
    "play-500": play(500),
    "play-2000": play(2000),
}
MEDIA = ["relay-100", "relay", "relay-1000", "play-500", "play-2000"]
USUAL = ["answer", "uas", "register", "wait", "setup", "relay", "record", "transcode", "mixed"]
SHOWN = {"cpu_ms_per_call": "ms CPU a call", "cpu_ms_per_call_second": "ms CPU a call-second", "cpu_ns_per_packet": "ns CPU a packet", "p50_us": "us p50", "p99_us": "us p99",
         "core_percent": "% of a core", "max_us": "us max", "lost_ppm": "ppm lost", "rss_kib_per_call": "KiB a call", "cpu_us_per_register": "us CPU a registration", "sent_again": "messages sent again", "failed": "failed",
         "setup_p50_ms": "ms until the answer, p50", "setup_p95_ms": "ms until the answer, p95", "setup_p99_ms": "ms until the answer, p99", "unrecorded": "packets not recorded", "rss_kib_more": "KiB more at the end"}
COMPARED = {"setup": "cpu_ms_per_call"} | {part: "cpu_ns_per_packet" for part in ("relay", "relay-100", "relay-1000")}
