"""Daemons: start, find again, wait for, stop. One JSON file in home/run and one log file each.

A daemon outlives the command that started it. It is recognised by its process id and the moment it
started, so that a process that later got the same id is never taken for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from tasador.errors import TasadorError

_TAIL_LINES = 30
_BUSY_SECONDS = 15.0


class DaemonFailed(TasadorError):
    """A daemon ended or did not get ready; the message holds the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One process that is kept running. ``env`` comes on top of the caller's environment.

    ``ready`` says whether it serves (False: not yet); a DaemonFailed that it raises is final.
    ``user`` names the account to run as where the caller is root. ``attempts`` is how often a start
    is tried where the process ends by itself.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    url: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    user: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    ready_seconds: float = 60
    stop_seconds: float = 10
    attempts: int = 2

    def fingerprint(self) -> str:
        """A digest of what is run and how: a daemon with another one must be restarted."""
        said = json.dumps([self.command, sorted(self.env.items()), str(self.cwd)])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Running:
    """A process of ours: ``started`` is its moment of start, as the machine counts it."""

    pid: int
    started: float
    fingerprint: str = ""
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10

    @classmethod
    def read(cls, path: Path) -> Running | None:
        """What the file says, if that process lives."""
        try:
            known = cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return known if started_at(known.pid) == known.started else None

    def end(self) -> None:
        """Signal the process, wait for its end, and kill it when it takes too long."""
        for number, patience in ((self.stop_signal, self.stop_seconds), (signal.SIGKILL, 10.0)):
            if started_at(self.pid) != self.started:
                return
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            deadline = time.monotonic() + patience
            while started_at(self.pid) == self.started and time.monotonic() < deadline:
                time.sleep(0.01)


class Daemons:
    """The daemons of one home folder."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._run = home / "run"
        self._logs = home / "log"

    def log(self, name: str) -> Path:
        """The log file of a daemon."""
        return self._logs / f"{name}.log"

    def running(self, name: str) -> Running | None:
        """The process of this name, if it lives."""
        return Running.read(self._file(name))

    def start(self, daemon: Daemon) -> bool:
        """Make the daemon run as described and wait until it serves; True if it had to be started.

        Raises DaemonFailed with the end of its log.
        """
        known = self.running(daemon.name)
        if (
            known is not None
            and known.fingerprint == daemon.fingerprint()
            and self._recovers(daemon, known.pid)
        ):
            return False
        if known is not None:
            self.stop(daemon.name)
        self._end_lost(daemon)
        for attempt in range(1, daemon.attempts + 1):
            pid = self._spawn(daemon)
            try:
                self._wait(daemon, pid)
                return True
            except _Ended as ended:
                if attempt == daemon.attempts:
                    raise DaemonFailed(str(ended)) from None
                time.sleep(0.3)
        raise AssertionError("unreachable")

    def stop(self, name: str) -> bool:
        """Ask the daemon to end, then end it; True if there was one."""
        known = self.running(name)
        if known is not None:
            known.end()
        self._file(name).unlink(missing_ok=True)
        return known is not None

    # -- inside ---------------------------------------------------------------------------------

    def _file(self, name: str) -> Path:
        return self._run / f"{name}.json"

    def _spawn(self, daemon: Daemon) -> int:
        for folder in (self._run, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        account: dict[str, object] = {}
        if daemon.user and os.geteuid() == 0:
            account = {"user": daemon.user, "group": group_of(daemon.user), "extra_groups": []}
        with self.log(daemon.name).open("ab") as log:
            # The shell ends at once, so that the daemon is nobody's child: it leaves no zombie
            # behind in a caller that lives on.
            shell = subprocess.run(
                ("/bin/sh", "-c", '"$@" 2>&1 & echo $! >&2', "sh", *daemon.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
                cwd=daemon.cwd,
                env={**os.environ, **daemon.env, "TASADOR_HOME": str(self._home)},
                start_new_session=True,
                umask=0o077,
                check=True,
                **account,  # type: ignore[call-overload]
            )
        pid = int(shell.stderr)
        if (running := _described(daemon, pid)) is not None:
            write_private(self._file(daemon.name), json.dumps(asdict(running)))
        return pid

    def _wait(self, daemon: Daemon, pid: int) -> None:
        deadline = time.monotonic() + daemon.ready_seconds
        while not daemon.ready():
            if started_at(pid) is None:
                raise _Ended(self._trouble(daemon, "ended instead of starting"))
            if time.monotonic() > deadline:
                self.stop(daemon.name)
                raise DaemonFailed(
                    self._trouble(daemon, f"did not get ready in {daemon.ready_seconds:g} s")
                )
            time.sleep(0.03)
        if started_at(pid) is None:
            raise _Ended(self._trouble(daemon, "ended, and another process answers in its place"))

    def _recovers(self, daemon: Daemon, pid: int) -> bool:
        """Whether a process that lives serves too; one that starts or is busy is given time."""
        age = time.time() - self._file(daemon.name).stat().st_mtime
        deadline = time.monotonic() + max(daemon.ready_seconds - age, _BUSY_SECONDS)
        while started_at(pid) is not None and time.monotonic() < deadline:
            if daemon.ready():
                return True
            time.sleep(0.1)
        return False

    def _trouble(self, daemon: Daemon, what: str) -> str:
        path = self.log(daemon.name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        tail = "\n".join(lines[-_TAIL_LINES:])
        return f"{daemon.name} {what}; the end of {path}:\n{tail}"

    def _end_lost(self, daemon: Daemon) -> None:
        """End a process of ours that a command killed right after starting it left unrecorded."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if (
                    tuple(process.cmdline()) == daemon.command
                    and process.environ().get("TASADOR_HOME") == str(self._home)
                    and (lost := _described(daemon, process.pid)) is not None
                ):
                    lost.end()


class _Ended(Exception):
    """The process ended by itself while it was waited for."""


def _described(daemon: Daemon, pid: int) -> Running | None:
    started = started_at(pid)
    if started is None:
        return None
    return Running(pid, started, daemon.fingerprint(), int(daemon.stop_signal), daemon.stop_seconds)


def started_at(pid: int) -> float | None:
    """When the process started, in a count that no change of the clock touches; None if dead."""
    try:
        if Path("/proc/self/stat").exists():
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if after_name[0] in "ZX" else float(after_name[19])
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (OSError, psutil.Error):
        return None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads: whole, or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def group_of(user: str) -> int:
    """The group id of an account."""
    import pwd

    return pwd.getpwnam(user).pw_gid


def listens(pid: int, port: int) -> bool:
    """Whether it is this process that takes connections at a TCP port."""
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in found)


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
