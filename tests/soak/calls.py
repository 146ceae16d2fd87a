"""A hundred thousand calls of many kinds, lap by lap, while files are read again, agents come and go, and a trunk flaps.

After each lap the switch is left alone until it holds nothing for a call; what it takes of the machine then is compared from
lap to lap.
"""

import contextlib
import itertools
import statistics
import threading
import time
from typing import NamedTuple

from sipp import Failure, keys, poll
from world import HELD, SHIFTS, VISITORS

CHURN_EVERY_S = 1.0
FLAP_S = 3.0
# Growth after the warm-up that is still flat.
FLAT, KB_PER_THOUSAND = 0.02, 20


class Kind(NamedTuple):
    """`share` of all calls, in percent; `ends`: who hangs up."""

    name: str
    share: int
    fill: dict
    scenario: str = "caller"
    transport: str = "u1"
    ends: str = ""


def dials(number, hold_ms, press=""):
    return {"NUMBER": number, "HOLD": hold_ms, "CODECS": "0 8", "KEYS": keys(press)}


PATIENT = 60000
KINDS = [
    Kind("menu, digits, end", 15, dials("95500", PATIENT, "142"), ends="other"),
    Kind("menu, agent, end", 10, dials("95500", PATIENT, "2"), ends="other"),
    Kind("queue, agent", 15, dials("9000", PATIENT), ends="other"),
    Kind("trunk", 15, dials("7000", 300), ends="caller"),
    Kind("trunk that flaps", 10, dials("7100", 300), ends="caller"),
    Kind("echo", 5, dials("9196", 300), ends="caller"),
    Kind("echo by one TCP connection", 5, dials("9196", 300), transport="t1", ends="caller"),
    Kind("echo by TCP connections of their own", 5, dials("9196", 300), transport="tn", ends="caller"),
    Kind("given up while an agent's phone rings", 5, dials("9100", 600), ends="caller"),
    Kind("cancelled while a trunk rings", 5, {"NUMBER": "7300", "HOLD": 200}, "cancel"),
    Kind("busy", 5, {"NUMBER": "7400", "STATUS": 486, "WITHIN": 10000}, "refused"),
    Kind("no such number", 5, {"NUMBER": "4999", "STATUS": 404, "WITHIN": 10000}, "refused"),
]


class Churn:
    """What an operator and bad luck do to a running switch, one thing after the other."""

    def __init__(self, world):
        self.world, self.done = world, {}
        self.agents, self.shifts, self.count = itertools.cycle(SHIFTS[0]), itertools.cycle(range(len(SHIFTS))), 0
        self.deeds = itertools.cycle((self.pause, self.reload, self.flap, self.pause, self.reload, self.change_shift))

    @contextlib.contextmanager
    def going_on(self):
        """Gives what went wrong meanwhile, a list that grows."""
        over, troubles = threading.Event(), []

        def run():
            while not over.wait(CHURN_EVERY_S):
                deed = next(self.deeds)
                try:
                    deed()
                    self.done[deed.__name__] = self.done.get(deed.__name__, 0) + 1
                except (Failure, OSError) as trouble:
                    troubles.append(f"{deed.__name__}: {trouble}")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield troubles
        finally:
            over.set()
            thread.join(60)

    def pause(self):
        agent = next(self.agents)
        self.world.set_agent(agent, state="not_ready", reason="break")
        time.sleep(0.2)
        self.world.set_agent(agent, state="ready")

    def change_shift(self):
        """One of two shifts logs out, and in again."""
        shift = next(self.shifts)
        self.world.end_shift(shift)
        self.world.begin_shift(shift)
        for agent in SHIFTS[shift]:
            self.world.set_agent(agent, state="ready")

    def reload(self):
        self.count += 1
        self.world.change_files(self.count)
        self.world.switch.command("reload")

    def flap(self):
        self.world.flap(False)
        time.sleep(FLAP_S)
        self.world.flap(True)


