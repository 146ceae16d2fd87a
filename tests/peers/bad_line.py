"""A phone at the end of a line that loses, delays, swaps and doubles packets."""

import time

import sound
from lab import AGENT_HZ, CALLER_HZ, TONE_DBFS, expect, recording_of
from life import own_switch
from line import BehindLine, bad_line
from scenarios import scenario
from sipp import Failure

FRAME = sound.RATE // 50
# The share of packets that the line loses, and what the switch and a jitter buffer may lose beyond it.
LOSS, BEYOND = 0.05, 0.02


def quiet_share(samples):
    """The share of 20 ms in which a steady tone is not heard, from its first sound to its last, and the longest such gap in seconds."""
    loud = [max(map(abs, samples[at : at + FRAME])) > 1000 for at in range(0, len(samples) - FRAME, FRAME)]
    if True not in loud:
        raise Failure("nothing was heard at all")
    loud = loud[loud.index(True) : len(loud) - loud[::-1].index(True)]
    longest = run = 0
    for heard in loud:
        run = 0 if heard else run + 1
        longest = max(longest, run)
    return loud.count(False) / len(loud), longest / 50


def behind(own, line, user="1001", **settings):
    return own.baresip(user, place=BehindLine(line), buffer="5-10", **settings)


def talk(own, agent):
    """A caller on a good line and the agent behind the bad one, who has answered."""
    call = own.call("9000").answered()
    call.voice.tone(CALLER_HZ, TONE_DBFS)
    agent.wait_event("CALL_INCOMING", 30)
    agent.accept()
    agent.wait_event("CALL_ESTABLISHED", 30)
    return call


def agents_leg(record):
    return next(segment for segment in record["segments"] if segment["role"] == "agent")


@scenario(alone=True)
def lossy_line(lab):
    """an agent whose line loses a twentieth of the packets, delays them unevenly by 30 ms so that they swap, and doubles some: both hear each other, the recording lacks no more than the line does, and the record tells of the loss."""
    with bad_line(7) as line, own_switch(lab, "lossy-line", ip="0.0.0.0") as own:
        agent = behind(own, line)
        line.loss, line.double, line.delay_s, line.jitter_s = LOSS, 0.01, 0.02, 0.03
        own.settle("1001")
        call = talk(own, agent)
        time.sleep(10)
        line.loss = line.double = line.jitter_s = 0.0
        call.hang_up()
        agent.wait_event("CALL_CLOSED", 10)
        record = call.record()
        expect(record, agent="1001", end="caller", cause="normal")
        _, right = sound.read(recording_of(own.switch, record))
        quiet, _ = quiet_share(right)
        if quiet > LOSS + BEYOND:
            raise Failure(f"of what the agent said {quiet:.1%} are missing in the recording")
        level = sound.strongest(right, AGENT_HZ)
        heard = sound.read(agent.recording())[0]
        share = len(heard) / sound.RATE / (record["talk_ms"] / 1000)
        back = sound.strongest(heard, CALLER_HZ)
        if min(level, back) < TONE_DBFS - 3 or share < 1 - LOSS - BEYOND:
            raise Failure(f"the caller's tone came at {back:.1f} dBFS for {share:.1%} of the talk, the agent's was recorded at {level:.1f}")
        media = agents_leg(record)["media"]
        lost = media["lost"] / (media["lost"] + media["packets_in"])
        if not 0.02 <= lost <= 0.1:
            raise Failure(f"the record tells of {lost:.1%} lost packets: {media}")
        return f"missing in the recording {quiet:.1%}, heard by the agent {share:.1%}; the record: {lost:.1%} lost, jitter {media['jitter_us'] / 1000:.0f} ms"


@scenario(alone=True)
def slow_line(lab):
    """a phone whose line loses a tenth of the packets and takes 100 ms registers, and every one of ten calls is set up."""
    with bad_line(8) as line, own_switch(lab, "slow-line", ip="0.0.0.0") as own:
        line.loss, line.delay_s = 0.1, 0.1
        phone = behind(own, line)
        for _ in range(10):
            phone.tell("dial", f"sip:9196@{phone.domain}")
            # Six losses in a row are one in a million; the requests go out again after 0.5, 1, 2 and 4 s.
            phone.wait_event("CALL_ESTABLISHED", 32)
            phone.hang_up()
            phone.wait_event("CALL_CLOSED", 32)
        line.loss = 0.0
        return "10 of 10"


@scenario(alone=True)
def line_cut(lab):
    """an agent's line is cut for 5 s in mid-call: the call stays, and the caller hears the agent again when the line is back."""
    with bad_line(9) as line, own_switch(lab, "line-cut", ip="0.0.0.0") as own:
        agent = behind(own, line)
        own.settle("1001")
        call = talk(own, agent)
        time.sleep(2)
        line.up = False
        time.sleep(5)
        line.up = True
        time.sleep(3)
        start = call.voice.listen(1000, 5)
        level = call.voice.level(start, 1000, AGENT_HZ)
        call.hang_up()
        record = call.record()
        expect(record, agent="1001", end="caller", cause="normal")
        _, gap = quiet_share(sound.read(recording_of(own.switch, record))[1])
        if not 4 < gap < 6 or abs(level - TONE_DBFS) > 3:
            raise Failure(f"the recording lacks {gap:.1f} s of the agent, who is heard at {level:.1f} dBFS afterwards")
        return f"{gap:.2f} s of the agent missing, {level:.1f} dBFS afterwards"
