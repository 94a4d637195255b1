"""MLflow's server, with Postgres as its database and the object store for artifacts."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

from tasador.local.probe import status_of
from tasador.local.process import Daemon
from tasador.settings import Settings


def daemon(settings: Settings) -> Daemon:
    """The server at ``settings.mlflow_url``; it waits for the database by itself."""
    port = urlsplit(settings.mlflow_url).port
    database = settings.database_url.rpartition("/")[0].replace("postgresql", _DIALECT, 1)
    return Daemon(
        name="mlflow",
        command=(sys.executable, "-m", "tasador.local.tracking_server", "--port", str(port)),
        env={
            "MLFLOW_BACKEND_STORE_URI": f"{database}/mlflow",
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{settings.bucket_mlflow}",
            "MLFLOW_S3_ENDPOINT_URL": settings.s3_endpoint,
            "TASADOR_MLFLOW_HOSTS": settings.mlflow_hosts,
            "AWS_ACCESS_KEY_ID": settings.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
            "AWS_DEFAULT_REGION": settings.s3_region,
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        },
        cwd=settings.home,
        ready=lambda: status_of(f"{settings.mlflow_url}/health") == 200,
        url=settings.mlflow_url,
        # Its imports alone take 15 s without cached bytecode.
        ready_seconds=120,
        stop_seconds=5,
    )


# SQLAlchemy 2.1 maps a plain postgresql:// to psycopg 3.
_DIALECT = "postgresql+psycopg2"
