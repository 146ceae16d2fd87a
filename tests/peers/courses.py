"""The courses a call may take besides the plain one, each played by hand on the wire and, where there is audio, heard."""

import time

from hand import Dialog, sdp
from lab import AGENT_HZ, CALLER_HZ, TONE_DBFS, check_hears, expect
from scenarios import scenario
from sipp import Failure, poll


def dial(lab, hand, number, hz=None, **settings):
    """A call that is answered and acknowledged, with a voice that sends that tone."""
    voice = lab.voices.open()
    call = hand.dial(number, sdp(voice.port), **settings)
    call.voice = voice
    connect(call, call.answer(), hz)
    call.ack()
    return call


def connect(call, said, hz):
    ip, port, _ = said.media()
    call.voice.to(ip, port)
    if hz:
        call.voice.tone(hz, TONE_DBFS)


def pick_up(lab, hand, hz=None):
    """The next call to the hand, answered at once."""
    call = hand.invited()
    call.voice = lab.voices.open()
    call.say(180)
    connect(call, call.invite, hz)
    call.say(200, sdp(call.voice.port, codecs="0 101"))
    call.acknowledged()
    return call


def agent(lab, user="1001"):
    hand = lab.hand(user)
    hand.register()
    lab.settle(user)
    return hand


def extension_pair(lab):
    """Two extensions: who calls, and who is registered to be called."""
    callee = lab.hand("1003")
    callee.register()
    return lab.hand("1004"), callee


def check_silent(voice, hz, what):
    """A second and a half without the tone; gives the level of what was there instead."""
    time.sleep(0.5)
    start = voice.listen(1500, 15)
    heard = voice.level(start, 1500, hz)
    if heard > -40:
        raise Failure(f"{what}: {hz} Hz was heard at {heard:.1f} dBFS")
    return voice.rms(start, 1500)


def only_record(lab, call_id):
    """The one call record of that Call-ID."""
    record = lab.switch.record_of(call_id, 15)
    if len([r for r in lab.switch.records() if r["sip_call_id"] == call_id]) != 1:
        raise Failure(f"{call_id} has more than one call record")
    return record


# --- offers and answers ---

@scenario(alone=True)
def held_in_three_forms(lab):
    """an agent holds by sendonly, by inactive and by the address 0.0.0.0: music for the caller each time, then talk again."""
    phone = agent(lab)
    call = lab.call("9000").answered()
    talk = pick_up(lab, phone, AGENT_HZ)
    call.check_hears(AGENT_HZ, "before hold")
    music = []
    for direction, ip, allowed in (("sendonly", "127.0.0.1", ("recvonly", "inactive")), ("inactive", "127.0.0.1", ("inactive",)), ("sendrecv", "0.0.0.0", ("sendrecv", "recvonly", "sendonly", "inactive"))):
        said = talk.reoffer(talk.voice.port, direction, ip=ip)
        if said.media()[2] not in allowed:
            raise Failure(f"hold by {direction} at {ip} was answered with {said.media()[2]} (RFC 3264 6.1)")
        music.append(check_silent(call.voice, AGENT_HZ, f"held by {direction} at {ip}"))
        talk.reoffer(talk.voice.port, "sendrecv")
        time.sleep(0.5)
        call.check_hears(AGENT_HZ, f"after hold by {direction} at {ip}")
    call.voice.check_stream()
    talk.hang_up()
    call.ended_by(10)
    if min(music) < -50:
        raise Failure(f"music on hold was at {music} dBFS")
    record = call.record()
    expect(record, agent="1001", end="agent")
    if record["hold_ms"] < 4500:
        raise Failure(f"call record: hold_ms is {record['hold_ms']}, three holds took longer")
    return f"music at {', '.join(f'{level:.0f}' for level in music)} dBFS"


