"""Restore a backup onto the embedded platform of a home folder."""

from __future__ import annotations

from pathlib import Path

import httpx

from tasador.errors import ServiceUnavailable
from tasador.local import postgres
from tasador.local.platform import Platform
from tasador.machine.files import write_private
from tasador.operations.backup import restore as steps
from tasador.operations.backup.manifest import Manifest
from tasador.progress import Progress
from tasador.settings import ENDPOINTS_FILE, Settings, accepted, read_env_file, sent

_PUBLIC_KEYS = "TASADOR_SIGNING_PUBLIC_KEYS"
# A rollout starts a process of predict and of explain.
_SERVING_SECONDS = 300.0


def restore(home: Path, folder: Path, backup: Manifest, progress: Progress) -> Settings:
    """Restore the backup, start the platform without the web app, and let it serve.

    Raises BackupError, before anything is changed, if the platform is not empty or the backup not
    complete. May be repeated until it has succeeded.
    """
    platform = Platform(home)
    progress("platform", 0.0, "starting the stores")
    settings = platform.up_stores()
    steps.require_restorable(settings, folder, backup)
    # MLflow and the functions must not hold connections to what is replaced.
    platform.down()
    settings = platform.up_stores()
    steps.restore_objects(settings, folder, backup, progress)
    steps.restore_databases(settings, folder, backup, tools=postgres.binaries(), progress=progress)
    trust(home, backup.public_keys)
    progress("platform", 0.5, "starting")
    settings = platform.up(web=False)
    serve(settings)
    progress("platform", 1.0, "serves")
    return settings


def trust(home: Path, public_keys: str) -> None:
    """Add the keys that signed the backup's bundles to those that the home trusts."""
    path = home / ENDPOINTS_FILE
    values = read_env_file(path)
    known = accepted(values.get(_PUBLIC_KEYS, ""))
    missing = [key for key in accepted(public_keys) if key not in known]
    if missing:
        values[_PUBLIC_KEYS] = ",".join([*known, *missing])
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        write_private(path, f"# Written by `tasador up`; holds secrets.\n{lines}")


def serve(settings: Settings) -> None:
    """Let reload bring the newest promotion into service; raises ServiceUnavailable."""
    token = sent(settings.functions_token)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    url = f"{settings.functions_url}/reconcile"
    try:
        answer = httpx.post(url, headers=headers, timeout=_SERVING_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceUnavailable(f"everything is restored, but {url} failed: {error}") from error
    if answer.is_error:
        raise ServiceUnavailable(
            f"everything is restored, but no model serves: {answer.text[:500]}; "
            "`tasador rollout status` has the reason"
        )
