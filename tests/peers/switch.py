"""The product under test: its process, its HTTP API and its command line."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from sipp import Failure, free_port, poll

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECRET, TOKEN = "peers-demo-secret", "peers-admin-token-0123456789abcdef"


# The systems that the sample's flows ask; nobody is there.
SYSTEMS = "".join(
    f"  {name}: {{url: \"http://127.0.0.1:9\", private: true{auth}}}\n"
    for name, auth in (("billing", ", auth: {billing: {token_env: SAMPLE_TOKEN}}"), ("customers", ", auth: {customers: {token_env: SAMPLE_TOKEN}}"), ("grid", ""))
)


def sample_trunks():
    """Lines under `trunks` for those that the sample's flows name; nobody is there."""
    flows = "".join(path.read_text("utf-8") for path in Path(ROOT, "ivr-flows").rglob("*.flow.yaml"))
    names = sorted(set(re.findall(r"trunk: *([a-z0-9-]+)", flows)))
    return "\n".join(f"  {name}: {{address: \"127.0.0.1:9\", private: [account], health: off}}" for name in names)


def write_project(path, text):
    """A project folder around `path`, its hotline.yaml, with the sample's flows and prompts. The line `@SAMPLE_TRUNKS@` under
    `trunks` is filled in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = text.replace("@SAMPLE_TRUNKS@", sample_trunks())
    path.write_text(f"{text.rstrip()}\nbases:\n{SYSTEMS}")
    path.chmod(0o600)
    for name in ("ivr-flows", "prompts"):
        link, source = path.parent / name, Path(ROOT) / name
        # A link that is left over may lead to a checkout that has moved since.
        if link.is_symlink() and link.resolve() != source.resolve():
            link.unlink()
        if not link.exists():
            link.symlink_to(source)
    return path


class Switch:
    """`arguments(sip_port, http_port, state)` gives the command line after the program's name."""

    # Where the switches of this run speak SIP.
    ports = set()

    def __init__(self, folder, arguments):
        self.binary = os.environ.get("HOTLINE_BIN") or os.path.join(ROOT, "target", "release", "hotline")
        if not os.access(self.binary, os.X_OK):
            raise Failure(f"{self.binary} is not there; run cargo build --release, or set HOTLINE_BIN")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.state = folder, folder / "state"
        self.sip, self.http = free_port(), free_port()
        self.address = ("127.0.0.1", self.sip)
        Switch.ports.add(self.sip)
        self.env = {**os.environ, "HOTLINE_DEMO_SECRET": SECRET, "HOTLINE_ADMIN_TOKEN": TOKEN, "SAMPLE_TOKEN": "nobody-asks", "HOTLINE_SIP_PORT": str(self.sip), "HOTLINE_HTTP_PORT": str(self.http)}
        self.output = folder / "hotline.log"
        self.arguments = arguments(self.sip, self.http, self.state)
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.binary, *self.arguments], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=self.output.open("ab"), stderr=subprocess.STDOUT)
        poll("/readyz of the switch", self.ready, 15, every=0.05)

    def ready(self):
        if self.process.poll() is not None:
            raise Failure(f"the switch ended at once (exit {self.process.returncode}): {self.output.read_text('utf-8', 'replace')[-500:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def api(self, path, method="GET", body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/api/v1/{path}", data, {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise Failure(f"{method} /api/v1/{path}: {error.code} {error.read()[:200].decode(errors='replace')}")

    def metrics(self):
        """{name: sum over its labels}, of all that has a value."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        sums = {}
        for line in lines:
            name, value = re.match(r"\w+", line).group(), float(line.rsplit(" ", 1)[1])
            sums[name] = sums.get(name, 0) + value
        return sums

    def metric(self, name):
        """The sum of a metric over its labels."""
        sums = self.metrics()
        if name not in sums:
            raise Failure(f"/metrics has no {name}")
        return sums[name]

    def command(self, *arguments):
        """Output of a `hotline` command that must end with 0, given in the project's folder."""
        done = subprocess.run([self.binary, *arguments], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise Failure(f"hotline {' '.join(arguments)} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[:300]}")
        return done.stdout

    def records(self):
        return rows(self.api("cdrs?limit=1000"))

    def record_of(self, sip_call_id, timeout=5):
        """The call record of the call with that Call-ID header; it is written a moment after the call's end."""
        return poll(f"a call record of {sip_call_id}", lambda: next((r for r in self.records() if r.get("sip_call_id") == sip_call_id), None), timeout, every=0.2)

    def agent(self, user):
        return next((a for a in rows(self.api("agents")) if a["id"] == user), None)

    def make_ready(self, user):
        """Ends an agent's wrap-up or pause, so that the next call may come."""
        def settled():
            state = (self.agent(user) or {}).get("state")
            if state in ("wrap_up", "not_ready"):
                self.api(f"agents/{user}/state", "PUT", {"state": "ready"})
            return state == "ready"
        poll(f"agent {user} to be ready", settled, 15, every=0.2)

    def alive(self):
        if self.process.poll() is not None:
            raise Failure(f"the switch died (exit {self.process.returncode}): {self.output.read_text('utf-8', 'replace')[-800:]}")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def rows(answer):
    """A list, whether the API gives it bare or under its one list-valued key."""
    if isinstance(answer, list):
        return answer
    return next((value for value in answer.values() if isinstance(value, list)), [])
