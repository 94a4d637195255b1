"""The embedded platform, for tests and benchmarks that need all of it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tasador.local import endpoints
from tasador.local.platform import Platform
from tasador.settings import Settings
from tests.kit.network import free_port

# The processes of a test run start their platforms at the same time. If two drew the same port,
# only one of them would start.
endpoints._free_port = lambda taken: free_port()


@contextmanager
def homes() -> Iterator[Callable[[], Path]]:
    """Makes folders for platforms; not below pytest's, which it closes to other accounts.

    (As root, Postgres runs as another account.)
    """
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="tasador-test-")))
        return made[-1]

    try:
        yield make
    finally:
        for home in made:
            # A test may have lost it on purpose.
            if home.exists():
                shutil.rmtree(home)


@contextmanager
def running_platform(home: Path, **environment: str) -> Iterator[Settings]:
    """Postgres, S3, MLflow and the gateway, with TASADOR_HOME and no other setting around them.

    Child processes have the ``environment`` too.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings._fields:
            patch.delenv(f"TASADOR_{name.upper()}", raising=False)
        for name, value in {"TASADOR_HOME": str(home), **environment}.items():
            patch.setenv(name, value)
        whole = Platform(home)
        try:
            yield whole.up(web=False)
        finally:
            whole.down()
