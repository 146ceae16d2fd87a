"""The switch of the soak, the phones and trunks around it, and what is asked of it again and again."""

import shutil
import socket
from pathlib import Path

from process import descriptors, rss_kib, threads
from sipp import ENDLESS, Failure, Sipp, credentials, free_port, poll
from switch import ROOT, Switch, rows, write_project

HERE = Path(__file__).resolve().parent
# Two shifts, each at a desk of its own.
SHIFTS = [range(2001, 2051), range(2051, 2101)]
# Their phones ring and nobody picks up.
ABSENT = range(3001, 3041)
# Extensions that come and go.
VISITORS = range(5001, 5401)
FOREVER = 86400
# A transaction waits 32 s for what may be repeated (RFC 3261 17), the sweep comes each minute.
QUIET_LIMIT_S = 150

# What is held for calls, and is to be as it was when they are gone.
HELD = ["hotline_calls", "hotline_budget_calls", "hotline_trunk_calls", "hotline_queue_waiting", "hotline_sip_transactions", "hotline_sip_dialogs",
        "hotline_sip_connections", "hotline_media_legs", "hotline_store_events_queued"]


class World:
    def __init__(self, folder):
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        self.far, self.flapping, self.busy, self.silent, self.absent = (free_port() for _ in range(5))
        self.desks = [free_port() for _ in SHIFTS]
        self.switch = Switch(folder / "switch", self.arguments)
        self.pid, self.address = self.switch.process.pid, self.switch.address
        # Received and never read: the kernel drops what is too much.
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind(("127.0.0.1", 0))
        self.media = self.sink.getsockname()[1]
        self.phones = {}

    def arguments(self, sip, http, state):
        project = self.folder / "switch"
        shutil.copytree(Path(ROOT, "ivr-flows"), project / "ivr-flows")
        shutil.copy(HERE / "soak.flow.yaml", project / "ivr-flows")
        text = (HERE / "hotline.yaml").read_text()
        for place, value in {"STATE": state, "SIP": sip, "HTTP": http, "FAR": self.far, "FLAPPING": self.flapping, "BUSY": self.busy, "SILENT": self.silent}.items():
            text = text.replace(f"@{place}@", str(value))
        for users, queue in (*((shift, "service") for shift in SHIFTS), (ABSENT, "patience"), (VISITORS, None)):
            text += "".join(f"  - {{id: \"{user}\", password: pw-of-{user}{f', queues: [{queue}]' if queue else ''}}}\n" for user in users)
        self.config, self.flow = write_project(project / "hotline.yaml", text), project / "ivr-flows" / "soak.flow.yaml"
        self.config_text, self.flow_text = self.config.read_text(), self.flow.read_text("utf-8")
        return ["serve", "-c", str(self.config)]

    # --- phones ---

    def sipp(self, scenario, fill=None, **settings):
        return Sipp(self.folder / "sipp", scenario, settings.pop("target", self.address), fill, timeout=settings.pop("timeout", FOREVER), **settings)

    def caller(self, **settings):
        return self.sipp(settings.pop("scenario", "caller"), rows=[("13900000000", self.media)], **settings)

    def register(self, users, port=None, expires=3600, **settings):
        rows = [credentials(user, f"pw-of-{user}") for user in users]
        return self.sipp("register", {"STATUS": 200, "EXPIRES": expires}, rows=rows, port=port, calls=settings.pop("calls", len(rows)), rate=settings.pop("rate", 200), **settings)

    def phone(self, name, scenario, port, **fill):
        """A phone or trunk that takes calls until it is stopped."""
        self.phones[name] = self.sipp(scenario, fill, target=None, rows=[(self.media,)], port=port, calls=ENDLESS)

    def far_side(self):
        """Trunks that take calls, and agents at their desks."""
        self.register(ABSENT, self.absent).finish(60)
        for number in range(len(SHIFTS)):
            self.begin_shift(number)
        self.phone("absent", "silent", self.absent)
        self.phone("far", "answer", self.far, RING=20, HOLD=600000)
        self.phone("busy", "busy", self.busy)
        self.phone("silent", "silent", self.silent)
        self.flap(True)
        poll("all agents to be ready", lambda: self.agents("ready") >= {str(user) for users in (*SHIFTS, ABSENT) for user in users}, 30, every=0.5)

    def flap(self, up):
        if up:
            self.phone("flapping", "answer", self.flapping, RING=0, HOLD=600000)
        else:
            self.phones.pop("flapping").stop()

    def agents(self, state):
        return {agent["id"] for agent in rows(self.switch.api("agents")) if agent["state"] == state}

    def begin_shift(self, number):
        """Its agents log in; each talks for a moment and hangs up."""
        self.register(SHIFTS[number], self.desks[number]).finish(60)
        self.phone(f"desk {number}", "answer", self.desks[number], RING=50, HOLD=400)

    def end_shift(self, number):
        """Its agents pause, end their talks, and log out."""
        ours = [str(user) for user in SHIFTS[number]]
        for agent in ours:
            self.set_agent(agent, state="not_ready", reason="break")
        poll("a shift to be idle", lambda: self.agents("not_ready") >= set(ours), 30, every=0.2)
        self.phones.pop(f"desk {number}").stop()
        self.register(SHIFTS[number], self.desks[number], expires=0).finish(60)

    def set_agent(self, agent, **wish):
        self.switch.api(f"agents/{agent}/state", "PUT", wish)

    # --- what an operator does ---

    def change_files(self, count):
        """Another length of a queue, another number, every second time another trunk and agent, and another flow. Gives that number."""
        number = f"8{count:05}"
        text = self.config_text.replace("max_len: 2000", f"max_len: {2000 + count}")
        text = text.replace("numbers:\n", f"numbers:\n  - {{number: \"{number}\", to: {{test: echo}}, open_to: [near]}}\n")
        if count % 2:
            text = text.replace("trunks:\n", f"trunks:\n  another: {{address: \"127.0.0.1:9\", health: off}}\n", 1)
            text = text.replace("agents:\n", f"agents:\n  - {{id: \"6{count:05}\", password: pw, queues: [service]}}\n", 1)
        self.config.write_text(text)
        self.flow.write_text(f"{self.flow_text}# {count}\n", "utf-8")
        return number

    # --- questions ---

    def quiet(self):
        """Waits until nothing is held for a call any more; what is still held after all, by its metric."""
        def left():
            figures = self.switch.metrics()
            return {name: figures[name] for name in HELD if figures.get(name)}
        try:
            poll("quiet", lambda: not left(), QUIET_LIMIT_S, every=1)
        except Failure:
            pass
        return left()

    def taken(self):
        """Memory in KiB, descriptors and threads of the switch."""
        return rss_kib(self.pid), descriptors(self.pid), threads(self.pid)

    def stop(self):
        for phone in self.phones.values():
            phone.stop()
        self.switch.stop()
        self.sink.close()
