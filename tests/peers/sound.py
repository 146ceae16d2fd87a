"""Sound files: what goes into a phone, and what a recording must hold."""

import array
import math
import wave

from sipp import Failure

RATE = 8000


def write_tone(path, hz, dbfs, seconds=60, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    amplitude = 32767 * 10 ** (dbfs / 20)
    samples = array.array("h", (round(amplitude * math.sin(2 * math.pi * hz * i / rate)) for i in range(rate * seconds)))
    write(path, samples, rate)
    return path


def write(path, samples, rate=RATE):
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(rate)
        f.writeframes(samples.tobytes())


def read(path):
    """Samples per channel."""
    with wave.open(str(path), "rb") as f:
        if f.getframerate() % RATE or f.getsampwidth() != 2:
            raise Failure(f"{path}: not 16-bit {RATE} Hz or a multiple")
        samples, times = array.array("h", f.readframes(f.getnframes())), f.getframerate() // RATE
        return [narrow(samples[c :: f.getnchannels()], times) for c in range(f.getnchannels())]


def narrow(samples, times):
    """To a rate that is so many times lower; what lies above is averaged away."""
    if times == 1:
        return samples
    return array.array("h", (sum(samples[at : at + times]) // times for at in range(0, len(samples) - times + 1, times)))


def head(source, target, ms):
    """The first `ms` of a prompt, for a caller who does not wait for its end."""
    write(target, read(source)[0][: ms * RATE // 1000])
    return target


def level(samples, hz):
    """Level of a tone (Goertzel under a Hann window), 0 = full-scale sine."""
    n = len(samples)
    if n < 800:
        return -96.0
    c, a, b = 2 * math.cos(2 * math.pi * hz / RATE), 0.0, 0.0
    for i, s in enumerate(samples):
        a, b = c * a - b + s * (0.5 - 0.5 * math.cos(2 * math.pi * i / n)), a
    amplitude = math.sqrt(abs(a * a + b * b - c * a * b)) * 4 / n
    return 20 * math.log10(max(amplitude, 0.5) / 32767)


def strongest(samples, hz):
    """The level of the tone in the loudest half second."""
    step = RATE // 2
    return max((level(samples[i : i + step], hz) for i in range(0, max(1, len(samples) - step), step)), default=-96.0)
