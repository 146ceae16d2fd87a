#!/usr/bin/env python3
"""What an idle connection costs the switch in memory.

    benches/load/idle-connections.py PID [COUNT] [HOST:PORT]

Opens COUNT (10000) TCP connections to a running switch, whose process id is PID, from several addresses of loopback, as one
address may have a thousand. Each sends an OPTIONS and reads its answer; then all are silent. Prints the growth of the
process's memory (VmRSS) for each connection, and again when they are closed. The shell's `ulimit -n` has to allow COUNT.
"""

import socket
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests" / "peers"))
from process import most_descriptors, rss_kib  # noqa: E402

OPTIONS = (
    "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\nFrom: <sip:load@127.0.0.1>;tag={n}\r\n"
    "To: <sip:{host}>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def main():
    pid = int(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    host, port = (sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1:5060").rsplit(":", 1)
    most_descriptors()
    before, open_ones = rss_kib(pid), []
    for n in range(count):
        connection = socket.create_connection((host, int(port)), 10, source_address=(f"127.0.1.{n // 900 + 1}", 0))
        connection.sendall(OPTIONS.format(host=host, n=n).encode())
        if not connection.recv(2048).startswith(b"SIP/2.0 200"):
            sys.exit(f"connection {n} was not answered 200")
        open_ones.append(connection)
    time.sleep(1)
    grown = rss_kib(pid) - before
    print(f"{count} idle connections: {grown} KiB more, {grown / count:.2f} KiB each")
    for connection in open_ones:
        connection.close()
    time.sleep(3)
    print(f"closed: {rss_kib(pid) - before} KiB more than before")


if __name__ == "__main__":
    main()
