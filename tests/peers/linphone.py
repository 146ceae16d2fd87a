"""A linphone (belle-sip and mediastreamer: a stack that shares nothing with sipp, baresip or us), driven by its console."""

import os
import pty
import re
import subprocess
import termios
import threading
import time

from sipp import Failure, Skipped, free_port, installed, poll

CONFIG = """[sip]
sip_port={port}
sip_tcp_port={tcp}
sip_tls_port={tls}
{authority}
contact=sip:{user}@127.0.0.1
guess_hostname=0
use_info=0
use_rfc2833=1
default_proxy=0
media_encryption=none
[net]
firewall_policy=0
dns_srv_enabled=0
[rtp]
audio_rtp_port={rtp}
[sound]
echocancellation=0
[video]
enabled=0
display=0
capture=0
[proxy_0]
reg_proxy=<sip:{host}:{server};transport={transport}>
reg_identity="{user}" <sip:{user}@{host}:{server}>
reg_expires=300
reg_sendregister=1
publish=0
[auth_info_0]
username={user}
passwd={password}
realm=hotline
"""


class Linphone:
    def __init__(self, folder, user, password, sip_port, microphone, transport="udp", authority=None, patience=30):
        """`authority`: the file of who has to have issued the certificate that the switch shows over TLS."""
        if not installed("linphonec"):
            raise Skipped("linphonec is not installed (apt-get install linphone-cli)")
        self.user, self.folder, self.server = user, folder, sip_port
        # It does not start without a place for its database.
        (folder / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        places = {place: self.port if transport == name else 0 for place, name in (("port", "udp"), ("tcp", "tcp"), ("tls", "tls"))}
        # Its TLS reads names in a certificate, and no addresses.
        host, server = ("localhost", sip_port + 1) if transport == "tls" else ("127.0.0.1", sip_port)
        # Asked for a certificate of its own, it asks the one at the console, unless it has one.
        own = authority and authority.parent / "switch"
        trust = f"root_ca={authority}\nverify_server_certs=1\nverify_server_cn=1\nclient_cert_chain={own}.pem\nclient_cert_key={own}.key" if authority else ""
        (folder / "linphonerc").write_text(CONFIG.format(user=user, password=password, host=host, server=server, transport=transport, rtp=free_port(), authority=trust, **places))
        self.output, self.read, self.recordings = folder / "linphone.log", 0, 0
        # Without a terminal it waits for each command and does nothing else meanwhile.
        self.terminal, theirs = pty.openpty()
        quiet = termios.tcgetattr(theirs)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, quiet)
        self.output.write_bytes(b"")
        command = ["linphonec", "-c", str(folder / "linphonerc"), "-d", "5", "-l", str(folder / "stack.log")]
        self.process = subprocess.Popen(command, cwd=folder, env={**os.environ, "HOME": str(folder), "TERM": "dumb"}, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        threading.Thread(target=self.copy_output, daemon=True).start()
        try:
            self.start(microphone, patience)
        except Failure:
            self.stop()
            raise

    def copy_output(self):
        with self.output.open("ab", buffering=0) as log:
            while True:
                try:
                    log.write(os.read(self.terminal, 4096))
                except OSError:  # its end is that of the process
                    return

    def start(self, microphone, patience):
        self.wait_for("linphonec>", 30)
        self.tell("soundcard use files")
        self.wait_for("Using wav files", 10)
        self.tell(f"play {microphone}")
        def registered():
            text = (self.folder / "stack.log").read_text("latin-1")
            if re.search(r"Register refresher \[[45]\d\d\] reason \[(?!Unauthorized)", text):
                raise Failure(f"linphone {self.user} could not register")
            return "Register refresher [200]" in text
        poll(f"registration of linphone {self.user}", registered, patience, every=0.5)

    def tell(self, command):
        """Types a line when there is a prompt; what is typed ahead of one may be lost."""
        asked = self.prompts()
        os.write(self.terminal, f"{command}\n".encode())
        poll(f"linphone {self.user} to obey `{command}`", lambda: self.prompts() > asked or self.process.poll() is not None, 20)

    def prompts(self):
        return self.output.read_text("latin-1").count("linphonec>")

    def wait_for(self, pattern, timeout):
        """Waits for what it says next that matches; what it said before that is passed over."""
        def found():
            said = re.search(pattern, self.output.read_text("latin-1")[self.read :])
            if not said and self.process.poll() is not None:
                raise Failure(f"linphone {self.user} ended before `{pattern}`: {self.tail()}")
            if said:
                self.read += said.end()
            return said
        try:
            return poll("", found, timeout)
        except Failure as failure:
            raise failure if str(failure).startswith("linphone") else Failure(f"linphone {self.user}: no `{pattern}` within {timeout:g} s; it said: {self.tail()}")

    def records(self):
        """What it hears from the next call on goes to a file of its own, whose path is given."""
        self.recordings += 1
        path = self.folder / f"heard-{self.recordings}.wav"
        self.tell(f"record {path}")
        return path

    def dial(self, number):
        """Calls and waits until there is audio; gives the number that its console has for the call."""
        self.tell(f"call {number}")
        call = self.wait_for(r"Call (\d+) with .+ connected", 20).group(1)
        self.wait_for(f"Media streams established with .* for call {call} ", 10)
        return call

    def accept(self):
        call = self.wait_for(r"incoming call from .*assigned id (\d+)", 20).group(1)
        self.tell(f"answer {call}")
        self.wait_for(f"Media streams established with .* for call {call} ", 15)
        return call

    def press(self, keys, pause=0.6):
        for key in keys:
            self.tell(key)
            time.sleep(pause)

    def hold(self):
        self.tell("pause")
        self.wait_for("is now paused", 10)

    def resume(self, call):
        self.tell(f"resume {call}")
        self.wait_for(f"Media streams established with .* for call {call} ", 10)

    def hang_up(self, call):
        self.tell("terminate")
        self.wait_ended(call)

    def wait_ended(self, call, timeout=10):
        # It calls a Reason of Q.850 (RFC 3326), whatever its cause, an unknown error.
        self.wait_for(rf"Call {call} with .+ ended \((No error|Unknown error)\)", timeout)

    def tail(self):
        return " | ".join(line.strip() for line in self.output.read_text("latin-1").splitlines() if line.strip())[-400:]

    def stop(self):
        if self.process.poll() is None:
            os.write(self.terminal, b"quit\n")  # unregisters
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
