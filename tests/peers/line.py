"""A bad line: what a network namespace of the tests' own sends and is sent goes through this process, which loses, delays, swaps
and doubles packets by a seed. It is made of two tun devices, so the kernel needs no module for it; with root and /dev/net/tun only."""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from sipp import Skipped

# Of the addresses for tests of networks (RFC 2544), so that nobody's own network is hidden meanwhile.
NEAR, FAR = "198.18.53.1", "198.18.53.2"
TUNSETIFF, IFF_TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
CLONE_NEWNET = 0x40000000
LARGEST = 2048


class Line:
    """`loss` and `double` are shares of the packets of either direction. A packet takes `delay_s` and up to `jitter_s` more, each
    for itself: those that come late are overtaken."""

    def __init__(self, seed):
        self.loss = self.double = self.delay_s = self.jitter_s = 0.0
        self.up, self.over = True, False
        self.dice = random.Random(seed)
        self.name, self.carrier = f"hl{os.getpid()}", threading.Thread(target=self.carry, daemon=True)
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Skipped("a bad line needs root and /dev/net/tun")
        if not shutil.which("ip"):
            raise Skipped("ip is not installed (apt-get install iproute2)")
        made = subprocess.run(["ip", "netns", "add", self.name], capture_output=True, text=True)
        if made.returncode:
            raise Skipped(f"a network namespace is not to be had here: {made.stderr.strip()}")
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.near, self.far = self.device(), self.inside(self.device)
            for where, address, other in (([], NEAR, FAR), (["-n", self.name], FAR, NEAR)):
                for command in (["addr", "add", address, "peer", other, "dev", self.name], ["link", "set", self.name, "up"]):
                    subprocess.run(["ip", *where, *command], check=True, capture_output=True)
            subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True, capture_output=True)
            undo.pop_all()
        self.carrier.start()

    def device(self):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", self.name.encode(), IFF_TUN_WITHOUT_HEADER))
        return device

    def inside(self, work):
        """Does `work` in the namespace, in a thread that ends there: what it opens stays there."""
        def enter():
            with open(f"/run/netns/{self.name}") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"the network namespace {self.name} cannot be entered")
            return work()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()

    def carry(self):
        under_way, number = [], 0
        while not self.over:
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 0.2
            ready, _, _ = select.select([self.near, self.far], [], [], wait)
            for device in ready:
                packet = os.read(device, LARGEST)
                if not self.up or self.dice.random() < self.loss:
                    continue
                for _ in range(2 if self.dice.random() < self.double else 1):
                    number += 1
                    due = time.monotonic() + self.delay_s + self.jitter_s * self.dice.random()
                    heapq.heappush(under_way, (due, number, self.far if device == self.near else self.near, packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(under_way)
                # A device that is full, or gone, loses the packet, as lines do.
                with contextlib.suppress(OSError):
                    os.write(device, packet)

    def close(self):
        self.over = True
        if self.carrier.is_alive():
            self.carrier.join()
        for device in (getattr(self, "near", None), getattr(self, "far", None)):
            if device is not None:
                os.close(device)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


@contextlib.contextmanager
def bad_line(seed):
    line = Line(seed)
    try:
        yield line
    finally:
        line.close()


class BehindLine:
    """Where a phone is that has the line between itself and the switch."""

    home, server = FAR, NEAR

    def __init__(self, line):
        self.prefix, self.inside = ["ip", "netns", "exec", line.name], line.inside
