"""Whether another process of this revision serves: then no caller needs the reason of this one."""

from __future__ import annotations

import os

_TRIES = 3
_TIMEOUT = 1.0
# Knative's queue proxy passes such requests on without counting them as traffic.
_PROBE = {"User-Agent": "kube-probe/tasador"}


def another_serves() -> bool:
    """Ask the ready processes of the revision through its private Service; False outside Knative.

    The Service chooses one at random, so several requests are sent.
    """
    revision = os.environ.get("K_REVISION", "")
    if not revision or "KUBERNETES_SERVICE_HOST" not in os.environ:
        return False
    return any(_is_ready(f"{revision}-private") for _ in range(_TRIES))


def _is_ready(host: str, port: int = 80) -> bool:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/ready", headers=_PROBE)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
