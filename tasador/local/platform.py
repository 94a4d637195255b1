"""The embedded platform as a whole: up, down and status."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tasador.errors import ConfigurationError
from tasador.local import endpoints, objects, postgres, tracking, web_parts
from tasador.local.gateway.daemon import daemon as gateway_daemon
from tasador.local.gateway.daemon import end_functions
from tasador.local.process import Daemon, DaemonFailed, Daemons
from tasador.machine.environment import metaflow_folder
from tasador.machine.files import write_private
from tasador.machine.reachable import without_password
from tasador.settings import ENDPOINTS_FILE, Settings, read_env_file

Progress = Callable[[str], None]

CORE = ("postgres", "objects", "mlflow", "gateway")


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part: whether its process runs, its address and its log file."""

    name: str
    running: bool
    url: str
    log: Path


class Platform:
    """The embedded platform of one home folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._daemons = Daemons(home)

    def up(self, *, web: bool = True, progress: Progress | None = None) -> Settings:
        """Start the parts that do not run and wait until they are ready.

        ``web`` includes the web app and the cards. May be repeated at any time. Raises
        DaemonFailed, with the end of the log, for a part that does not start; the others stay up.
        """
        say = progress or (lambda _text: None)
        self._make_home()
        with self._locked(say):
            wanted = [*CORE, *(web_parts.NAMES if web else ())]
            kept = [p for p in web_parts.NAMES if self._daemons.running(p) and p not in wanted]
            # Starting ends an unrecorded process, which frees its port.
            unrecorded = self._daemons.unrecorded()
            settings = endpoints.settle(
                self.home, [*wanted, *kept], lambda name: self._runs(name) or name in unrecorded
            )
            self._start_all(settings, wanted, say)
            return settings

    def up_stores(self, progress: Progress | None = None) -> Settings:
        """Start Postgres and the object store alone, as ``up`` does."""
        say = progress or (lambda _text: None)
        self._make_home()
        with self._locked(say):
            settings = endpoints.settle(self.home, CORE, self._runs)
            self._start_all(settings, ["postgres", "objects"], say)
            return settings

    def down(self, progress: Progress | None = None) -> None:
        """Stop all parts and the function processes; the data stays."""
        say = progress or (lambda _text: None)
        if not self.home.is_dir():
            return
        with self._locked(say):
            # The gateway first: its functions finish their requests while the stores still answer.
            self._stop("gateway", say)
            end_functions(self.home)
            rest = [*web_parts.NAMES, "mlflow", "objects", "postgres"]
            with ThreadPoolExecutor(len(rest)) as pool:
                list(pool.map(lambda name: self._stop(name, say), rest))

    def status(self) -> list[PartStatus]:
        """All parts, in the order of their dependencies."""
        kept = read_env_file(self.home / ENDPOINTS_FILE)
        return [
            PartStatus(
                name,
                self._runs(name),
                without_password(kept.get(endpoints.ADDRESSES[name], "")),
                self._daemons.log(name),
            )
            for name in (*CORE, *web_parts.NAMES)
        ]

    # -- inside ---------------------------------------------------------------------------------

    def _start_all(self, settings: Settings, wanted: list[str], say: Progress) -> None:
        database_failed = threading.Event()

        def start_postgres() -> None:
            try:
                postgres.prepare(settings.database_url, self.home)
                self._start(postgres.daemon(settings.database_url, self.home), say)
                self._make_schema(settings)
            except BaseException:
                database_failed.set()
                raise

        def start_mlflow() -> None:
            daemon = tracking.daemon(settings)

            def ready() -> bool:
                if database_failed.is_set():
                    raise DaemonFailed("mlflow needs a database, and Postgres did not start")
                return daemon.ready()

            self._start(replace(daemon, ready=ready), say)

        def start_objects() -> None:
            self._start(objects.daemon(settings), say)
            _make_buckets(settings)

        core: dict[str, Callable[[], object]] = {
            "postgres": start_postgres,
            # The slowest: it imports its packages while Postgres starts, and waits for it.
            "mlflow": start_mlflow,
            "objects": start_objects,
            "gateway": lambda: self._start(gateway_daemon(settings), say),
        }
        work = [start for name, start in core.items() if name in wanted]
        work += [
            lambda d=daemon: self._start(d, say)  # type: ignore[misc]
            for daemon in web_parts.daemons(settings)
            if daemon.name in wanted
        ]
        with ThreadPoolExecutor(len(work)) as pool:
            for done in [pool.submit(step) for step in work]:
                done.result()

    def _start(self, daemon: Daemon, say: Progress) -> None:
        began = time.monotonic()
        if self._daemons.start(daemon):
            say(f"{daemon.name} up at {daemon.url} ({time.monotonic() - began:.1f} s)")

    def _stop(self, name: str, say: Progress) -> None:
        if self._daemons.stop(name):
            say(f"{name} stopped")

    def _runs(self, name: str) -> bool:
        return self._daemons.running(name) is not None

    def _make_schema(self, settings: Settings) -> None:
        """Prepare the databases, once for each data folder and version of the warehouse's code."""
        done = self.home / "run" / "schema.done"
        key = f"{(self.home / 'postgres' / 'PG_VERSION').stat().st_mtime_ns} {_warehouse_state()}"
        if done.is_file() and done.read_text() == key:
            return
        from tasador.operations import provision  # slow to import, and seldom needed

        provision.prepare_database(settings)
        write_private(done, key)

    def _make_home(self) -> None:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            # For root, Postgres runs as another account, which must reach its own folder.
            self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
            # Metaflow's card servers end if the folder of its runs does not exist.
            runs = metaflow_folder(self.home)
            for folder in (runs, *map(self.home.joinpath, ("run", "log", "objects"))):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the home folder {self.home} cannot be used ({error.strerror}: "
                f"{error.filename}): set TASADOR_HOME to a folder of yours"
            ) from error

    @contextmanager
    def _locked(self, say: Progress) -> Iterator[None]:
        (self.home / "run").mkdir(exist_ok=True)
        with (self.home / "run" / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another `tasador up` or `down` is running here; waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _make_buckets(settings: Settings) -> None:
    # rclone keeps each bucket as a folder. Checking that saves a second of imports.
    names = (settings.bucket_raw, settings.bucket_clean, settings.bucket_mlflow)
    if all((settings.home / "objects" / n).is_dir() for n in (*names, settings.bucket_metaflow)):
        return
    from tasador.operations import provision

    provision.prepare_buckets(settings)


def _warehouse_state() -> str:
    """A digest of the warehouse's files, so that a newer checkout migrates its data."""
    package = Path(__file__).parents[1] / "warehouse"
    files = [f"{p} {p.stat().st_mtime_ns}" for p in sorted(package.rglob("*.py"))]
    return hashlib.sha256("\n".join(files).encode()).hexdigest()
