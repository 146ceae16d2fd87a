"""A baresip that is an agent's phone: registers by digest, plays a file as its microphone, records what it hears."""

import json
import queue
import socket
import subprocess
import threading
import time
import wave

from sipp import Failure, free_port, poll

MODULES = "/usr/lib/baresip/modules"


def complete(file):
    try:
        with wave.open(str(file), "rb") as f:
            return f.getnframes() > 0
    except (wave.Error, EOFError):
        return False


class Here:
    """Where a phone is, and where it finds the switch."""

    home = server = "127.0.0.1"
    prefix = ()

    @staticmethod
    def inside(work):
        return work()


class Baresip:
    def __init__(self, folder, user, password, sip_port, microphone, answer="manual", transport="udp", bridge=False, authority=None, codec="g711", encryption=None, place=Here, buffer="1-2"):
        """`bridge`: its loudspeaker is tied to its microphone, so that the caller hears what it says.
        `codec`: the module of the codec it speaks, and no other.
        `encryption`: `srtp` where the switch will, `srtp-mand` or `dtls_srtp` or not at all.
        `authority`: the file of who issued the certificate that the switch shows over TLS (Debian's 1.0 reads and does not enforce it).
        `buffer`: frames that its jitter buffer holds, at least and at most."""
        self.user, self.folder, self.place = user, folder, place
        self.domain = f"{place.server}:{sip_port + (transport == 'tls')};transport={transport}"
        self.heard = folder / "heard"
        self.heard.mkdir(parents=True, exist_ok=True)
        for old in self.heard.glob("*.wav"):
            old.unlink()
        self.port, control = free_port(), free_port()
        sound = ["module aubridge.so", "audio_source aubridge,loop", "audio_player aubridge,loop"] if bridge else ["module aufile.so", f"audio_source aufile,{microphone}"]
        secure = [f"sip_cafile {authority}"] if authority else []
        (folder / "config").write_text("\n".join([*secure,
            f"module_path {MODULES}", "module_tmp account.so", f"module {codec}.so", *([f"module {'dtls_srtp' if encryption.startswith('dtls') else 'srtp'}.so"] if encryption else []), *sound, "module sndfile.so", f"snd_path {self.heard}",
            "module_app menu.so", "module_app ctrl_tcp.so", f"ctrl_tcp_listen 127.0.0.1:{control}", f"sip_listen {place.home}:{self.port}",
            f"net_interface {place.home}", "audio_alert none,none", "ringback_disabled yes", f"jitter_buffer_delay {buffer}", "call_max_calls 4", "opus_stereo no", "opus_sprop_stereo no", ""]))
        menc = f";mediaenc={encryption}" if encryption else ""
        (folder / "accounts").write_text(f"<sip:{user}@{place.server}:{sip_port + (transport == 'tls')};transport={transport}>;auth_user={user};auth_pass={password};regint=300;answermode={answer}{menc}\n")
        (folder / "contacts").write_text("")
        self.output = folder / "baresip.log"
        self.process = subprocess.Popen([*place.prefix, "baresip", "-f", str(folder), "-4"], stdin=subprocess.DEVNULL, stdout=self.output.open("wb"), stderr=subprocess.STDOUT)
        self.events = queue.Queue()
        self.control = poll(f"baresip {user} to start", lambda: self.connect(control), 10)
        threading.Thread(target=self.read_events, daemon=True).start()

    def connect(self, port):
        if self.process.poll() is not None:
            raise Failure(f"baresip {self.user} ended at once: {self.tail()}")
        try:
            return self.place.inside(lambda: socket.create_connection(("127.0.0.1", port), timeout=1))
        except OSError:
            return None

    def read_events(self):
        held = b""
        self.control.settimeout(None)
        while True:
            try:
                data = self.control.recv(65536)
            except OSError:
                return
            if not data:
                return
            held += data
            while b":" in held:  # netstrings
                size, rest = held.split(b":", 1)
                if len(rest) < int(size) + 1:
                    break
                event, held = rest[: int(size)], rest[int(size) + 1 :]
                try:
                    parsed = json.loads(event)
                except ValueError:
                    continue
                if parsed.get("event"):
                    self.events.put((time.monotonic(), parsed))

    def tell(self, command, params=""):
        text = json.dumps({"command": command, "params": params})
        self.control.sendall(f"{len(text)}:{text},".encode())

    def wait_event(self, kind, timeout):
        """Waits for an event of that type and gives its time; others are passed over."""
        end = time.monotonic() + timeout
        while True:
            try:
                at, event = self.events.get(timeout=max(0.001, end - time.monotonic()))
            except queue.Empty:
                raise Failure(f"agent {self.user}: no {kind} within {timeout:g} s; baresip said: {self.tail()}")
            if event.get("type") == kind:
                return at
            if event.get("type") == "REGISTER_FAIL" and kind == "REGISTER_OK":
                raise Failure(f"agent {self.user} could not register: {event.get('param', '')}")

    def registered(self):
        """Its first registration often ends before the control port is read, so ask the log too."""
        def done():
            text = self.output.read_text("latin-1")
            if "200 OK" in text:
                return True
            if "[31mreg:" in text:
                raise Failure(f"agent {self.user} could not register: {self.tail()}")
            return False
        poll(f"registration of agent {self.user}", done, 10)
        return self

    def dial(self, number):
        self.tell("dial", f"sip:{number}@{self.domain}")
        self.wait_event("CALL_ESTABLISHED", 10)

    def accept(self):
        self.tell("accept")

    def hang_up(self):
        self.tell("hangup")

    def recording(self):
        """What it heard in its last call."""
        files = sorted(self.heard.glob("*-dec.wav"))
        if not files:
            raise Failure(f"agent {self.user} received no audio")
        # It writes the file's header last, after it has told of the call's end.
        return poll(f"baresip {self.user} to write what it heard", lambda: files[-1] if complete(files[-1]) else None, 5)

    def tail(self):
        text = self.output.read_text("latin-1") if self.output.exists() else ""
        return " | ".join(line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip() and "bit/s" not in line)[-400:]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()  # unregisters
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.control.close()
