"""More callers than there is room for, and more requests than a switch will take: who gets in, who is told why not, and that
nobody who talks notices. All of it is counted; nothing here depends on how fast the machine is.
"""

import time

from courses import dial
from flooding import SDP, Flood, Line
from lab import Lab, check_hears
from sipp import Failure
from switch import write_project
from trunks import run

ROOM, KEPT = 60, 20
MARKETING, URGENT, TALKING = "9193", "9110", "9196"
PROJECT = """version: 1
state_dir: {state}
listen: {{sip_udp: "127.0.0.1:{sip}", sip_tcp: "127.0.0.1:{sip}", http: "127.0.0.1:{http}", rtp: {{ports: 20000-29999, bind: 127.0.0.1}}}}
limits: {{calls: {room}{per_second}}}
admission: {{reserves: {{marketing: {kept}}}}}
recording: {{enabled: false}}
queues: {{service: {{}}, emergency: {{}}}}
trunks:
  near: {{sources: ["127.0.0.1/32"]}}
@SAMPLE_TRUNKS@
agents:
  - {{id: "1001", password: pw-of-1001}}
  - {{id: "1004", password: pw-of-1004}}
numbers:
  - {{number: "9193", to: {{test: hold}}, open_to: [near], class: marketing}}
  - {{number: "9110", to: {{test: hold}}, open_to: [near], class: urgent}}
  - {{number: "9196", to: {{test: echo}}, open_to: [near], class: urgent}}
"""


def started(folder, room, per_second=""):
    def arguments(sip, http, state):
        text = PROJECT.format(sip=sip, http=http, state=state, room=room, kept=KEPT, per_second=per_second)
        return ["serve", "-c", str(write_project(folder / "switch" / "hotline.yaml", text))]
    return Lab(folder, arguments)


def talker(lab):
    """A call that is up before the crowd comes and hears itself."""
    return dial(lab, lab.hand("13900009000"), TALKING, 700)


def unharmed(call):
    check_hears(call.voice, 700, "echo in the crowd")
    packets = call.voice.check_stream()["packets"]
    call.hang_up()
    return packets


def fell_behind(lab):
    """Whether the machine was too slow for the switch, which then rightly lets fewer in."""
    return lab.switch.metric("hotline_alarms_total") > 0


def beyond_the_room():
    """three times as many callers as there is room for: urgent ones all get in, the others fill what is not kept free, each of the rest is told why not, and who talks loses no packet"""


def run_beyond_the_room(folder):
    lab = started(folder, ROOM)
    try:
        talking = talker(lab)
        # 60 a second for 3 s each are 180 at once.
        crowd = lab.sipp("caller", {"NUMBER": MARKETING, "HOLD": 3000, "CODECS": "0"}, calls=480, rate=60, timeout=90)
        time.sleep(2)
        haste = lab.sipp("caller", {"NUMBER": URGENT, "HOLD": 500, "CODECS": "0"}, calls=40, rate=8, timeout=60)
        most = 0
        while crowd.process.poll() is None:
            most = max(most, lab.switch.metric("hotline_calls"))
            time.sleep(0.1)
        refused, missing = crowd.failed(), haste.failed()
        packets = unharmed(talking)
        told = {(row["reason"], row["class"]): row["calls"] for row in lab.switch.api("refusals")}
        if missing:
            raise Failure(f"{missing} of 40 urgent callers did not get in{haste.why()}")
        if {kind for _, kind in told} != {"marketing"} or sum(told.values()) != refused:
            raise Failure(f"{refused} of 480 callers for marketing were refused, told of is {told}")
        # One that talks, and what marketing may fill: all but the places that are kept free.
        if most > ROOM or most < ROOM - KEPT - 5 and not fell_behind(lab):
            raise Failure(f"at most {most:g} calls were up at once")
        return f"at most {most:g} calls at once, {refused} of 480 for marketing refused ({', '.join(sorted({reason for reason, _ in told}))}), 40 of 40 urgent ones in, {packets} packets without a loss"
    finally:
        lab.stop()


def flooded():
    """three times the calls a second that are allowed, then 5,000 REGISTERs a second from 64 addresses: everybody is told, urgent calls all get in, and who talks loses no packet"""


PER_SECOND, SECONDS = 100, 4


def run_flooded(folder):
    lab = started(folder, 1000, f", calls_per_second: {PER_SECOND}")
    try:
        talking, address = talker(lab), lab.switch.address
        haste = Flood(folder, "calls", address, PER_SECOND // 10, SECONDS, URGENT)
        crowd = Flood(folder, "calls", address, 3 * PER_SECOND, SECONDS, MARKETING).figures()
        haste = haste.figures()
        # sipflood listens 2 s longer than it sends; a machine that stands still for so long leaves some untold.
        if crowd["untold"] * 100 > crowd["sent"] or crowd["other"]:
            raise Failure(f"of {crowd['sent']} callers {crowd['untold']} were told nothing, {crowd['other']} something else than 503 with Retry-After")
        if haste["answered"] != haste["sent"]:
            raise Failure(f"{haste['answered']} of {haste['sent']} urgent callers got in")
        if crowd["answered"] < PER_SECOND * SECONDS * 0.85 and not fell_behind(lab):
            raise Failure(f"{crowd['answered']} got in within {SECONDS} s, {PER_SECOND} a second are allowed")
        line, answers = Line(address), []
        strangers = Flood(folder, "registers", address, 5000, 3)
        strangers.meanwhile(lambda: answers.append(line.ask("INVITE", f"in-the-flood-{len(answers)}", 1, URGENT, body=SDP, limit=10)[1]))
        strangers = strangers.figures()
        if set(answers) != {200}:
            raise Failure(f"calls in the flood of REGISTERs were answered {answers}")
        packets = unharmed(talking)
        lab.sipp("options", timeout=10).finish()
        return f"{crowd['answered']} of {crowd['sent']} in, {crowd['told']} told 503, {haste['answered']} of {haste['sent']} urgent ones in; {strangers['told']} of {strangers['sent']} REGISTERs answered, {len(answers)} calls meanwhile; {packets} packets without a loss"
    finally:
        lab.stop()


APART = {scenario: run(scenario, play) for scenario, play in ((beyond_the_room, run_beyond_the_room), (flooded, run_flooded))}
for each in APART:
    each.title = each.__doc__
