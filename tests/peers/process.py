"""What a running process takes: processor, memory, descriptors, threads, its children included. And how tools in C are made."""

import os
import re
import resource
import subprocess
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def family(pid):
    """The process and all below it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_s(pid):
    """User and system seconds, from the scheduler's nanoseconds where the kernel keeps them, else from clock ticks."""
    total = 0.0
    for each in family(pid):
        try:
            total += sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{each}/task").iterdir()) / 1e9
        except (OSError, ValueError):
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def rss_kib(pid):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{each}/status").read_text()).group(1)) for each in family(pid))


def descriptors(pid):
    return sum(len(os.listdir(f"/proc/{each}/fd")) for each in family(pid))


def threads(pid):
    return sum(len(os.listdir(f"/proc/{each}/task")) for each in family(pid))


def most_descriptors():
    """This process and those that it starts may have as many as the machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, most) if most > 0 else 65536, most))


def compiled(folder, source):
    """A tool of one file, made anew when that changed; gives where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / source.stem
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-o", str(binary), str(source), "-lm"], check=True)
    return str(binary)
