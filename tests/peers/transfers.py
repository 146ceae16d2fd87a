"""Transfers and lamps with phones of other makes: what their transfer keys send, and what they make of our answers."""

import time

from lab import AGENT_HZ, CALLER_HZ, TONE_DBFS, WITHIN_DB, expect
from phones import LINPHONE_HZ
from scenarios import facts, scenario
from sipp import Failure, credentials, poll
from switch import SECRET

COLLEAGUE_HZ = 1100


def transfers(lab, record):
    return [(e["to"], e["outcome"], e["status"]) for e in facts(lab.switch.api(f"calls/{record['call_id']}")) if e.get("event") == "transfer_ended"]


def check_transfers(lab, record, *wanted):
    found = transfers(lab, record)
    if found != list(wanted):
        raise Failure(f"the events of the call tell of the transfers {found}, not {list(wanted)}")


@scenario(alone=True)
def blind_transfer(lab):
    """baresip sends its caller on hold to a colleague (sipp): music, then the colleague; its own call ends."""
    agent = lab.baresip("1001", answer="auto")
    voice = lab.voices.open()
    colleague = lab.sipp_agent("1002", "answer", {"RING": 2500, "HOLD": 60000}, rows=[(voice.port,)])
    lab.settle("1001")
    lab.switch.command("agent", "set", "1002", "not_ready")
    call = lab.call("9000").answered()
    agent.wait_event("CALL_ESTABLISHED", 15)
    call.voice.tone(CALLER_HZ, TONE_DBFS)
    call.check_hears(AGENT_HZ, "the first agent")
    agent.tell("hold")
    time.sleep(0.5)
    agent.tell("transfer", f"sip:1002@127.0.0.1:{lab.switch.sip}")
    time.sleep(0.8)
    start = call.voice.listen(1000)
    music, first = call.voice.rms(start, 1000), call.voice.level(start, 1000, AGENT_HZ)
    _, ip, port, _ = colleague.wait_for(r"invited (\S+) (\S+) (\S+) (\S+)", 10)
    voice.to(ip, port)
    voice.tone(COLLEAGUE_HZ, TONE_DBFS)
    colleague.wait_for("talking", 10)
    agent.wait_event("CALL_CLOSED", 10)
    time.sleep(0.6)
    there = call.check_hears(COLLEAGUE_HZ, "the colleague at the caller")
    start = voice.listen(1600)
    back = voice.level(start + 400, 1000, CALLER_HZ)
    call.voice.check_stream()
    call.hang_up()
    colleague.finish(10)
    lab.unregister("1002", colleague.port)
    if music < -60 or first > -40:
        raise Failure(f"on the way the caller heard {music:.0f} dBFS, and the first agent at {first:.0f} dBFS")
    if abs(back - TONE_DBFS) > WITHIN_DB:
        raise Failure(f"the colleague heard the caller at {back:.1f} dBFS")
    record = call.record()
    expect(record, agent="1002", end="caller", cause="normal")
    check_transfers(lab, record, ("1002", "completed", 200))
    return f"music at {music:.0f} dBFS, the colleague heard at {there:.1f} and the caller at {back:.1f} dBFS"


@scenario(alone=True)
def blind_transfer_returns(lab):
    """baresip sends its caller to a colleague who is not there, and hangs up by itself: the caller waits and is served again."""
    agent = lab.baresip("1001", answer="auto")
    lab.settle("1001")
    call = lab.call("9000").answered()
    agent.wait_event("CALL_ESTABLISHED", 15)
    time.sleep(0.8)
    agent.tell("transfer", f"sip:1004@127.0.0.1:{lab.switch.sip}")
    # It hangs up at each end of a transfer, whatever that is.
    time.sleep(1.0)
    start = call.voice.listen(1000)
    music = call.voice.rms(start, 1000)
    agent.wait_event("CALL_ESTABLISHED", 30)
    time.sleep(0.6)
    back = call.check_hears(AGENT_HZ, "the agent after the transfer that failed")
    call.hang_up()
    agent.wait_event("CALL_CLOSED", 5)
    if music < -60:
        raise Failure(f"the caller waited in silence ({music:.0f} dBFS)")
    record = call.record()
    expect(record, agent="1001", end="caller")
    check_transfers(lab, record, ("1004", "returned", 480))
    return f"music at {music:.0f} dBFS, the agent is heard again at {back:.1f} dBFS"


@scenario(alone=True)
def attended_transfer(lab):
    """linphone puts its caller on hold, asks a colleague on baresip, and joins the two (REFER with Replaces)."""
    colleague = lab.baresip("1002", answer="auto")
    agent = lab.linphone("1001", LINPHONE_HZ)
    lab.settle("1001")
    lab.switch.command("agent", "set", "1002", "not_ready")
    call = lab.call("9000").answered()
    first = agent.accept()
    call.voice.tone(CALLER_HZ, TONE_DBFS)
    time.sleep(0.6)
    call.check_hears(LINPHONE_HZ, "linphone at the caller")
    agent.hold()
    time.sleep(0.5)
    second = agent.dial("1002")
    colleague.wait_event("CALL_ESTABLISHED", 10)
    time.sleep(0.5)
    agent.tell(f"transfer {first} --to-call {second}")
    poll("one call is left", lambda: len(lab.switch.api("calls")["live"]) == 1, 10, every=0.1)
    time.sleep(0.6)
    there = call.check_hears(AGENT_HZ, "the colleague at the caller")
    call.voice.check_stream()
    call.hang_up()
    colleague.wait_event("CALL_CLOSED", 5)
    record = call.record()
    expect(record, agent="1002", end="caller", cause="normal")
    check_transfers(lab, record, ("1002", "completed", 200))
    return f"the colleague heard at {there:.1f} dBFS, no re-INVITE to either"


@scenario(alone=True)
def lamp(lab):
    """a watcher (sipp) sees an extension's lamp dark, blinking, shining and dark again, and ends its subscription."""
    agent = lab.baresip("1001")
    lab.settle("1001")
    watcher = lab.sipp("watch", {"TARGET": "1001", "EVENT": "dialog"}, rows=[credentials("1002", SECRET)])
    watcher.wait_for(r"lamp dark", 5)
    call = lab.call("9000").answered()
    agent.wait_event("CALL_INCOMING", 15)
    watcher.wait_for(r"lamp early", 5)
    agent.accept()
    agent.wait_event("CALL_ESTABLISHED", 5)
    watcher.wait_for(r"lamp confirmed", 5)
    call.hang_up()
    watcher.wait_for(r"(?s)lamp confirmed.*lamp dark", 5)
    watcher.finish(20)
    return "dark, early, confirmed, dark, unsubscribed"
