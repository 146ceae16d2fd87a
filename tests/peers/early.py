"""What may be said before the answer: provisional responses that are acknowledged (RFC 3262) and offers within them (RFC 3311)."""

import time

from courses import connect, extension_pair
from hand import sdp
from lab import AGENT_HZ, CALLER_HZ, TONE_DBFS, check_hears
from scenarios import scenario
from sipp import Failure, poll


def provisional(call, said, **settings):
    """PRACK for that response, in the early dialog that it made; gives the answer."""
    call.confirmed(said)
    return call.ask("PRACK", [f"RAck: {said.header('RSeq')} {said.cseq} INVITE"], **settings)


def ring_up(lab, caller, body, headers):
    return caller.dial("1003", body, headers=headers, allow="INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK", proves=True)


@scenario(alone=True)
def early_media_acknowledged(lab):
    """a caller that requires 100rel hears the callee's early media; the response is repeated until its PRACK, and no longer."""
    caller, callee = extension_pair(lab)
    voice = lab.voices.open()
    call = ring_up(lab, caller, sdp(voice.port), ["Require: 100rel"])
    theirs = callee.invited()
    theirs.voice = lab.voices.open()
    connect(theirs, theirs.invite, AGENT_HZ)
    answer = sdp(theirs.voice.port, codecs="0 101")
    theirs.say(183, answer)
    said = call.provisional(183)
    if "100rel" not in said.header("Require") or not said.header("RSeq").isdigit():
        raise Failure(f"183 came without Require: 100rel and RSeq (RFC 3262 3): {said.headers}")
    def copies():
        return sum(m.status == 183 and m.header("RSeq") == said.header("RSeq") for m in caller.seen)
    poll("three copies of the 183", lambda: copies() >= 3, 20)
    provisional(call, said)
    before = copies()
    voice.to(*said.media()[:2])
    early = check_hears(voice, AGENT_HZ, "early media")
    if call.ask("PRACK", ["RAck: 999999 1 INVITE"], status=481).status != 481:
        raise Failure("a PRACK of nothing was accepted")
    time.sleep(3)
    if copies() > before:
        raise Failure("the 183 was repeated after its PRACK")
    theirs.say(200, answer)
    theirs.acknowledged()
    call.answer()
    call.ack()
    voice.tone(CALLER_HZ, TONE_DBFS)
    time.sleep(0.5)
    check_hears(voice, AGENT_HZ, "after the answer")
    check_hears(theirs.voice, CALLER_HZ, "the caller's tone at the callee")
    call.hang_up()
    theirs.ended()
    return f"{before} copies, early media at {early:.1f} dBFS"


@scenario(alone=True)
def callee_wants_prack(lab):
    """a callee's reliable 183 gets its PRACK, a repeated one no second, and an UPDATE before the answer moves its audio."""
    caller, callee = extension_pair(lab)
    voice = lab.voices.open()
    call = ring_up(lab, caller, sdp(voice.port), ["Supported: 100rel"])
    theirs = callee.invited()
    if "100rel" not in ",".join(theirs.invite.all("Supported") + theirs.invite.all("Require")):
        raise Failure("our INVITE does not support 100rel")
    first, second = lab.voices.open(), lab.voices.open()
    ip, port, _ = theirs.invite.media()
    answer = sdp(first.port, codecs="0 101")
    for _ in range(2):
        theirs.say(183, answer, ["Require: 100rel", "RSeq: 7001"])
    prack = callee.request("PRACK")
    if prack.header("RAck") != f"7001 {theirs.invite.cseq} INVITE":
        raise Failure(f"PRACK came with RAck {prack.header('RAck')}")
    callee.reply(prack, 200)
    first.to(ip, port)
    first.tone(AGENT_HZ, TONE_DBFS)
    time.sleep(1)
    said = theirs.ask("UPDATE", body=sdp(second.port, version=2, codecs="0 101"))
    first.quiet()
    second.to(*said.media()[:2])
    second.tone(AGENT_HZ, TONE_DBFS)
    # The caller supports 100rel too, so that the early media reaches it reliably, and the answer waits for its PRACK.
    early = call.provisional(183)
    provisional(call, early)
    voice.to(*early.media()[:2])
    theirs.say(200)
    theirs.acknowledged()
    call.answer()
    call.ack()
    voice.tone(CALLER_HZ, TONE_DBFS)
    time.sleep(0.5)
    check_hears(voice, AGENT_HZ, "the callee at its new place")
    check_hears(second, CALLER_HZ, "the caller at the callee's new place")
    if any(m.method == "PRACK" and m.status is None and m.cseq != prack.cseq for m in callee.seen):
        raise Failure("a repeated 183 got a second PRACK (RFC 3262 4)")
    call.hang_up()
    theirs.ended()
