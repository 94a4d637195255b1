"""Daemons: start, find, wait and stop. Each has a JSON file in home/run and a log file.

A daemon outlives the command that started it. It is identified by its process id and start time, so
a later process with the same id is never mistaken for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tasador.clock import backoff, retry, wait_until
from tasador.errors import TasadorError
from tasador.local.ports import family_listens
from tasador.machine.environment import for_child
from tasador.machine.files import write_private

_TAIL_LINES = 30
_BUSY_SECONDS = 15.0
_RESTART_PAUSE = 0.3
# The variable by which a process without a file is found: it holds the daemon's name.
_DAEMON = "TASADOR_DAEMON"


class DaemonFailed(TasadorError):
    """A daemon ended or did not become ready; the message contains the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A process that keeps running. ``env`` extends what it inherits (``environment.for_child``).

    ``ready`` returns whether something serves at ``url``; if it raises DaemonFailed, waiting ends.
    ``user`` is the account to run as if the caller is root. ``attempts`` limits the number of
    starts if the process ends by itself.
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
        """A digest of command and environment. A daemon with another digest must be restarted."""
        described = json.dumps([self.command, sorted(self.env.items()), str(self.cwd)])
        return hashlib.sha256(described.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Running:
    """A process that we started. ``started`` is its start time, see ``started_at``."""

    pid: int
    started: float
    fingerprint: str = ""
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10

    @classmethod
    def read(cls, path: Path) -> Running | None:
        """The process that the file describes, if it is alive."""
        try:
            known = cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return known if started_at(known.pid) == known.started else None

    def end(self) -> None:
        """Signal the process, wait until it has ended, and kill it if that takes too long."""
        for number, patience in ((self.stop_signal, self.stop_seconds), (signal.SIGKILL, 10.0)):
            if started_at(self.pid) != self.started:
                return
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            wait_until(lambda: started_at(self.pid) != self.started, patience, 0.01)


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
        """The process of this name, if it is alive."""
        return Running.read(self._file(name))

    def unrecorded(self) -> set[str]:
        """The names of daemons whose starter was killed before it recorded them."""
        return {name for _, name in self._marked() if self.running(name) is None}

    def start(self, daemon: Daemon) -> bool:
        """Start the daemon unless it runs as described already, and wait until it serves.

        Returns whether it was started. Raises DaemonFailed with the end of its log.
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

        def attempt() -> None:
            self._end_unrecorded(daemon)
            self._wait(daemon, self._spawn(daemon))

        try:
            retry(
                attempt,
                _Ended,
                backoff(_RESTART_PAUSE, _RESTART_PAUSE),
                attempts=daemon.attempts,
            )
        except _Ended as ended:
            raise DaemonFailed(str(ended)) from None
        return True

    def stop(self, name: str) -> bool:
        """Stop the daemon; returns whether there was one."""
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
            # The shell ends at once, so the daemon is not a child of the caller, and leaves no
            # zombie there.
            shell = subprocess.run(
                ("/bin/sh", "-c", '"$@" 2>&1 & echo $! >&2', "sh", *daemon.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
                cwd=daemon.cwd,
                env=for_child(self._home, os.environ, **daemon.env, **{_DAEMON: daemon.name}),
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
        def is_ready() -> bool:
            if _serves(daemon, pid):
                return True
            if started_at(pid) is None:
                raise _Ended(self._failure(daemon, "ended instead of starting"))
            return False

        if not wait_until(is_ready, daemon.ready_seconds, 0.03):
            self.stop(daemon.name)
            raise DaemonFailed(
                self._failure(daemon, f"did not become ready within {daemon.ready_seconds:g} s")
            )

    def _recovers(self, daemon: Daemon, pid: int) -> bool:
        """Whether a running process serves; one that is starting or busy gets time."""
        age = time.time() - self._file(daemon.name).stat().st_mtime
        is_ready = False

        def is_settled() -> bool:
            nonlocal is_ready
            if started_at(pid) is None:
                return True
            is_ready = _serves(daemon, pid)
            return is_ready

        wait_until(is_settled, max(daemon.ready_seconds - age, _BUSY_SECONDS), 0.1)
        return is_ready

    def _failure(self, daemon: Daemon, what: str) -> str:
        path = self.log(daemon.name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        tail = "\n".join(lines[-_TAIL_LINES:])
        return f"{daemon.name} {what}; the end of {path}:\n{tail}"

    def _end_unrecorded(self, daemon: Daemon) -> None:
        """End a process that was started by a command that was killed before it recorded it.

        Its command may differ: its port is taken, so the new daemon has another one.
        """
        # Twice: the shell that is ended may have started the daemon after it was found.
        for _ in range(2):
            for process, name in self._marked():
                if name == daemon.name and (found := _described(daemon, process.pid)) is not None:
                    found.end()

    def _marked(self) -> Iterator[tuple[psutil.Process, str]]:
        """The processes of this home's daemons, and those that they started."""
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                environ = process.environ()
                if _DAEMON in environ and environ.get("TASADOR_HOME") == str(self._home):
                    yield process, environ[_DAEMON]


class _Ended(Exception):
    """The process ended by itself before it was ready."""


def _serves(daemon: Daemon, pid: int) -> bool:
    """Whether the daemon is ready: something answers at its port, and the daemon listens there.

    A part of another home may have drawn the same port, and answer while this one still starts.
    """
    port = urlsplit(daemon.url).port
    return daemon.ready() and (port is None or family_listens(pid, port))


def _described(daemon: Daemon, pid: int) -> Running | None:
    started = started_at(pid)
    if started is None:
        return None
    return Running(pid, started, daemon.fingerprint(), int(daemon.stop_signal), daemon.stop_seconds)


def started_at(pid: int) -> float | None:
    """When the process started, independent of the wall clock; None if it is dead."""
    try:
        if Path("/proc/self/stat").exists():
            after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return None if after_name[0] in "ZX" else float(after_name[19])
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (OSError, psutil.Error):
        return None


def group_of(user: str) -> int:
    """The group id of an account."""
    import pwd

    return pwd.getpwnam(user).pw_gid
