"""tshark as judge: what the switches of this run sent in the clear over loopback, read by a dissector that shares nothing
with us. Whatever it calls malformed or warns of in our SIP, SDP, RTP or RTCP is a failure; there is no list of exceptions.
"""

import os
import signal
import subprocess
import time

from sipp import Failure, Skipped, installed, poll
from switch import Switch

# RTP of every switch that is judged: the demo's ports, and those of life.py.
RTP = "20000..30999"
# What leaves those, and the ports that sipp.py gives out for SIP.
CAPTURED = "udp src portrange 12000-30999 or tcp portrange 12000-19999"
# The least severity that counts: Wireshark's PI_WARN.
WARNING = 0x600000


def wire():
    """tshark finds nothing malformed in what was sent during the scenarios before."""


wire.title = wire.__doc__


class Judge:
    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file, self.process, self.why = folder, folder / "loopback.pcapng", None, None
        if not installed("tshark") or not installed("dumpcap"):
            self.why = "tshark is not installed (apt-get install tshark)"
            return
        self.log = folder / "dumpcap.log"
        self.process = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-B", "64", "-f", CAPTURED, "-w", str(self.file)], stdin=subprocess.DEVNULL, stdout=self.log.open("wb"), stderr=subprocess.STDOUT)
        try:
            poll("the capture to begin", lambda: self.process.poll() is not None or (self.file.exists() and "File:" in self.log.read_text()), 15)
        except Failure as failure:
            self.why = str(failure)
        if self.process.poll() is not None:
            self.why = f"loopback cannot be captured: {self.log.read_text().strip()[-200:]}"

    def report(self, report):
        if self.process and self.process.poll() is None:
            time.sleep(0.5)
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
        began = time.monotonic()
        try:
            if self.why:
                raise Skipped(self.why)
            result = self.verdict()
        except Exception as failure:
            result = failure
        report("wire", wire.title, result, began)

    def read(self, wanted, *fields):
        """The fields, the first of them a number, of each packet that the display filter wants."""
        command = ["tshark", "-n", "-r", str(self.file), "--enable-heuristic", "rtp_udp", "-o", "tcp.analyze_sequence_numbers:FALSE", "-Y", wanted, "-T", "fields", "-E", "separator=|"]
        done = subprocess.run(command + [part for field in fields for part in ("-e", field)], env={**os.environ, "HOME": str(self.folder)}, capture_output=True, text=True, errors="replace", timeout=600)
        if done.returncode != 0:
            raise Failure(f"tshark: {done.stderr.strip()[-300:]}")
        # The last field may be a text of several lines.
        rows = (line.split("|", len(fields) - 1) for line in done.stdout.split("\n"))
        return [row for row in rows if len(row) == len(fields) and row[0].isdigit()]

    def verdict(self):
        ports = ", ".join(map(str, sorted(Switch.ports))) or "0"
        ours = f"(udp.srcport in {{{ports}}} or udp.srcport in {{{RTP}}} or tcp.srcport in {{{ports}}} or sip.Server contains \"hotline\" or sip.User-Agent contains \"hotline\")"
        counts, wrong = {}, []
        # What is encrypted in an offer of RTP/AVP looks like RTCP to tshark, and reads like nothing.
        secret = {str(int(port) + more) for _, ports in self.read('sdp.media_attr contains "crypto"', "frame.number", "sdp.media.port") for port in ports.split(",") if port for more in (0, 1)}
        for number, port, protocols, severities, message in self.read(f"{ours} and (sip or sdp or rtp or rtcp)", "frame.number", "udp.srcport", "frame.protocols", "_ws.expert.severity", "_ws.expert.message"):
            if port in secret:
                continue
            layers = protocols.split(":")
            for protocol in ("sip", "sdp", "rtp", "rtcp"):
                counts[protocol] = counts.get(protocol, 0) + (protocol in layers)
            if "_ws.malformed" in layers or any(int(severity, 0) >= WARNING for severity in severities.split(",") if severity):
                wrong.append(f"packet {number} ({layers[-1]}): {message}")
        if not counts:
            raise Skipped("nothing that a switch sent was captured")
        if wrong:
            raise Failure(f"{len(wrong)} packets of ours are wrong in {self.file}: {'; '.join(wrong[:5])}")
        self.file.unlink()
        return ", ".join(f"{count} {protocol.upper()}" for protocol, count in counts.items())