@scenario(alone=True)
def held_by_update(lab):
    """a caller holds by UPDATE (RFC 3311): the agent hears music until the return."""
    phone = agent(lab)
    caller = lab.hand("13900007001")
    call = dial(lab, caller, "9000", CALLER_HZ)
    talk = pick_up(lab, phone, AGENT_HZ)
    check_hears(talk.voice, CALLER_HZ, "the caller's tone at the agent")
    said = call.ask("UPDATE", body=sdp(call.voice.port, "sendonly", 2))
    if said.media()[2] not in ("recvonly", "inactive"):
        raise Failure(f"an UPDATE with sendonly was answered with {said.media()[2]}")
    music = check_silent(talk.voice, CALLER_HZ, "held by UPDATE")
    call.ask("UPDATE", body=sdp(call.voice.port, "sendrecv", 3))
    time.sleep(0.5)
    check_hears(talk.voice, CALLER_HZ, "after the UPDATE back")
    call.hang_up()
    talk.ended()
    if music < -50:
        raise Failure(f"the agent waited in silence ({music:.0f} dBFS)")


@scenario()
def offer_comes_late(lab):
    """an INVITE without SDP is answered with an offer; the answer comes in the ACK, then 9196 echoes."""
    hand = lab.hand("13900007002")
    voice = lab.voices.open()
    call = hand.dial("9196", "")
    said = call.answer()
    ip, port, _ = said.media()
    call.ack(sdp(voice.port, codecs="0 101"))
    voice.to(ip, port)
    voice.tone(700, TONE_DBFS)
    time.sleep(0.5)
    check_hears(voice, 700, "echo")
    call.hang_up()
    expect(only_record(lab, call.id), end="caller", cause="normal")


@scenario(alone=True)
def speaks_before_answering(lab):
    """a callee speaks before it answers (183 with SDP): the caller hears it, and goes on hearing it after the answer."""
    caller, callee = extension_pair(lab)
    voice = lab.voices.open()
    call = caller.dial("1003", sdp(voice.port), proves=True)
    theirs = callee.invited()
    theirs.voice = lab.voices.open()
    connect(theirs, theirs.invite, AGENT_HZ)
    answer = sdp(theirs.voice.port, codecs="0 101")
    theirs.say(183, answer)
    ip, port, _ = call.provisional(183).media()
    voice.to(ip, port)
    early = check_hears(voice, AGENT_HZ, "before the answer")
    theirs.say(200, answer)
    call.answer()
    theirs.acknowledged()
    call.ack()
    voice.tone(CALLER_HZ, TONE_DBFS)
    time.sleep(0.5)
    check_hears(voice, AGENT_HZ, "after the answer")
    check_hears(theirs.voice, CALLER_HZ, "the caller's tone at the callee")
    voice.check_stream()
    call.hang_up()
    theirs.ended()
    return f"heard at {early:.1f} dBFS before the answer"


@scenario(slow=True)
def both_offer_at_once(lab):
    """both sides send a re-INVITE at once: each gets 491, the switch comes again and is content (RFC 3261 14.1, 14.2)."""
    hand = lab.hand("13900007003")
    # Nobody else offers changes in a plain call: the refresh of the shortest session is what the switch sends, as a
    # re-INVITE because this phone does not know UPDATE.
    call = dial(lab, hand, "9196", 700, headers=["Supported: timer", "Session-Expires: 90;refresher=uas"], allow="INVITE, ACK, BYE, CANCEL, OPTIONS")
    theirs = hand.request("INVITE", 80)
    call.send("INVITE", [hand.contact], sdp(call.voice.port, version=9))
    mine = call.final("INVITE")
    hand.reply(theirs, 491)
    if mine.status != 491:
        raise Failure(f"a re-INVITE that crossed another was answered {mine}")
    again = hand.request("INVITE", 20)
    if again.cseq <= theirs.cseq:
        raise Failure(f"the second try has CSeq {again.cseq}, the first had {theirs.cseq}")
    hand.reply(again, 200, headers=[hand.contact, "Require: timer", "Session-Expires: 90;refresher=uac"], body=sdp(call.voice.port, version=10))
    hand.request("ACK")
    check_hears(call.voice, 700, "echo after both offers")
    call.voice.check_stream()
    call.hang_up()


# --- ringing, answers and refusals ---

@scenario(alone=True)
def rings_in_every_way(lab):
    """a callee says 100, 180, 181, 183 and 199 before it answers: the caller hears of ringing and of one answer."""
    caller, callee = extension_pair(lab)
    voice = lab.voices.open()
    call = caller.dial("1003", sdp(voice.port), proves=True)
    theirs = callee.invited()
    theirs.voice = lab.voices.open()
    for status in (100, 180, 181, 183, 199):
        theirs.say(status)
    call.provisional(180)
    connect(theirs, theirs.invite, AGENT_HZ)
    theirs.say(200, sdp(theirs.voice.port, codecs="0 101"))
    ip, port, _ = call.answer().media()
    call.ack()
    theirs.acknowledged()
    voice.to(ip, port)
    check_hears(voice, AGENT_HZ, "the callee's tone")
    theirs.hang_up()
    call.ended()
    return f"the caller was told {', '.join(str(p.status) for p in call.progress)}"


