"""200 callers at once: each finds its way through the menu to one of 200 agents and hears that agent and nobody else.

Each caller and each agent sends a tone of its own, so that afterwards the strongest tone in what one side heard names
the other side: who talked with whom must be the same list from both ends, and in every recording.
"""

import statistics
import time
from pathlib import Path

import sound
from lab import recording_of
from sipp import Failure, Sipp, credentials, free_port, poll
from switch import Switch, write_project
from voices import Voices

MANY = 200
PER_SECOND = 10
# From a caller's first word to its BYE. The last caller comes after 20 s, and then all must talk for a while.
HOLD_S = 45
# 7 Hz apart, so that one second tells them from each other.
CALLER_LOW, AGENT_LOW, STEP = 400, 1900, 7
LEVEL = -16.0


def two_hundred():
    """200 callers at once reach 200 agents through the menu; each pair hears its own two tones only."""


two_hundred.title = two_hundred.__doc__
FIRST_AGENT = 2001


def write_config(folder, sip, http, state):
    text = (Path(__file__).parent / "crowd.yaml").read_text()
    for place, value in {"STATE": state, "SIP": sip, "HTTP": http}.items():
        text = text.replace(f"@{place}@", str(value))
    text += "".join(f"  - {{id: \"{FIRST_AGENT + n}\", password: pw-of-{FIRST_AGENT + n}, queues: [service]}}\n" for n in range(MANY))
    return write_project(folder / "hotline.yaml", text)


def run(folder, report):
    began = time.monotonic()
    try:
        result = play(folder)
    except Exception as failure:
        result = failure
    report("two_hundred", two_hundred.title, result, began)


def play(folder):
    def arguments(sip, http, state):
        return ["serve", "-c", str(write_config(folder, sip, http, state))]

    switch = Switch(folder, arguments)
    voices = Voices(folder)
    phones = []
    try:
        return talk(folder, switch, voices, phones)
    finally:
        for phone in phones:
            phone.stop()
        voices.stop()
        switch.stop()


def talk(folder, switch, voices, phones):
    desk = free_port()
    agents, callers = [voices.open() for _ in range(MANY)], [voices.open() for _ in range(MANY)]
    for n in range(MANY):
        agents[n].tone(AGENT_LOW + STEP * n, LEVEL)
        callers[n].tone(CALLER_LOW + STEP * n, LEVEL)
    rows = [credentials(FIRST_AGENT + n, f"pw-of-{FIRST_AGENT + n}") for n in range(MANY)]
    Sipp(folder, "register", switch.address, {"STATUS": 200, "EXPIRES": 600}, rows, port=desk, calls=MANY, rate=100, timeout=30).finish()
    office = Sipp(folder, "answer", None, {"RING": 300, "HOLD": 120000}, [(voice.port,) for voice in agents], port=desk, calls=MANY, timeout=150)
    phones.append(office)
    street = Sipp(folder, "caller", switch.address, {"NUMBER": "95598", "HOLD": HOLD_S * 1000, "CODECS": "0 8"},
                  [(f"1390000{n:04}", voice.port) for n, voice in enumerate(callers)], calls=MANY, rate=PER_SECOND, timeout=150)
    phones.append(street)
    most = conduct(switch, office, street, agents, callers)
    street.finish(60)
    office.finish(60)
    pairs = who_heard_whom(agents, callers)
    records = poll("200 call records", lambda: (r := switch.records()) and len(r) >= MANY and r, 15, every=0.5)
    check_records(switch, records, pairs)
    switch.alive()
    worst = max(max(v.stats()["max_gap_ms"] for v in side) for side in (agents, callers))
    left = switch.api("status")
    if left["calls"]:
        raise Failure(f"{left['calls']} calls are left over")
    return f"{most} at once, {MANY} pairs and recordings right, longest gap between packets {worst} ms"


