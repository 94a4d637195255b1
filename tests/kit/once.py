"""Files that one process of a test run makes, and all of them read."""

import fcntl
import os
from pathlib import Path

from tests.kit.checkout import RUN_FOLDER


def written_once(name, write):
    """The file or folder of this name, which ``write`` makes once for all processes of a run."""
    made = Path(os.environ[RUN_FOLDER]) / name
    with made.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            new = made.with_name(f"{name}.new")
            write(new)
            new.rename(made)
    return made
