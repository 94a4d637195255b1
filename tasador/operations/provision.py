"""Make what the other parts take for granted: databases, the schema, buckets.

``python -m tasador.operations.provision`` is the job of a cluster; `tasador up` does the same on
one machine.
Each time it is run it makes what is absent and changes nothing else.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.warehouse.connection import ensure_databases
from tasador.warehouse.warehouse import Warehouse

MLFLOW_DATABASE = "mlflow"


def prepare(settings: Settings) -> list[str]:
    """Prepare the database server and the object store; returns what is there now.

    Raises StoreUnavailable where one of them does not answer.
    """
    settings.require("database_url", "s3_endpoint")
    server = urlsplit(settings.database_url)
    databases = (server.path.lstrip("/"), MLFLOW_DATABASE)
    ensure_databases(settings.database_url, databases)
    with Warehouse(settings.database_url) as warehouse:
        warehouse.migrate()
    Lake(settings).ensure_buckets()
    return [
        f"databases {' and '.join(databases)} at {server.hostname}",
        f"buckets at {settings.s3_endpoint}",
    ]


def main() -> None:
    """Prepare what the environment names."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for line in prepare(Settings.load()):
        logging.getLogger("tasador.operations.provision").info(line)


if __name__ == "__main__":
    main()
