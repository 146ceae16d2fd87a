"""SIP over TLS between the switch and real phones, with an authority made for the run: who is refused and why.

Debian's sipp has no TLS, so the phones here are baresip's; the trunk with a wrong certificate is Python's own TLS.
"""

import re
import socket
import ssl
import subprocess
import threading
import time

from lab import AGENT_HZ, Lab, expect
from phones import heard_throughout
from sipp import Failure, Skipped, free_port, installed, poll
from switch import SECRET, write_project


def over_tls():
    """phones register and talk over TLS; a bad certificate is refused by the phone, and by the switch, which says why."""


over_tls.title = over_tls.__doc__

CONFIG = """
version: 1
realm: hotline
state_dir: {state}
listen:
  sip_udp: 127.0.0.1:{sip}
  sip_tcp: "off"
  sip_tls: 127.0.0.1:{tls}
  http: 127.0.0.1:{http}
  rtp: {{ports: 20000-29999, bind: 127.0.0.1}}
tls: {{certificate: {pki}/switch.pem, key: {pki}/switch.key, client_ca: {pki}/ca.pem}}
queues:
  service: {{ring_timeout: 20s, wrap_up: 1s}}
  emergency: {{}}
agents:
  - {{id: "1001", password: {secret}, queues: [service]}}
  - {{id: "1002", password: {secret}}}
  - {{id: "1004", password: {secret}}}
trunks:
  local: {{sources: ["127.0.0.1/32"]}}
{impostors}
@SAMPLE_TRUNKS@
numbers:
  - {{number: "9000", to: {{queue: service}}, open_to: [local]}}
  - {{number: "9196", to: {{test: echo}}, open_to: [local]}}
{impostor_numbers}
"""

# Whose certificate a trunk shows, the number that leads there, and what the log says of it.
FAULTS = {
    "impostor": ("9997", "its issuer is none of the authorities"),
    "expired": ("9998", "it has expired"),
    "misnamed": ("9999", "certificate not valid for name"),
}


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"openssl {arguments[0]}: {done.stderr.strip()[-300:]}")


