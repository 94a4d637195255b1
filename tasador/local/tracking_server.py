"""``mlflow server`` in one process: ``python -m tasador.local.tracking_server --port PORT``.

MLflow's command imports everything twice, once for itself and once for its worker, which doubles
start-up time and memory. This module does the same steps in one process, and imports while Postgres
is still starting. It reads the variables of MLflow's command, MLFLOW_BACKEND_STORE_URI and
MLFLOW_DEFAULT_ARTIFACT_ROOT.
"""

from __future__ import annotations

import argparse
import os
import uuid
from typing import Any

from tasador.clock import backoff, retry

_DATABASE_SECONDS = 90.0
_PAUSE = 0.05
_OWN_MACHINE = ("127.0.0.1", "localhost")


def main() -> None:
    """Serve MLflow on 127.0.0.1 until a signal arrives."""
    parser = argparse.ArgumentParser(prog="python -m tasador.local.tracking_server")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    store = os.environ["MLFLOW_BACKEND_STORE_URI"]
    root = os.environ["MLFLOW_DEFAULT_ARTIFACT_ROOT"]
    further = [
        h.strip() for h in os.environ.get("TASADOR_MLFLOW_HOSTS", "").split(",") if h.strip()
    ]
    os.environ |= {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Any port, for tunnels such as `ssh -L 9000:127.0.0.1:PORT`: what another site cannot have
        # is the name.
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(
            [*_OWN_MACHINE, *(f"{h}:*" for h in _OWN_MACHINE), *further]
        ),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            f"{scheme}://{host}" for host in further for scheme in ("http", "https")
        ),
        "MLFLOW_ENABLE_WORKSPACES": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_SERVER_BOOT_ID": uuid.uuid4().hex,
        "_MLFLOW_IN_JOB_EXECUTOR": "false",
        "_MLFLOW_SERVER_FILE_STORE": store,
        "_MLFLOW_SERVER_REGISTRY_STORE": store,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": root,
    }
    import uvicorn
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    _name_the_setting()
    _wait_for_database(store)
    initialize_backend_stores(store, store, root)
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, timeout_graceful_shutdown=3)


def _name_the_setting() -> None:
    """Let a refusal say which setting allows another name; MLflow's own text names none."""
    from mlflow.server import fastapi_security

    texts: Any = fastapi_security
    hint = " - TASADOR_MLFLOW_HOSTS=HOST:PORT and `tasador up` allow a further name of this server"
    texts.INVALID_HOST_MSG += hint
    texts.CORS_BLOCKED_MSG += hint


def _wait_for_database(store: str) -> None:
    import psycopg2

    url = store.replace("+psycopg2", "", 1)
    retry(
        lambda: psycopg2.connect(url, connect_timeout=5).close(),
        psycopg2.OperationalError,
        backoff(_PAUSE, _PAUSE),
        seconds=_DATABASE_SECONDS,
    )


if __name__ == "__main__":
    main()
