"""JsSIP over secure WebSocket: in node, where signalling is proven without media, and in chromium, which talks and hears.

Chromium's microphone plays a tone; what it hears is measured in the page.
"""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import sound
from lab import AGENT_HZ, CALLER_HZ, TONE_DBFS, WITHIN_DB, check_agent_heard, expect
from scenarios import scenario
from sipp import Failure, Skipped, poll
from switch import SECRET

HERE = Path(__file__).resolve().parent / "browser"
# The page's microphone.
PAGE_HZ = 850
# From the usual port of HTTP to that of HTTPS, as the demo counts.
WSS_ABOVE_HTTP = 363


def install(folder):
    """JsSIP and `ws` beside the phone's script, as package-lock.json names them."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Skipped("node and npm are not installed")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "phone.js", "chromium.js"):
        shutil.copy(HERE / name, folder / name)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        raise Skipped(f"JsSIP is not to be had from npm: {done.stderr.strip()[-200:]}")


class Page:
    """A browser's page with a phone in it."""

    def __init__(self, folder, url, user, password=SECRET, script="phone.js", more=()):
        self.process = subprocess.Popen(["node", script, url, user, password, *more], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(folder / f"{user}.err").open("ab"), text=True, start_new_session=True)
        self.events = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def wait(self, name, timeout=10):
        """The next event of that name; those before it are passed over."""
        def there():
            for place, event in enumerate(self.events):
                if event["event"] == name:
                    del self.events[: place + 1]
                    return event
        return poll(f"`{name}` of the browser (so far {self.events})", there, timeout, every=0.05)

    def stop(self):
        # The browser beside node holds the phone's connection: with it open the switch would ring the page still.
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


@scenario(alone=True)
def browser_phone(lab):
    """a browser (JsSIP over WSS) registers, refreshes, calls, is rung, and is missed at once when it goes."""
    folder = lab.folder / "browser"
    install(folder)
    url = f"wss://127.0.0.1:{lab.switch.http + WSS_ABOVE_HTTP}"
    page = Page(folder, url, "1003")
    wrong = None
    try:
        page.wait("connected")
        page.tell("register")
        contacts = page.wait("registered")["contacts"]
        if len(contacts) != 1 or "transport=ws" not in contacts[0]:
            raise Failure(f"bound to {contacts}")
        page.tell("register")
        if len(page.wait("registered")["contacts"]) != 1:
            raise Failure("a refresh made a second binding")
        lab.switch.make_ready("1003")

        page.tell("call 9191")
        page.wait("confirmed")
        page.tell("hangup")
        page.wait("ended")
        lab.switch.make_ready("1003")

        # The queue's only agent: its page is rung over the connection that it opened.
        caller = lab.call("9000").answered()
        rung = page.wait("incoming", 15)
        if ".invalid" not in rung["to"] or "SIP/2.0/WSS" not in rung["via"]:
            raise Failure(f"rung by {rung}")
        caller.hang_up()
        lab.switch.make_ready("1003")

        wrong = Page(folder, url, "1004", "not-the-password")
        wrong.wait("connected")
        wrong.tell("register")
        status = wrong.wait("registrationFailed")["status"]
        if status != 401:
            raise Failure(f"a wrong password was answered {status}")

        began = time.monotonic()
        page.tell("drop")
        poll("the agent whose page is gone to be unreachable", lambda: (lab.switch.agent("1003") or {}).get("state") not in ("ready", "wrap_up", "not_ready"), 5, every=0.05)
        return f"missed {time.monotonic() - began:.2f} s after it went"
    finally:
        page.stop()
        if wrong:
            wrong.stop()



class Chromium(Page):
    """The same page in a real browser, with a tone for a microphone."""

    def __init__(self, lab, folder, url, user):
        if not shutil.which("chromium"):
            raise Skipped("chromium is not installed")
        microphone = sound.write_tone(folder / f"{user}.wav", PAGE_HZ, TONE_DBFS)
        profile = folder / f"profile-{user}"
        shutil.rmtree(profile, ignore_errors=True)
        super().__init__(folder, url, user, script="chromium.js", more=(str(microphone.resolve()), str(profile.resolve())))
        self.wait("connected", 30)
        self.tell("register")
        self.wait("registered")

    def hears(self, hz, what, level=TONE_DBFS, within=WITHIN_DB):
        """Until a tone is the loudest that is there, as loud as it was sent."""
        def there():
            self.tell(f"listen {hz}")
            self.last = self.wait("heard")
            return self.last if self.last["dbfs"] is not None and abs(self.last["dbfs"] - level) <= within and abs(self.last["peak"] - hz) < 15 else None
        try:
            return poll(f"{what}: {hz} Hz at {level:.1f} dBFS", there, 10, every=0.2)
        except Failure as failure:
            raise Failure(f"{failure}; last it heard {getattr(self, 'last', None)}")

    def calls(self, number):
        self.tell(f"call {number}")
        self.wait("confirmed", 15)