def make_certificates(folder):
    """Two authorities, and what they issued: for 127.0.0.1 by each, and by ours one for that second only and one for
    another name."""
    folder.mkdir(parents=True, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for ca in ("ca", "other-ca"):
        openssl(folder, "req", "-x509", *curve, "-days", "2", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    here = "IP:127.0.0.1,DNS:localhost"
    for name, ca, days, names in (("switch", "ca", 2, here), ("impostor", "other-ca", 2, here), ("expired", "ca", 0, here), ("misnamed", "ca", 2, "DNS:elsewhere.example")):
        openssl(folder, "req", "-new", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n")
        openssl(folder, "x509", "-req", "-days", str(days), "-in", f"{name}.csr", "-extfile", f"{name}.ext", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-out", f"{name}.pem")
        (folder / f"{name}.key").chmod(0o600)
    return folder


class Impostor:
    """Listens where the trunk should be, with a certificate that is none of the trunk's."""

    def __init__(self, pki, name):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")
        self.listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self.listener.getsockname()[1]
        self.heard, self.refused = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(stream, server_side=True) as secure:
                    self.heard.append(secure.recv(4096))
            except OSError as error:
                self.refused.append(str(error))


def run(folder, report):
    began = time.monotonic()
    try:
        result = play(folder)
    except Exception as failure:
        result = failure
    report("over_tls", over_tls.title, result, began)


def play(folder):
    if not installed("openssl"):
        raise Skipped("openssl, which makes the certificates, is not installed")
    pki = make_certificates(folder.resolve() / "pki")
    impostors = {name: Impostor(pki, name) for name in FAULTS}

    def arguments(sip, http, state):
        lines = "\n".join(f'  {name}: {{address: "127.0.0.1:{each.port}", transport: tls, ca: {pki}/ca.pem}}' for name, each in impostors.items())
        numbers = "\n".join(f'  - {{number: "{number}", to: {{trunk: {{name: {name}}}}}, open_to: [local]}}' for name, (number, _) in FAULTS.items())
        text = CONFIG.format(sip=sip, tls=sip + 1, http=http, state=state, pki=pki, impostors=lines, impostor_numbers=numbers, secret=SECRET)
        return ["serve", "-c", str(write_project(folder / "project" / "hotline.yaml", text))]

    lab = Lab(folder, arguments)
    try:
        return talk(lab, pki, impostors)
    finally:
        lab.stop()
        for impostor in impostors.values():
            impostor.listener.close()


def check_linphone(lab, pki):
    """Another TLS: registers, calls and hears itself by our authority, and not by another."""
    if not installed("linphonec"):
        return "no linphone"
    phone = lab.linphone("1004", 850, transport="tls", authority=pki / "ca.pem")
    heard = phone.records()
    call = phone.dial("9196")
    time.sleep(3)
    phone.hang_up(call)
    seconds = heard_throughout(heard, 850, "linphone's own tone over TLS", 1.5)
    phone.stop()
    try:
        lab.linphone("1004", 850, transport="tls", authority=pki / "other-ca.pem", patience=6)
    except Failure:
        return f"linphone heard itself for {seconds} s"
    raise Failure("a linphone that does not know our authority registered")


def until_told(lab, line, attempt):
    """Tries until the log has the line, whose fields and colours are taken out: it has one about certificates a second, and
    other trunks are probed meanwhile."""
    def there():
        text = re.sub(r"\x1b\[[0-9;]*m", "", lab.switch.output.read_text("utf-8", "replace"))
        return any(all(word in each for word in line.split(" ", 1)) for each in text.splitlines())

    def tried():
        attempt()
        try:
            return poll("", there, 2)
        except Failure:
            return False
    poll(f"the log line `{line}`", tried, 40, every=0.3)


def check_openssl(lab, pki):
    """Python's OpenSSL as a phone: believes us by our authority only, and is believed by its own only."""
    def options(authority, own=None):
        context = ssl.create_default_context(cafile=pki / f"{authority}.pem")
        if own:
            context.load_cert_chain(pki / f"{own}.pem", pki / f"{own}.key")
        with socket.create_connection(("127.0.0.1", lab.switch.sip + 1), 5) as stream, context.wrap_socket(stream, server_hostname="127.0.0.1") as secure:
            via = f"SIP/2.0/TLS 127.0.0.1:{secure.getsockname()[1]};branch=z9hG4bKpython"
            secure.sendall(f"OPTIONS sips:127.0.0.1 SIP/2.0\r\nVia: {via}\r\nFrom: <sip:p@t>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: python\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode())
            return secure.recv(4096).split(b"\r\n")[0].decode()

    for own in (None, "switch"):
        said = options("ca", own)
        if said != "SIP/2.0 200 OK":
            raise Failure(f"OPTIONS over TLS was answered with {said!r}")
    try:
        options("other-ca")
        raise Failure("a phone that does not know our authority believed us")
    except ssl.SSLCertVerificationError:
        pass
    def refused():
        try:
            said = options("ca", own)
        except OSError:  # the alert is read before the end
            said = ""
        if said:
            raise Failure(f"a phone with the certificate `{own}` was answered {said!r}")
    for own in ("impostor", "expired"):
        until_told(lab, f"127.0.0.1 TLS handshake failed: its certificate is refused: {FAULTS[own][1]}", refused)


def talk(lab, pki, impostors):
    agent = lab.baresip("1001", transport="tls", authority=pki / "ca.pem")
    lab.settle("1001")

    # A caller in the clear, the agent's phone over the connection that it registered on.
    call = lab.call("9000").answered()
    agent.wait_event("CALL_INCOMING", 15)
    agent.accept()
    agent.wait_event("CALL_ESTABLISHED", 5)
    time.sleep(0.6)
    heard = call.check_hears(AGENT_HZ, "the agent's tone at the caller")
    call.hang_up()
    agent.wait_event("CALL_CLOSED", 5)
    expect(call.record(), agent="1001", end="caller")

    # The other way round, and with a new certificate in between: the connection stays.
    lab.switch.command("reload")
    agent.tell("dial", f"sip:9196@127.0.0.1:{lab.switch.sip + 1};transport=tls")
    agent.wait_event("CALL_ESTABLISHED", 10)
    agent.hang_up()
    agent.wait_event("CALL_CLOSED", 5)

    linphone = check_linphone(lab, pki)
    check_openssl(lab, pki)
    for name, (number, why) in FAULTS.items():
        impostor = impostors[name]
        until_told(lab, f"127.0.0.1:{impostor.port} TLS handshake failed: its certificate is refused: {why}", lambda: lab.call(number))
        if not impostor.refused or impostor.heard:
            raise Failure(f"the trunk with the certificate `{name}` refused {impostor.refused} and was told {impostor.heard}")
    return f"agent heard at {heard:.1f} dBFS, {linphone}, the trunks' certificates: {'; '.join(each.refused[0] for each in impostors.values())}"
