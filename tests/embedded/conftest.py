"""The real embedded platform, once for all tests that need it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from tasador.local.platform import Platform
from tasador.settings import Settings


def new_home() -> Path:
    """A folder for a platform; not below pytest's, which it closes to other accounts.

    (As root, Postgres runs as another account.)
    """
    return Path(tempfile.mkdtemp(prefix="tasador-test-"))


@pytest.fixture(scope="session")
def platform() -> Iterator[Settings]:
    """Postgres, S3, MLflow and the gateway, with TASADOR_HOME set for child processes."""
    home = new_home()
    with pytest.MonkeyPatch.context() as patch:
        for field in fields(Settings):
            patch.delenv(f"TASADOR_{field.name.upper()}", raising=False)
        patch.setenv("TASADOR_HOME", str(home))
        whole = Platform(home)
        try:
            yield whole.up(people=False)
        finally:
            whole.down()
            shutil.rmtree(home)


@pytest.fixture
def checkout() -> Path:
    """The root of the checkout."""
    return Path(os.path.realpath(__file__)).parents[2]