@scenario(alone=True)
def two_answer_one_invite(lab):
    """behind a fork two phones answer 200: one of them talks, the other gets ACK and BYE (RFC 3261 13.2.2.4)."""
    caller, callee = extension_pair(lab)
    voice = lab.voices.open()
    call = caller.dial("1003", sdp(voice.port), proves=True)
    first = callee.invited()
    first.voice, second_voice = lab.voices.open(), lab.voices.open()
    connect(first, first.invite, AGENT_HZ)
    first.say(180)
    first.say(200, sdp(first.voice.port, codecs="0 101"))
    first.say(200, sdp(second_voice.port, codecs="0 101"), tag="other-phone")
    ip, port, _ = call.answer().media()
    call.ack()
    voice.to(ip, port)
    for method in ("ACK", "BYE"):
        asked = callee.take(f"{method} of the other phone", lambda m: m.status is None and m.method == method and m.tag("To") == "other-phone")
    callee.reply(asked, 200)
    callee.take("ACK of the first phone", lambda m: m.status is None and m.method == "ACK" and m.tag("To") == first.tag)
    check_hears(voice, AGENT_HZ, "the first phone's tone")
    if second_voice.stats()["packets"]:
        raise Failure("the phone that was let go was sent audio")
    call.hang_up()
    first.ended()


@scenario(alone=True)
def phone_refuses(lab):
    """a phone says 486, 480, 603 or 488: the caller is told the same, and the phone gets its ACK."""
    caller, callee = extension_pair(lab)
    for status in (486, 480, 603, 488):
        voice = lab.voices.open()
        call = caller.dial("1003", sdp(voice.port), proves=True)
        theirs = callee.invited()
        theirs.say(180)
        theirs.say(status)
        theirs.acknowledged()
        call.answer(status)
        expect(only_record(lab, call.id), talk_ms=0)


@scenario(alone=True)
def phone_sends_abroad(lab):
    """a phone answers 302 with a number abroad that its owner may not call: nobody is dialled, the caller is refused."""
    caller, callee = extension_pair(lab)
    for status, target in ((302, f"sip:0013105550100@{caller.server_text}"), (301, "sip:nobody@elsewhere.invalid"), (300, "tel:+13105550100")):
        call = caller.dial("1003", sdp(lab.voices.open().port), proves=True)
        theirs = callee.invited()
        theirs.say(180)
        theirs.say(status, headers=[f"Contact: <{target}>"], contact=False)
        theirs.acknowledged()
        said = call.final("INVITE", 30)
        if not 400 <= said.status < 700:
            raise Failure(f"{status} to {target} led the caller to {said}")
        expect(only_record(lab, call.id), talk_ms=0)


# --- what is lost, repeated or crossed ---

@scenario()
def acknowledged_late(lab):
    """an ACK is late: the 200 is repeated until it comes, and no longer; the call is as any other."""
    hand = lab.hand("13900007004")
    voice = lab.voices.open()
    call = hand.dial("9196", sdp(voice.port))
    call.voice = voice
    said = call.answer()
    def repeats():
        return sum(m.status == 200 and m.header("Call-ID") == call.id for m in hand.seen)
    poll("three copies of the 200", lambda: repeats() >= 3, 15)
    call.ack()
    connect(call, said, 700)
    time.sleep(0.5)
    before = repeats()
    check_hears(voice, 700, "echo")
    time.sleep(4)
    if repeats() > before:
        raise Failure("the 200 was repeated after its ACK")
    call.hang_up()
    return f"{before} copies of the 200"


@scenario(slow=True)
def never_acknowledged(lab):
    """an ACK never comes: after 64*T1 the switch says BYE (RFC 3261 13.3.1.4)."""
    hand = lab.hand("13900007005")
    call = hand.dial("9193", sdp(lab.voices.open().port))
    call.answer()
    began = time.monotonic()
    call.ended(90)
    took = time.monotonic() - began
    if took < 31:
        raise Failure(f"BYE came after {took:.1f} s, before 64*T1 were over")
    poll("the record", lambda: only_record(lab, call.id), 10)
    return f"after {took:.1f} s"