def lap(world, number, calls, rate):
    """One round of all kinds at once; {kind: what went wrong}."""
    running, wrong = [], {}
    for kind in KINDS:
        many = max(1, calls * kind.share // 100)
        running.append((kind, many, world.caller(scenario=kind.scenario, fill=kind.fill, transport=kind.transport, calls=many, rate=max(1, rate * kind.share // 100))))
    visits = max(1, calls // 20)
    come = world.register(VISITORS, calls=visits, rate=max(1, rate // 20), expires=120, transport="t1" if number % 2 else "u1")
    limit = time.monotonic() + calls / rate * 5 + 120
    try:
        for kind, many, phone in running:
            failed = finished(phone, limit)
            ended = len(phone.lines(f"^ended-by {kind.ends}")) if kind.ends else many
            if failed or ended != many:
                wrong[kind.name] = f"{failed} of {many} failed, {max(0, many - failed - ended)} were ended by the wrong side{phone.why()[:400]}"
        failed = finished(come, limit)
        # Who is not taken back lapses; these leave as they came.
        failed += finished(world.register(VISITORS, port=come.port, expires=0), limit)
        if failed:
            wrong["registrations"] = f"{failed} of {2 * visits} failed{come.why()[:400]}"
    finally:
        for _, _, phone in running:
            phone.stop()
        come.stop()
    return wrong


def finished(phone, limit):
    poll(f"sipp {phone.scenario} to end", lambda: phone.process.poll() is not None, max(1, limit - time.monotonic()), every=0.5)
    return phone.failed()


def run(world, report, calls, rate, laps):
    """`calls` in so many laps; the first quarter of the laps warms up."""
    world.far_side()
    each, warm = max(1, calls // laps), max(1, laps // 4)
    print(f"# {laps} laps of {each} calls at {rate} a second, {warm} of them to warm up", flush=True)
    registered = world.switch.metric("hotline_registrations")
    wrong, left, marks, churn = [], [], [], Churn(world)
    for number in range(1, laps + 1):
        began = time.monotonic()
        with churn.going_on() as troubles:
            went_wrong = lap(world, number, each, rate)
        if troubles:
            went_wrong["churn"] = "; ".join(troubles)[:600]
        took = time.monotonic() - began
        remains = world.quiet()
        if stray := world.switch.metric("hotline_registrations") - registered:
            remains["hotline_registrations"] = stray
        marks.append(world.taken())
        wrong += [(kind, f"lap {number}: {text}") for kind, text in went_wrong.items()]
        left += [(name, f"lap {number}: {value:g}") for name, value in remains.items()]
        print("# lap {}: {:.0f} s; then {} KiB, {} descriptors, {} threads".format(number, took, *marks[-1]), *(f"; {name}: {text}" for name, text in [*wrong, *left] if text.startswith(f"lap {number}:")), flush=True)
    for kind in [*(k.name for k in KINDS), "registrations", "churn"]:
        report(kind, *told(wrong, kind, churn.done if kind == "churn" else ""))
    for name in [*HELD, "hotline_registrations"]:
        report(f"{name} is as before", *told(left, name))
    check_counters(world, report)
    check_taken(report, marks, warm, each)


def told(findings, about, fine=""):
    texts = [text for name, text in findings if name == about]
    return not texts, "; ".join(texts)[:1500] or fine


def check_counters(world, report):
    figures = world.switch.metrics()
    for name in ("hotline_permits_mended_total", "hotline_store_events_dropped_total", "hotline_store_failures_total",
                 "hotline_recordings_failed_total", "hotline_recording_packets_lost_total", "hotline_sip_dropped_total"):
        report(f"{name} is 0", figures[name] == 0, f"{figures[name]:g}")
    admitted, ended = figures["hotline_calls_admitted_total"], figures["hotline_calls_ended_total"]
    report("each call that got in has ended", admitted == ended, f"{admitted:g} got in, {ended:g} ended")
    panics = world.switch.output.read_text("utf-8", "replace").count("panicked")
    report("no thread panicked", panics == 0, f"{panics} times in {world.switch.output}" if panics else "")


def check_taken(report, marks, warm, each):
    """What the switch takes of the machine as the laps go on. An allocator gives back what it likes, so halves are compared."""
    after = marks[warm - 1 :]
    if len(after) < 2:
        return
    half = len(after) // 2
    (first_kib, first_fds, first_threads), (kib, fds, threads) = (map(statistics.median, zip(*some)) for some in (after[:half], after[-half:]))
    grown, thousands = kib - first_kib, (len(after) - half) * each / 1000
    report("memory is flat", grown <= first_kib * FLAT and grown * 1.024 <= KB_PER_THOUSAND * thousands,
           f"{first_kib:.0f} KiB after the warm-up, {kib:.0f} KiB at the end: {100 * grown / first_kib:+.2f} %, {grown * 1.024 / thousands:+.1f} kB for each thousand of calls")
    report("no descriptor is left", fds <= first_fds, f"{first_fds:g}, then {fds:g}")
    report("no thread is left", threads <= first_threads, f"{first_threads:g}, then {threads:g}")
