"""What other processes use, while they run: memory, and Postgres' processor time."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path


class PeakMemory(threading.Thread):
    """The most memory that a process and its children have had at a time, read every 20 ms.

    The kernel's figure for a child that has ended is at least that of the process that forked it.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._peak, self._ended = pid, 0.0, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            self._peak = max(self._peak, memory_of(self._pid, "VmHWM"), self._tree(self._pid))

    def peak(self) -> float:
        """The peak in MB; call it when the process has ended."""
        self._ended.set()
        self.join()
        return self._peak

    def _tree(self, pid: int) -> float:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            children = []
        return memory_of(pid, "VmRSS") + sum(self._tree(int(child)) for child in children)


def memory_of(pid: int, name: str) -> float:
    """A figure of /proc/PID/status in MB; 0 if the process has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    _, _, rest = status.partition(f"{name}:")
    return int(rest.split(maxsplit=1)[0]) / 1024 if rest else 0.0


def postgres_seconds() -> float:
    """Processor seconds of this benchmark's Postgres, with its finished backends."""
    import psutil

    while True:
        # A backend that ends meanwhile counts with the server from then on: read both again.
        with suppress(psutil.NoSuchProcess):
            return _postgres_seconds()


def _postgres_seconds() -> float:
    import psutil

    home = os.environ["TASADOR_HOME"]
    seconds = 0.0
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(home in part for part in command) and "postgres" in command[0]:
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
            for child in process.children():
                own = child.cpu_times()
                seconds += own.user + own.system
    return seconds