@scenario()
def invite_repeated(lab):
    """an INVITE that comes three times is one call with one answer (RFC 3261 17.2.1)."""
    hand = lab.hand("13900007006")
    call = hand.dial("9196", sdp(lab.voices.open().port))
    hand.send(call.text)
    hand.send(call.text)
    call.answer()
    call.ack()
    hand.send(call.text)
    time.sleep(1)
    tags = {m.tag("To") for m in hand.seen if (m.status or 0) > 100}
    if len(tags) != 1:
        raise Failure(f"one INVITE was answered in the name of {len(tags)} calls")
    call.hang_up()
    only_record(lab, call.id)


@scenario()
def cancelled_in_the_same_breath(lab):
    """INVITE and CANCEL in one burst: 200 to the CANCEL and 487 to the INVITE, never an answered call."""
    for _ in range(20):
        hand = lab.hand("13900007007")
        call = hand.dial("9190", sdp(20000))
        call.cancel()
        said = call.final("CANCEL")
        if said.status != 200:
            raise Failure(f"CANCEL was answered {said}")
        call.answer(487)
        hand.stop()


@scenario()
def cancelled_too_late(lab):
    """a CANCEL after the answer is told so and changes nothing (RFC 3261 9.2)."""
    hand = lab.hand("13900007008")
    call = dial(lab, hand, "9196", 700)
    call.cancel()
    said = call.final("CANCEL")
    if said.status not in (200, 481):
        raise Failure(f"CANCEL after the answer was answered {said}")
    time.sleep(0.5)
    check_hears(call.voice, 700, "echo after a late CANCEL")
    call.hang_up()
    return f"told {said.status}"


@scenario(alone=True)
def answer_crosses_cancel(lab):
    """the callee answers as it is cancelled: the caller has its 487, the callee an ACK and a BYE."""
    caller, callee = extension_pair(lab)
    call = caller.dial("1003", sdp(lab.voices.open().port), proves=True)
    theirs = callee.invited()
    theirs.say(180)
    call.provisional(180)
    call.cancel()
    cancel = callee.request("CANCEL")
    theirs.say(200, sdp(lab.voices.open().port, codecs="0 101"))
    callee.reply(cancel, 200, tag=theirs.tag)
    theirs.acknowledged()
    theirs.ended()
    call.answer(487)


@scenario()
def connection_lost(lab):
    """a caller's TCP connection is reset in mid-call: the audio goes on, and its BYE over a new connection ends the call."""
    hand = lab.hand("13900007009", transport="tcp")
    call = dial(lab, hand, "9196", 700)
    check_hears(call.voice, 700, "echo before")
    hand.reconnect()
    time.sleep(1)
    check_hears(call.voice, 700, "echo without a connection")
    call.hang_up()
    expect(only_record(lab, call.id), end="caller", cause="normal")


@scenario()
def large_invite(lab):
    """an INVITE of 30 kB comes over TCP in small pieces and is a call; one of 80 kB is refused and the switch stays well."""
    hand = lab.hand("13900007010", transport="tcp", piece=997)
    voice = lab.voices.open()
    call = hand.dial("9196", sdp(voice.port), headers=[f"X-Story-{n}: {'once upon a time ' * 9}" for n in range(190)])
    call.answer()
    call.ack()
    call.hang_up()
    bad = lab.hand("13900007011", transport="tcp")
    too_long = Dialog(bad, "too-long", "<sip:a@b>;tag=1", "<sip:9196@b>", "sip:9196@127.0.0.1")
    too_long.cseq = 1
    try:
        bad.send(too_long.line("INVITE", [bad.contact, *(f"X-Story-{n}: {'once upon a time ' * 24}" for n in range(200))], sdp(voice.port)))
    except OSError:
        pass  # refused before its end
    lab.sipp("options", transport="t1", timeout=10).finish()
    if any(m.status == 200 for m in bad.seen):
        raise Failure("an INVITE with 80 kB of headers was answered 200")
    return f"{len(call.text)} octets; beyond: {bad.seen[0] if bad.seen else 'closed'}"
