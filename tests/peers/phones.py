"""Phones of other makes in both parts, caller and callee: what one stack takes for granted another asks about."""

import time

import sound
from lab import AGENT_HZ, CALLER_HZ, TONE_DBFS, WITHIN_DB, check_agent_heard, expect
from scenarios import facts, scenario
from sipp import Failure, poll

LINPHONE_HZ = 850


def heard_throughout(path, hz, what, at_least):
    """Seconds in which the tone was there as loud as it was sent."""
    samples, step = sound.read(path)[0], sound.RATE // 2
    seconds = sum(abs(sound.level(samples[at : at + step], hz) - TONE_DBFS) <= WITHIN_DB for at in range(0, len(samples) - step, step)) / 2
    if seconds < at_least:
        raise Failure(f"{what}: {hz} Hz was heard for {seconds} s of {len(samples) / sound.RATE:.1f}")
    return seconds


@scenario(alone=True)
def linphone_dials(lab):
    """an extension on linphone dials 9196 and hears itself, types digits that 9198 reads, talks with a colleague on baresip."""
    phone = lab.linphone("1003", LINPHONE_HZ)
    heard = phone.records()
    call = phone.dial("9196")
    time.sleep(4)
    phone.hang_up(call)
    own = heard_throughout(heard, LINPHONE_HZ, "linphone's own tone from 9196", 2)

    call = phone.dial("9198")
    time.sleep(1)
    phone.press("472#")
    phone.wait_ended(call, 30)
    record = poll("the record of the call to 9198", lambda: next((r for r in lab.switch.records() if r["to"] == "9198" and r["from"] == "1003"), None), 10, every=0.2)
    shown = [e.get("shown") or e.get("key") for e in facts(lab.switch.api(f"calls/{record['call_id']}")) if e.get("event") in ("collected", "key")]
    if "472" not in shown and "472" not in "".join(shown):
        raise Failure(f"linphone typed 472#, the call's events have {shown}")

    colleague = lab.baresip("1004", answer="auto")
    heard = phone.records()
    call = phone.dial("1004")
    colleague.wait_event("CALL_ESTABLISHED", 10)
    time.sleep(4)
    phone.hang_up(call)
    colleague.wait_event("CALL_CLOSED", 10)
    there = check_agent_heard(colleague.recording(), LINPHONE_HZ, "linphone's tone at baresip")
    here = heard_throughout(heard, AGENT_HZ, "baresip's tone at linphone", 2)
    return f"own tone for {own} s, 472 typed, baresip heard {there:.1f} dBFS, linphone heard it for {here} s"


@scenario(alone=True)
def linphone_answers(lab):
    """an agent on linphone takes a call of the queue, holds it (music), comes back, and hangs up."""
    agent = lab.linphone("1001", LINPHONE_HZ)
    lab.settle("1001")
    heard = agent.records()
    call = lab.call("9000").answered()
    theirs = agent.accept()
    call.voice.tone(CALLER_HZ, TONE_DBFS)
    time.sleep(1)
    before = call.check_hears(LINPHONE_HZ, "linphone's tone at the caller")
    time.sleep(2)
    agent.hold()
    time.sleep(0.6)
    start = call.voice.listen(2000)
    held, music = call.voice.level(start, 2000, LINPHONE_HZ), call.voice.rms(start, 2000)
    agent.resume(theirs)
    time.sleep(1)
    after = call.check_hears(LINPHONE_HZ, "linphone's tone after hold")
    call.voice.check_stream()
    agent.hang_up(theirs)
    who, _ = call.ended_by(10)
    if who != "other":
        raise Failure("the caller had to hang up by itself")
    if held > -40 or music < -50:
        raise Failure(f"on hold the caller heard linphone's tone at {held:.1f} dBFS and music at {music:.1f}")
    record = call.record()
    expect(record, agent="1001", end="agent", cause="normal")
    if record["hold_ms"] < 1500:
        raise Failure(f"call record: hold_ms is {record['hold_ms']}, it was held for more than 2 s")
    there = heard_throughout(heard, CALLER_HZ, "the caller's tone at linphone", 2)
    return f"caller heard {before:.1f} dBFS, music at {music:.0f}, then {after:.1f}; linphone heard the caller for {there} s"


@scenario(alone=True)
def linphone_over_tcp(lab):
    """linphone on TCP: called by a colleague on baresip with UDP, both hear each other, the colleague hangs up."""
    phone = lab.linphone("1003", LINPHONE_HZ, transport="tcp")
    colleague = lab.baresip("1004")
    heard = phone.records()
    colleague.tell("dial", "1003")
    call = phone.accept()
    colleague.wait_event("CALL_ESTABLISHED", 10)
    time.sleep(4)
    colleague.hang_up()
    phone.wait_ended(call)
    there = check_agent_heard(colleague.recording(), LINPHONE_HZ, "linphone's tone at baresip")
    here = heard_throughout(heard, AGENT_HZ, "baresip's tone at linphone", 2)
    return f"baresip heard {there:.1f} dBFS, linphone heard it for {here} s"


MILLIWATT_HZ = 1004


@scenario(alone=True)
def encrypted_phones(lab):
    """phones with SRTP, because they must (RTP/SAVP), because they can (keys beside RTP/AVP) and by a handshake (DTLS-SRTP), hear the tone of 9197, themselves at 9196, and a colleague without it."""
    said = []
    for encryption in ("srtp-mand", "srtp", "dtls_srtp"):
        phone = lab.baresip("1003", encryption=encryption)
        phone.dial("9197")
        time.sleep(3)
        phone.hang_up()
        phone.wait_event("CALL_CLOSED", 10)
        tone = sound.strongest(sound.read(phone.recording())[0], MILLIWATT_HZ)
        # 0 dBm0 is 3.14 dB below a full-scale sine in mu-law (ITU-T G.711).
        if abs(tone + 3.14) > WITHIN_DB:
            raise Failure(f"{encryption}: the tone of 9197 was heard at {tone:.1f} dBFS")
        phone.dial("9196")
        time.sleep(3)
        phone.hang_up()
        phone.wait_event("CALL_CLOSED", 10)
        own = check_agent_heard(phone.recording(), AGENT_HZ, f"{encryption}: its own tone from 9196")
        said.append(f"{encryption}: {tone:.1f} and {own:.1f} dBFS")
        lab.clear()
    # One side encrypted, the other not.
    colleague = lab.baresip("1004", answer="auto")
    phone = lab.baresip("1003", encryption="srtp-mand")
    phone.dial("1004")
    colleague.wait_event("CALL_ESTABLISHED", 10)
    time.sleep(3)
    phone.hang_up()
    colleague.wait_event("CALL_CLOSED", 10)
    check_agent_heard(colleague.recording(), AGENT_HZ, "the encrypted phone at its colleague")
    check_agent_heard(phone.recording(), AGENT_HZ, "the colleague at the encrypted phone")
    forged = lab.switch.metric("hotline_srtp_packets_forged_total")
    # Of some eight hundred. A phone may speak in clear until it has its keys: baresip 1.0 does so for 20 to 80 ms of a call.
    if forged > 40:
        raise Failure(f"{forged:.0f} packets of these phones were taken for forged")
    return "; ".join(said) + f"; {forged:.0f} packets not believed"
