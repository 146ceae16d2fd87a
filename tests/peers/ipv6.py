"""Calls over IPv6 ([::1]): addresses in brackets on the wire, and audio that comes back as it was sent."""

import os
import socket
import threading
import time

from hand import sdp
from life import own_switch
from scenarios import scenario
from sipp import Failure, Skipped

FRAME = 160


class Echoed:
    """An RTP party of [::1] that sends noise in PCMU and counts which of its frames come back."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.bind(("::1", 0))
        self.port, self.back = self.socket.getsockname()[1], []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                packet = self.socket.recv(2048)
            except OSError:
                return
            self.back.append(packet[12:])

    def talk(self, ip, port, frames):
        sent = [os.urandom(FRAME) for _ in range(frames)]
        for n, frame in enumerate(sent):
            head = bytes([0x80, 0]) + n.to_bytes(2) + (n * FRAME).to_bytes(4) + b"ipv6"
            self.socket.sendto(head + frame, (ip, port))
            time.sleep(0.02)
        time.sleep(1)
        return len(set(sent) & set(self.back))

    def close(self):
        self.socket.close()


@scenario(alone=True)
def over_ipv6(lab):
    """an agent registers and calls 9196 over [::1], by UDP and by TCP: all addresses told are IPv6, and the audio comes back."""
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        raise Skipped("this machine has no IPv6")
    heard = []
    with own_switch(lab, "ipv6", carrier="::1/128", ip="::1") as own:
        for transport in ("udp", "tcp"):
            phone, caller = own.hand("1001", transport=transport, ip="::1"), own.hand("13900009001", transport=transport, ip="::1")
            bound = phone.register()
            if f"@[::1]:{phone.port}" not in bound.header("Contact"):
                raise Failure(f"registered over {transport} at {bound.header('Contact')}")
            audio = Echoed()
            call = caller.dial("9196", sdp(audio.port, ip="::1"))
            ip, port, _ = call.answer().media()
            call.ack()
            if ip != "::1" or f"[::1]:{own.switch.sip}" not in call.target:
                raise Failure(f"over {transport} audio is wanted at {ip}, and requests at {call.target}")
            heard.append(audio.talk(ip, port, 100))
            call.hang_up()
            phone.unregister()
            audio.close()
    if min(heard) < 90:
        raise Failure(f"of 100 frames {heard} came back, by UDP and by TCP")
    return f"of 100 frames {heard[0]} and {heard[1]} came back"