def conduct(switch, office, street, agents, callers):
    """Tells the voices where to talk as the SDPs come in, and presses 1 and 0 for each caller in its own time."""
    by_port = {str(voice.port): voice for voice in agents}
    placed, invited, presses, most, looked = set(), set(), [], 0, 0.0
    while street.process.poll() is None:
        now = time.monotonic()
        for who, ip, port, _ in street.lines(r"^answered (\S+) (\S+) (\S+) (\S+)"):
            if who not in placed:
                placed.add(who)
                voice = callers[int(who[7:])]
                voice.to(ip, port)
                presses += [(now + 1.2, voice, "1"), (now + 2.6, voice, "0")]
        for field, ip, port, _ in office.lines(r"^invited (\S+) (\S+) (\S+) (\S+)"):
            if field not in invited:
                invited.add(field)
                by_port[field].to(ip, port)
        for due in [p for p in presses if p[0] <= now]:
            presses.remove(due)
            due[1].press(due[2])
        if now - looked > 1:
            looked, talking = now, sum(c["state"] == "talking" for c in rows_of(switch.api("calls")))
            most = max(most, talking)
        time.sleep(0.05)
    if most < MANY:
        raise Failure(f"at most {most} of {MANY} pairs talked at the same time{street.why()}{office.why()}")
    return most


def rows_of(answer):
    if isinstance(answer, list):
        return answer
    return answer.get("live") or next((v for v in answer.values() if isinstance(v, list)), [])


def who_heard_whom(agents, callers):
    """{caller: agent}, the same from both sides; a Failure for a tone that is weak, strange or not alone."""
    pairs = {}
    for side, others, low in ((callers, agents, AGENT_LOW), (agents, callers, CALLER_LOW)):
        for me, voice in enumerate(side):
            name = f"{'caller' if side is callers else 'agent'} {me}"
            try:
                stats = voice.check_stream()
            except Failure as failure:
                raise Failure(f"{name}: {failure}")
            # One window of three may hold a pause of the machine.
            windows = [voice.pitch(stats["heard_ms"] - before, 600, low, low + STEP * (MANY - 1), STEP) for before in (3500, 2800, 2100)]
            hz, level, second_hz, second = (statistics.median(values) for values in zip(*windows))
            if abs(level - LEVEL) > 3 or second > level - 30:
                raise Failure(f"{name} heard {hz:.0f} Hz at {level:.1f} and {second_hz:.0f} Hz at {second:.1f} dBFS")
            other = round((hz - low) / STEP)
            caller, agent = (me, other) if side is callers else (other, me)
            if side is callers:
                pairs[caller] = agent
            elif pairs.get(caller) != agent:
                raise Failure(f"agent {agent} heard caller {caller}, who heard agent {pairs.get(caller)}")
    if len(set(pairs.values())) != MANY:
        raise Failure("two callers heard the same agent")
    return pairs


def check_records(switch, records, pairs):
    seen, busy = set(), set()
    for record in records:
        caller = int(record["from"][7:])
        seen.add(caller)
        busy.add(record["agent"])
        if record["end"] != "caller" or record["cause"] != "normal":
            raise Failure(f"call record of caller {caller}: ended by {record['end']} with {record['cause']}")
        # All agents' phones are one sipp, which hands out its voices in the order of the INVITEs: which voice an agent
        # has is known by who heard whom.
        path = recording_of(switch, record)
        length = len(sound.read(path)[0]) / sound.RATE
        if abs(length - record["talk_ms"] / 1000) > 0.5:
            raise Failure(f"{path.name}: {length:.1f} s, the talk was {record['talk_ms'] / 1000:.1f} s")
        if abs(length - record["recording_ms"] / 1000) > 0.1:
            raise Failure(f"{path.name}: {length:.1f} s, its call record says {record['recording_ms']} ms")
        check_tones(path, CALLER_LOW + STEP * caller, AGENT_LOW + STEP * pairs[caller])
    if len(busy) != MANY:
        raise Failure(f"200 talks at once were written to {len(busy)} agents")
    if seen != set(range(MANY)):
        raise Failure(f"callers without a record: {sorted(set(range(MANY)) - seen)[:10]}")


def check_tones(path, left_hz, right_hz):
    """The level in most of the recording: where this machine stood still for a moment, the tone goes on at another phase."""
    for samples, hz, side in zip(sound.read(path), (left_hz, right_hz), ("left", "right")):
        windows = [samples[len(samples) * n // 8 :][: sound.RATE // 2] for n in range(1, 7)]
        heard = statistics.median(sound.level(window, hz) for window in windows)
        if abs(heard - LEVEL) > 3:
            raise Failure(f"{path.name}: {hz} Hz is {heard:.1f} dBFS on the {side} channel, sent at {LEVEL}")