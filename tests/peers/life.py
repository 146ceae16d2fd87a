"""The life of the running process under calls: it reads its files again, it is drained, it is killed and comes back.

Each scenario has a switch of its own, so that it may be ended, and the machine to itself.
"""

import contextlib
import re
import shutil
import signal
import time
from pathlib import Path

import sound
from lab import TONE_DBFS, Lab, expect, recording_of
from scenarios import scenario
from sipp import Failure, poll
from switch import ROOT, SECRET, write_project

PROJECT = """version: 1
realm: hotline
state_dir: @STATE@
listen:
  sip_udp: "@HOST@:@SIP@"
  sip_tcp: "@HOST@:@SIP@"
  http: 127.0.0.1:@HTTP@
  rtp: {ports: 30000-30999, bind: "@BIND@"}
recording: {enabled: true}
queues:
  service: {ring_timeout: 20s, max_wait: 5m}
  emergency: {ring_timeout: 20s}
trunks:
  carrier: {sources: ["@CARRIER@"]}
@SAMPLE_TRUNKS@
numbers:
  - {number: "95598", to: {flow: power}, open_to: [carrier]}
  - {number: "9000", to: {queue: service}, open_to: [carrier]}
  - {number: "9196", to: {test: echo}, open_to: [carrier]}
agents:
  - {id: "1001", password: @SECRET@, queues: [service]}
  - {id: "1004", password: @SECRET@}
"""


@contextlib.contextmanager
def own_switch(lab, name, carrier="127.0.0.1/32", ip="127.0.0.1", project=PROJECT):
    """A switch in production mode, whose flows are a copy that may be spoilt; what comes from `carrier` is its trunk's."""
    folder = lab.folder.parent / name

    def arguments(sip, http, state):
        shutil.copytree(Path(ROOT, "ivr-flows"), folder / "switch" / "ivr-flows")
        text = project
        places = {"STATE": state, "SIP": sip, "HTTP": http, "SECRET": SECRET, "CARRIER": carrier, "BIND": ip, "HOST": f"[{ip}]" if ":" in ip else ip}
        for place, value in places.items():
            text = text.replace(f"@{place}@", str(value))
        return ["serve", "-c", str(write_project(folder / "switch" / "hotline.yaml", text))]

    own = Lab(folder, arguments)
    try:
        yield own
    finally:
        own.stop()


def echo(own):
    call = own.call("9196").answered()
    call.voice.tone(700, TONE_DBFS)
    time.sleep(0.5)
    call.check_hears(700, "echo")
    return call


def bundle(own):
    return own.switch.api("status")["bundle"]


@scenario(alone=True)
def reload_good_and_bad(lab):
    """a reload, good or bad, leaves the running call alone; a bad file names its line and the old one stays in force."""
    with own_switch(lab, "life-reload") as own:
        call, before = echo(own), bundle(own)
        flow = next((own.switch.folder / "ivr-flows").glob("power.flow.yaml"))
        good = flow.read_text("utf-8")
        lines = good.count("\n") + 1
        flow.write_text(good + "no_such_key: 1\n", "utf-8")
        try:
            own.switch.command("reload")
        except Failure as refused:
            if not re.search(rf"power\.flow\.yaml:{lines}\b", str(refused)):
                raise Failure(f"the refusal does not name line {lines} of the file: {refused}")
        else:
            raise Failure("a bad flow was taken")
        own.switch.process.send_signal(signal.SIGHUP)
        poll("the refusal of SIGHUP in the log", lambda: own.switch.output.read_text("utf-8", "replace").count("reload refused") >= 2, 10, every=0.2)
        if bundle(own) != before:
            raise Failure("the bundle in force changed by a bad file")
        flow.write_text(good + "# changed\n", "utf-8")
        own.switch.process.send_signal(signal.SIGHUP)
        poll("the new bundle in force", lambda: bundle(own) != before, 10, every=0.2)
        call.check_hears(700, "echo after three reloads")
        call.voice.check_stream()
        echo(own).hang_up()
        call.hang_up()
        expect(call.record(), cause="normal", end="caller")


@scenario(alone=True)
def drained(lab):
    """SIGTERM with a call up: new calls get 503, the call goes on, and the process ends with it."""
    with own_switch(lab, "life-drain") as own:
        call = echo(own)
        own.switch.process.send_signal(signal.SIGTERM)
        poll("the drain", lambda: own.switch.api("status")["state"] == "draining", 5, every=0.1)
        own.sipp("refused", {"NUMBER": "9196", "STATUS": 503, "WITHIN": 4000}, rows=[("late", "6000")], timeout=10).finish()
        call.check_hears(700, "echo while draining")
        own.switch.alive()
        call.hang_up()
        code = own.switch.process.wait(10)
        if code != 0:
            raise Failure(f"the drained process ended with {code}")


@scenario(alone=True)
def killed_and_back(lab):
    """kill -9 in a recorded talk: after a restart the record has its true length, and the recording can be played."""
    with own_switch(lab, "life-kill") as own:
        agent = own.baresip("1001")
        own.settle("1001")
        call = own.call("9000").answered()
        agent.wait_event("CALL_INCOMING", 15)
        agent.accept()
        agent.wait_event("CALL_ESTABLISHED", 5)
        talking = time.monotonic()
        time.sleep(8)
        own.switch.process.kill()
        own.switch.process.wait()
        up, talked = time.monotonic() - call.at, time.monotonic() - talking
        own.switch.start()
        record = call.record()
        expect(record, cause="interrupted", end="system", agent="1001")
        path = recording_of(own.switch, record)
        length = len(sound.read(path)[0]) / sound.RATE
        if not up - 1.5 <= record["connected_ms"] / 1000 <= up + 0.5:
            raise Failure(f"call record: connected_ms is {record['connected_ms']}, the call was up {up:.2f} s")
        if not talked - 1.5 <= length <= talked + 0.5:
            raise Failure(f"{path.name}: {length:.2f} s, the talk was {talked:.2f} s")
        if abs(record["recording_ms"] / 1000 - length) > 0.1:
            raise Failure(f"call record: recording_ms is {record['recording_ms']}, the recording has {length:.2f} s")
        echo(own).hang_up()
        return f"up {up:.1f} s, record {record['connected_ms'] / 1000:.2f} s, recording {length:.2f} s"
