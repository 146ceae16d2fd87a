"""The RTP side of every phone that sipp signals for: one process of voices.c, asked line by line."""

import subprocess
import threading
from pathlib import Path

from process import compiled
from sipp import Failure, poll

SOURCE = Path(__file__).parent / "voices.c"


class Voices:
    def __init__(self, folder):
        self.process = subprocess.Popen([compiled(folder, SOURCE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True)
        try:
            # Before other work, as what is measured is not this machine's load; needs root.
            Path(f"/proc/{self.process.pid}/autogroup").write_text("-10")
        except OSError:
            pass
        self.lock, self.next_id = threading.Lock(), 0

    def ask(self, line):
        with self.lock:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().split()
        if not answer or answer[0] != "ok":
            raise Failure(f"voices: {line.split()[0]}: {' '.join(answer[1:]) or 'the process died'}")
        return answer[1:]

    def open(self):
        with self.lock:
            number, self.next_id = self.next_id, self.next_id + 1
        return Voice(self, number)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Voice:
    def __init__(self, voices, number):
        self.voices, self.number = voices, number
        self.port = int(self.ask("open")[0])

    def ask(self, verb, *args):
        return self.voices.ask(" ".join(map(str, (verb, self.number, *args))))

    def to(self, ip, port):
        self.ask("to", ip, port)

    def tone(self, hz, dbfs):
        self.ask("tone", hz, dbfs)

    def quiet(self):
        self.ask("quiet")

    def press(self, keys, ms=160):
        """One key; the caller of several waits in between as a finger does."""
        self.ask("key", keys, ms)

    def now(self):
        return int(self.ask("now")[0])

    def listen(self, ms, timeout=None):
        """Waits until that much more audio has been received, and gives the millisecond at which it began."""
        start = self.now()
        poll(f"{ms} ms of audio (heard {start} ms before)", lambda: self.now() >= start + ms, timeout or ms / 1000 + 5)
        return start

    def level(self, from_ms, len_ms, hz):
        return float(self.ask("level", from_ms, len_ms, hz)[0])

    def rms(self, from_ms, len_ms):
        return float(self.ask("rms", from_ms, len_ms)[0])

    def pitch(self, from_ms, len_ms, low, high, step):
        return [float(v) for v in self.ask("pitch", from_ms, len_ms, low, high, step)]

    def stats(self):
        return {k: int(v) if v.lstrip("-").isdigit() and k != "keys" else v for k, v in (pair.split("=") for pair in self.ask("stats"))}

    def match(self, wav, from_ms=0, to_ms=10**6):
        correlation, at = self.ask("match", wav, from_ms, to_ms)
        return float(correlation), int(at)

    def hears(self, wav, since, within, at_least=0.9):
        """Waits until the file has been heard; gives the millisecond at which it began."""
        length, best = wav.stat().st_size // 16, (0.0, 0)
        searched = since

        def heard():
            nonlocal best, searched
            now = self.now()
            if now >= searched + length:
                best = max(best, self.match(wav, searched, now))
                # A start between here and now may not have been heard to its end yet.
                searched = now - length
            return best[0] >= at_least

        try:
            poll("", heard, within, every=0.25)
        except Failure:
            stats = self.stats()
            raise Failure(f"the caller did not hear {wav.name} within {within:g} s (best correlation {best[0]:.2f}, {stats['packets']} packets came)")
        return best[1]

    def delay_to(self, other, count=8):
        """Median and greatest delay in ms of loud frames from here to the other voice (or back here, for an echo)."""
        import time

        self.ask("clicks", count)
        time.sleep(0.4 * count + 0.8)
        heard, median, worst = map(int, self.ask("delay", other.number))
        return heard, median / 1000, worst / 1000

    def check_stream(self):
        """The rules that every receiver of ours relies on (RFC 3550 5.1): one SSRC, sequence +1, a clock that never goes back."""
        s = self.stats()
        wrong = [f"{k}={s[k]}" for k in ("lost", "ssrc_changes", "seq_back", "ts_back", "other_pt", "strays", "bad") if s[k]]
        if wrong or not s["packets"]:
            raise Failure(f"the RTP stream is not clean: {' '.join(wrong) or 'no packet came'}")
        return s

    def close(self):
        self.ask("close")
