"""The object store and the database that a batch is written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tasador.clock import backoff, retry
from tasador.errors import StoreUnavailable
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse

T = TypeVar("T")

Say = Callable[[str], None]

# Seconds to wait for a store that is away, and the pauses between two attempts.
_STORE_AWAY = 120.0
_STORE_PAUSE, _LONGEST_STORE_PAUSE = 1.0, 15.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Where batches are stored."""

    lake: Lake
    warehouse: Warehouse
    bucket_raw: str
    bucket_clean: str

    def put(self, bucket: str, key: str, path: Path, say: Say) -> str:
        """Upload a file, and wait while the object store is away."""
        return _waiting(lambda: self.lake.put_file(bucket, key, path), "object store", say)

    def write(self, write: Callable[[Warehouse], T], say: Say) -> T:
        """Write to the database what may be written twice, and wait while it is away."""
        return _waiting(lambda: write(self.warehouse), "database", say)


def _waiting(write: Callable[[], T], store: str, say: Say) -> T:
    """Write, and wait while the store is away.

    An answer of the source that is lost for want of a store costs the source a restart.
    """
    return retry(
        write,
        StoreUnavailable,
        backoff(_STORE_PAUSE, _LONGEST_STORE_PAUSE),
        seconds=_STORE_AWAY,
        on_failure=lambda error: say(f"waiting for the {store}: {error}"),
    )


@contextmanager
def open_stores(settings: Settings) -> Iterator[Stores]:
    """The stores of the settings; raises ConfigurationError."""
    lake = Lake(settings)
    with Warehouse(settings.database_url) as warehouse:
        yield Stores(lake, warehouse, settings.bucket_raw, settings.bucket_clean)
