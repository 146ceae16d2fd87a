"""Phones that speak G.722 or Opus and nothing else: what they hear of the switch and of each other."""

import array
import math
import os
import time
import wave

from lab import AGENT_HZ, TONE_DBFS
from scenarios import scenario
from sipp import Failure, poll
from sound import write_tone

RATES = {"g722": 16000, "opus": 48000}


def wide_phone(lab, codec):
    """Its microphone has the codec's own rate, as baresip's files must."""
    rate = RATES[codec]
    microphone = write_tone(lab.folder / f"tone-{rate}.wav", AGENT_HZ, TONE_DBFS, 20, rate)
    return lab.baresip("1003", codec=codec, microphone=microphone)


def heard(phone):
    """Samples and their rate, of what a phone recorded; the recording is at the codec's own rate."""
    file = phone.recording()
    poll(f"{file} to be written", lambda: os.path.getsize(file) > 44, 5)
    with wave.open(str(file), "rb") as f:
        samples = array.array("h", f.readframes(f.getnframes()))
        return samples[:: f.getnchannels()], f.getframerate()


def tone(samples, rate, hz):
    """Level of a tone (0 = full-scale sine), and how far all the rest is below it, over whole periods."""
    count = len(samples) // (rate // 4) * (rate // 4)
    if not count:
        raise Failure("no sound was received")
    sine = cosine = power = 0.0
    for n, sample in enumerate(samples[:count]):
        phase = 2 * math.pi * hz * n / rate
        sine += sample * math.sin(phase)
        cosine += sample * math.cos(phase)
        power += sample * sample
    amplitude = max(2 * math.hypot(sine, cosine) / count, 0.5)
    rest = max(power / count - amplitude * amplitude / 2, 1e-3)
    return 20 * math.log10(amplitude / 32767), 10 * math.log10(amplitude * amplitude / 2 / rest)


def call(lab, phone, number, seconds):
    phone.tell("dial", number)
    phone.wait_event("CALL_ESTABLISHED", 5)
    time.sleep(seconds)
    phone.hang_up()
    phone.wait_event("CALL_CLOSED", 5)
    samples, rate = heard(phone)
    return samples, rate


def middle(samples, rate, seconds=1.5):
    start = max(0, (len(samples) - int(seconds * rate)) // 2)
    return samples[start : start + int(seconds * rate)]


def speaks(lab, codec, clear_db):
    phone = wide_phone(lab, codec)
    samples, rate = call(lab, phone, "9197", 3.5)
    level, clear = tone(middle(samples, rate), rate, 1004)
    # 0 dBm0 is 3.17 dB below a full-scale sine.
    if abs(level + 3.17) > 3 or clear < clear_db:
        raise Failure(f"the test tone came at {level:.1f} dBFS, {clear:.1f} dB above the rest")
    return phone, level, clear


def echoed(lab, phone):
    samples, rate = call(lab, phone, "9196", 3.5)
    level, _ = tone(middle(samples, rate), rate, AGENT_HZ)
    if abs(level - TONE_DBFS) > 3:
        raise Failure(f"its own tone came back at {level:.1f} of {TONE_DBFS:.1f} dBFS")
    return level


def greeted(lab, phone):
    """How much of the hotline's greeting and menu was heard."""
    samples, rate = call(lab, phone, "95598", 6)
    loud = sum(1 for at in range(0, len(samples), rate // 50) if max(map(abs, samples[at : at + rate // 50]), default=0) > 800)
    if loud < 50:
        raise Failure(f"of the greeting only {loud * 20} ms were heard")
    return loud * 20


@scenario(alone=True)
def g722_phone(lab):
    """a phone that speaks only G.722 hears the test tone, itself, and the hotline."""
    phone, level, clear = speaks(lab, "g722", 30)
    return f"tone {level + 3.17:+.2f} dB, {clear:.0f} dB clear; echo {echoed(lab, phone):.1f} dBFS; greeting {greeted(lab, phone)} ms"


@scenario(alone=True)
def opus_phone(lab):
    """a phone that speaks only Opus hears the test tone, itself, and the hotline."""
    phone, level, clear = speaks(lab, "opus", 15)
    return f"tone {level + 3.17:+.2f} dB, {clear:.0f} dB clear; echo {echoed(lab, phone):.1f} dBFS; greeting {greeted(lab, phone)} ms"


@scenario(alone=True)
def opus_and_g711_phones(lab):
    """a phone that speaks only Opus and one that speaks only G.711 talk."""
    caller = wide_phone(lab, "opus")
    colleague = lab.baresip("1004", answer="auto")
    caller.tell("dial", "1004")
    colleague.wait_event("CALL_ESTABLISHED", 10)
    time.sleep(4)
    caller.hang_up()
    colleague.wait_event("CALL_CLOSED", 5)
    levels = []
    for phone in (caller, colleague):
        samples, rate = heard(phone)
        level, clear = tone(middle(samples, rate), rate, AGENT_HZ)
        if abs(level - TONE_DBFS) > 3 or clear < 8:
            raise Failure(f"{phone.user} heard {level:.1f} of {TONE_DBFS:.1f} dBFS, {clear:.1f} dB above the rest")
        levels.append((level, clear))
    return " and ".join(f"{level:.1f} dBFS, {clear:.0f} dB clear" for level, clear in levels) + f", of {TONE_DBFS:.1f}"
