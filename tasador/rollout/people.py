"""The user of this machine, who is recorded with a decision unless another name is given."""

from __future__ import annotations

import getpass


def whoami() -> str:
    """The user that runs this process; "unknown" where the system has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
