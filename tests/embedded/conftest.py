"""The real embedded platform, once for all tests that need it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tasador.local.platform import Platform
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse
from tests.kit.ingestion import own_database


@pytest.fixture(scope="session")
def new_home() -> Iterator[Callable[[], Path]]:
    """Makes folders for platforms; not below pytest's, which it closes to other accounts.

    (As root, Postgres runs as another account.)
    """
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="tasador-test-")))
        return made[-1]

    yield make
    for home in made:
        # A test may have lost it on purpose.
        if home.exists():
            shutil.rmtree(home)


@pytest.fixture(scope="session")
def platform(new_home: Callable[[], Path]) -> Iterator[Settings]:
    """Postgres, S3, MLflow and the gateway, with TASADOR_HOME set for child processes."""
    home = new_home()
    with pytest.MonkeyPatch.context() as patch:
        for field in fields(Settings):
            patch.delenv(f"TASADOR_{field.name.upper()}", raising=False)
        patch.setenv("TASADOR_HOME", str(home))
        # Tests leave services as no promotion would, and call /reconcile themselves.
        patch.setenv("TASADOR_RECONCILE_SECONDS", "0")
        whole = Platform(home)
        try:
            settings = whole.up(web=False)
            yield settings
        finally:
            whole.down()


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
