"""What a scenario is given: the switch, the phones, and the questions asked again and again."""

import time
from pathlib import Path

import sound
from baresip import Baresip
from hand import Hand
from linphone import Linphone
from sipp import Failure, Sipp, credentials
from switch import ROOT, SECRET, Switch
from voices import Voices

PROMPTS = Path(ROOT) / "prompts"
CALLER_HZ, AGENT_HZ, TONE_DBFS = 440, 620, -16.0
# What a G.711 path may add or take; the demand is 3 dB.
WITHIN_DB = 3.0


class Lab:
    def __init__(self, folder, arguments):
        self.folder = folder
        self.voices = Voices(folder)
        self.switch = Switch(folder / "switch", arguments)
        self.microphone = sound.write_tone(folder / "agent-tone.wav", AGENT_HZ, TONE_DBFS)
        self.numbers, self.phones = 0, []

    def prompt(self, name, lang="zh", ms=None):
        path = PROMPTS / lang / f"{name}.wav"
        if not path.exists():
            raise Failure(f"{path} is not there; run scripts/make-prompts")
        return sound.head(path, self.folder / f"{lang}-{name}-{ms}.wav", ms) if ms else path

    def call(self, number, **settings):
        self.numbers += 1
        return Call(self, number, f"1390000{self.numbers:04}", **settings)

    def baresip(self, user, **settings):
        microphone = settings.pop("microphone", self.microphone)
        phone = Baresip(self.folder / f"baresip-{user}", user, SECRET, self.switch.sip, microphone, **settings)
        self.phones.append(phone)
        return phone.registered()

    def linphone(self, user, hz, **settings):
        tone = sound.write_tone(self.folder / f"tone-{hz}.wav", hz, TONE_DBFS)
        phone = Linphone(self.folder / f"linphone-{user}", user, SECRET, self.switch.sip, tone, **settings)
        self.phones.append(phone)
        return phone

    def hand(self, user="hand", password=SECRET, **settings):
        phone = Hand(self.switch, user, password, **settings)
        self.phones.append(phone)
        return phone

    def sipp(self, scenario, fill=None, **settings):
        phone = Sipp(self.folder / "sipp", scenario, settings.pop("target", self.switch.address), fill, **settings)
        self.phones.append(phone)
        return phone

    def register(self, user, password=SECRET, status=200, port=None, expires=300, **settings):
        """A registration by sipp; the phone that takes its calls is then started on the same port."""
        phone = self.sipp("register", {"STATUS": status, "EXPIRES": expires}, rows=[credentials(user, password)], port=port, timeout=15, **settings)
        phone.finish()
        return phone.port

    def sipp_agent(self, user, scenario, fill=None, **settings):
        port = self.register(user)
        return self.sipp(scenario, fill, target=None, port=port, **settings)

    def unregister(self, user, port):
        self.register(user, port=port, expires=0)

    def settle(self, *users):
        for user in users:
            self.switch.make_ready(user)

    def clear(self):
        for phone in self.phones:
            phone.stop()
        self.phones = []

    def stop(self):
        self.clear()
        self.voices.stop()
        self.switch.stop()


class Call:
    """One caller: sipp for the signalling, a voice for the audio."""

    def __init__(self, lab, number, caller, codecs="0 8", transport="u1", hold=100000, timeout=110):
        self.lab, self.number, self.caller = lab, number, caller
        self.voice = lab.voices.open()
        self.sipp = lab.sipp("caller", {"NUMBER": number, "HOLD": hold, "CODECS": codecs}, rows=[(caller, self.voice.port)], transport=transport, timeout=timeout)

    def answered(self, within=10):
        _, ip, port, self.id = self.sipp.wait_for(r"answered (\S+) (\S+) (\S+) (\S+)", within)
        self.at = time.monotonic()
        self.voice.to(ip, port)
        return self

    def hang_up(self):
        self.sipp.hang_up(self.id)
        self.sipp.finish(10)

    def ended_by(self, within):
        """`other` or `caller`, and how many seconds after the answer."""
        who = self.sipp.wait_for(r"ended-by (\S+)", within)
        after = time.monotonic() - self.at
        self.sipp.finish(10)
        return who, after

    def press(self, key, pause=0.5):
        self.voice.press(key)
        time.sleep(pause)

    def reach_agent(self):
        """Through the menu of 95598: Mandarin, then 0 for a person."""
        self.press("1", 0.8)
        self.press("0", 0.8)
        return self

    def check_hears(self, hz, what, level=TONE_DBFS):
        return check_hears(self.voice, hz, what, level)

    def record(self):
        return self.lab.switch.record_of(self.id)


def check_hears(voice, hz, what, level=TONE_DBFS):
    """A second of that tone, as loud as it was sent, in an unbroken stream."""
    start = voice.listen(1600, 15)
    heard = voice.level(start + 400, 1000, hz)
    if abs(heard - level) > WITHIN_DB:
        raise Failure(f"{what}: {hz} Hz was sent at {level:.1f} dBFS and heard at {heard:.1f}")
    return heard


def check_agent_heard(path, hz, what):
    heard = sound.strongest(sound.read(path)[0], hz)
    if abs(heard - TONE_DBFS) > WITHIN_DB:
        raise Failure(f"{what}: {hz} Hz was sent at {TONE_DBFS:.1f} dBFS and heard at {heard:.1f}")
    return heard


def expect(record, **fields):
    wrong = [f"{key} is {record.get(key)!r}, not {value!r}" for key, value in fields.items() if record.get(key) != value]
    if wrong:
        raise Failure(f"call record: {'; '.join(wrong)}")


def recording_of(switch, record):
    """Path of a call's recording; the record names it relative to the recordings folder of the state directory."""
    name = record.get("recording")
    if not name:
        raise Failure("call record: no recording is named")
    for base in (switch.state / "recordings", switch.state, Path("/")):
        if (base / name).is_file():
            return base / name
    raise Failure(f"the recording {name} is not in {switch.state}")


def check_recording(path, caller_hz, agent_hz, talk_s):
    """Caller on the left, agent on the right, neither on the other, as long as the talk."""
    channels = sound.read(path)
    if len(channels) != 2:
        raise Failure(f"{path}: {len(channels)} channels, not 2")
    length = len(channels[0]) / sound.RATE
    if abs(length - talk_s) > 0.5:
        raise Failure(f"{path.name}: {length:.2f} s long, the talk was {talk_s:.2f} s")
    levels = {(side, hz): sound.strongest(samples, hz) for side, samples in zip("LR", channels) for hz in (caller_hz, agent_hz)}
    for (side, hz), heard in levels.items():
        wanted = (side == "L") == (hz == caller_hz)
        if wanted and abs(heard - TONE_DBFS) > WITHIN_DB:
            raise Failure(f"{path.name}: {hz} Hz is {heard:.1f} dBFS on channel {side}, sent at {TONE_DBFS}")
        if not wanted and heard > -45:
            raise Failure(f"{path.name}: {hz} Hz leaks into channel {side} at {heard:.1f} dBFS")
    return length
