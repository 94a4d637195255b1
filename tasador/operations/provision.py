"""Create what the other parts rely on: databases, tables, logins and buckets.

``python -m tasador.operations.provision`` runs as a job on a cluster. `tasador up` calls
``prepare_database`` and ``prepare_buckets`` on one machine. They may be repeated: what is missing
is created, and on a cluster each part's login gets the password and the rights of this version.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.warehouse.connection import ensure_databases
from tasador.warehouse.logins import ensure_logins, read_passwords
from tasador.warehouse.warehouse import Warehouse

MLFLOW_DATABASE = "mlflow"
METAFLOW_DATABASE = "metaflow"


def prepare(settings: Settings) -> list[str]:
    """Prepare the database server and the object store; returns one line about each.

    Raises StoreUnavailable if one of them does not answer.
    """
    settings.require("database_url", "s3_endpoint")
    passwords = read_passwords(settings.database_roles)
    host = urlsplit(settings.database_url).hostname
    databases = prepare_database(settings)
    lines = [f"databases {' and '.join(databases)} at {host}"]
    if passwords:
        own = {"mlflow": MLFLOW_DATABASE, "metaflow": METAFLOW_DATABASE}
        there = {part: name for part, name in own.items() if name in databases}
        ensure_logins(settings.database_url, passwords, there)
        lines.append(f"logins of {', '.join(passwords)} at {host}")
    prepare_buckets(settings)
    return [*lines, f"buckets at {settings.s3_endpoint}"]


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
