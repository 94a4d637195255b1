"""The real embedded platform, once for all tests that need it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse
from tests.kit.ingestion import own_database
from tests.kit.platform import homes, running_platform


@pytest.fixture(scope="session")
def new_home() -> Iterator[Callable[[], Path]]:
    """Makes folders for platforms."""
    with homes() as make:
        yield make


@pytest.fixture(scope="session")
def platform(new_home: Callable[[], Path]) -> Iterator[Settings]:
    """Postgres, S3, MLflow and the gateway, with TASADOR_HOME set for child processes."""
    # Tests leave services as no promotion would, and call /reconcile themselves.
    with running_platform(new_home(), TASADOR_RECONCILE_SECONDS="0") as settings:
        yield settings


@pytest.fixture(scope="module")
def database(platform: Settings) -> Iterator[Settings]:
    """The platform's settings with a database for the module alone."""
    with own_database(platform) as settings:
        yield settings


@pytest.fixture(scope="module")
def warehouse(database: Settings) -> Iterator[Warehouse]:
    """The warehouse in ``database``."""
    with Warehouse(database.database_url) as warehouse:
        yield warehouse


@pytest.fixture
def checkout() -> Path:
    """The root of the checkout."""
    return Path(os.path.realpath(__file__)).parents[2]
