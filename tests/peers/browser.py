"""JsSIP over secure WebSocket, in node: it registers, calls, is called, and goes without a word.

Its media is DTLS-SRTP, which the switch does not have: a call from it is refused as 488, and one to it is heard to arrive.
What is proven here is the signalling.
"""

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

from scenarios import scenario
from sipp import Failure, Skipped, poll
from switch import SECRET

HERE = Path(__file__).resolve().parent / "browser"
# From the usual port of HTTP to that of HTTPS, as the demo counts.
WSS_ABOVE_HTTP = 363


def install(folder):
    """JsSIP and `ws` beside the phone's script, as package-lock.json names them."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Skipped("node and npm are not installed")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "phone.js"):
        shutil.copy(HERE / name, folder / name)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        raise Skipped(f"JsSIP is not to be had from npm: {done.stderr.strip()[-200:]}")


class Page:
    """A browser's page with a phone in it."""

    def __init__(self, folder, url, user, password=SECRET):
        self.process = subprocess.Popen(["node", "phone.js", url, user, password], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(folder / f"{user}.err").open("ab"), text=True)
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
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@scenario(alone=True)
def browser_phone(lab):
    """a browser (JsSIP over WSS) registers, refreshes, is rung, is refused audio that it cannot have (488), and is missed at once when it goes."""
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
        refused = page.wait("failed")
        if refused["status"] != 488:
            raise Failure(f"a call with DTLS was answered {refused}")

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