def chromium(lab, user):
    folder = lab.folder / "browser"
    install(folder)
    return Chromium(lab, folder, f"wss://127.0.0.1:{lab.switch.http + WSS_ABOVE_HTTP}", user)


def last_record(lab, number, caller):
    return poll(f"the record of {caller}'s call to {number}", lambda: next((r for r in lab.switch.records() if r["to"] == number and r["from"] == caller), None), 10, every=0.2)


@scenario(alone=True)
def browser_talks(lab):
    """chromium hears the tone of 9197 and itself at 9196, over hold and back, presses keys for 9198, takes a call of the queue, and hangs up or is hung up."""
    page = chromium(lab, "1003")
    try:
        page.calls("9197")
        tone = page.hears(1004, "the tone of 9197", level=-3.1)
        if tone["dtls"] != "connected" or not tone["srtp"]:
            raise Failure(f"the audio is not encrypted: {tone}")
        page.tell("hangup")
        page.wait("ended")
        expect(last_record(lab, "9197", "1003"), end="caller", cause="normal")

        page.calls("9196")
        own = page.hears(PAGE_HZ, "its own tone from 9196")
        page.tell("hold")
        page.wait("held")
        time.sleep(1)
        page.tell("unhold")
        page.wait("resumed")
        after = page.hears(PAGE_HZ, "its own tone after hold")
        page.tell("hangup")
        page.wait("ended")

        page.calls("9198")
        page.tell("press 472#")
        if page.wait("ended", 30)["by"] != "remote":
            raise Failure("9198 did not hang up")
        record = last_record(lab, "9198", "1003")
        shown = "".join(str(e.get("key") or "") for e in lab.switch.api(f"calls/{record['call_id']}").get("events", []) if e.get("event") == "key")
        if "472" not in shown and "472" not in json.dumps(lab.switch.api(f"calls/{record['call_id']}")):
            raise Failure(f"the page pressed 472#, and the call's events have {shown!r}")

        # The queue's only agent.
        lab.switch.make_ready("1003")
        call = lab.call("9000").answered()
        page.wait("incoming", 15)
        page.tell("answer")
        page.wait("confirmed", 15)
        call.voice.tone(CALLER_HZ, TONE_DBFS)
        page.hears(CALLER_HZ, "the caller's tone at the agent's page")
        call.check_hears(PAGE_HZ, "the agent's page at the caller")
        call.voice.check_stream()
        page.tell("hangup")
        who, _ = call.ended_by(5)
        record = call.record()
        expect(record, agent="1003", end="agent", cause="normal")
        wrong = [media for segment in record["segments"] if (media := segment["media"])["malformed"] or media["forged"]]
        if who != "other" or wrong:
            raise Failure(f"ended by {who}; media {wrong}")
        return f"{tone['srtp']}, {own['codec']}: 1004 Hz at {tone['dbfs']:.1f}, its own at {own['dbfs']:.1f} and after hold {after['dbfs']:.1f} dBFS"
    finally:
        page.stop()


@scenario(alone=True)
def browser_and_phones(lab):
    """chromium is called by baresip, reaches an agent by the menu of 95598, and talks G.711 that passes through; each side hangs up once."""
    page, colleague = chromium(lab, "1003"), lab.baresip("1002")
    agent = lab.baresip("1001")
    lab.settle("1001")
    try:
        colleague.tell("dial", f"sip:1003@{colleague.domain}")
        if page.wait("incoming", 15)["from"] != "1002":
            raise Failure("called by somebody else")
        page.tell("answer")
        page.wait("confirmed", 15)
        called = page.hears(AGENT_HZ, "baresip's tone in the page")
        time.sleep(2)
        colleague.hang_up()
        if page.wait("ended")["by"] != "remote":
            raise Failure("the page had to hang up by itself")
        there = check_agent_heard(colleague.recording(), PAGE_HZ, "the page's tone at baresip")

        page.tell("only PCMU")
        page.calls("95598")
        time.sleep(1)
        page.tell("press 1")
        time.sleep(0.8)
        page.tell("press 0")
        agent.wait_event("CALL_INCOMING", 15)
        agent.accept()
        agent.wait_event("CALL_ESTABLISHED", 5)
        reached = page.hears(AGENT_HZ, "the agent's tone in the page")
        if reached["codec"] != "audio/PCMU":
            raise Failure(f"the page speaks {reached['codec']}")
        time.sleep(2)
        page.tell("hangup")
        agent.wait_event("CALL_CLOSED", 5)
        heard = check_agent_heard(agent.recording(), PAGE_HZ, "the page's tone at the agent")
        expect(last_record(lab, "95598", "1003"), agent="1001", end="caller", cause="normal")
        return f"called: {called['dbfs']:.1f} and {there:.1f} dBFS; in PCMU to the agent: {reached['dbfs']:.1f} and {heard:.1f}"
    finally:
        page.stop()
