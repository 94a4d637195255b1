"""Create what the other parts rely on: databases, tables and buckets.

``python -m tasador.operations.provision`` runs as a job on a cluster. `tasador up` calls
``prepare_database`` and ``prepare_buckets`` on one machine. Both create what is missing and change
nothing else, so they may be repeated.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.warehouse.connection import ensure_databases
from tasador.warehouse.warehouse import Warehouse

MLFLOW_DATABASE = "mlflow"
METAFLOW_DATABASE = "metaflow"


def prepare(settings: Settings) -> list[str]:
    """Prepare the database server and the object store; returns one line about each.

    Raises StoreUnavailable if one of them does not answer.
    """
    settings.require("database_url", "s3_endpoint")
    databases = prepare_database(settings)
    prepare_buckets(settings)
    return [
        f"databases {' and '.join(databases)} at {urlsplit(settings.database_url).hostname}",
        f"buckets at {settings.s3_endpoint}",
    ]


def prepare_database(settings: Settings) -> tuple[str, ...]:
    """Create the databases, and migrate Tasador's tables; returns the databases' names.

    MLflow migrates its own. So does Metaflow's service, where there is one.
    """
    databases: tuple[str, ...] = (urlsplit(settings.database_url).path.lstrip("/"), MLFLOW_DATABASE)
    if settings.metaflow_service_url:
        databases += (METAFLOW_DATABASE,)
    ensure_databases(settings.database_url, databases)
    with Warehouse(settings.database_url) as warehouse:
        warehouse.migrate()
    return databases


def prepare_buckets(settings: Settings) -> None:
    """Create the buckets in the object store."""
    Lake(settings).ensure_buckets()


def main() -> None:
    """Prepare the platform that the environment names."""
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for line in prepare(Settings.load()):
        logging.getLogger("tasador.operations.provision").info(line)


if __name__ == "__main__":
    main()
