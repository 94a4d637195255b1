"""The clean listings as an Iceberg table: its data files are the batches' Parquet files.

Nothing is copied. The catalog is in the warehouse's database (``warehouse/catalog_tables.py``), the
metadata in the bucket of the clean files. Spark, Trino and DuckDB read the table in place
(docs/scale.md). Only ``sync`` writes it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasador.errors import ObjectLost, StoreUnavailable, TasadorError
from tasador.listings.rules import RULES
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.warehouse.connection import connect, translated_errors
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

CATALOG = "tasador"
NAMESPACE = "clean"
TABLE = f"{NAMESPACE}.listings"
# Below it, in the bucket of the clean files, is what Iceberg knows about them.
METADATA_FOLDER = "iceberg/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """``added`` files are new in the table, which has ``files`` with ``rows`` in all.

    ``metadata`` is the URI of its current metadata, for engines without the catalog; empty if there
    is no table, since there is no batch.
    """

    added: int
    files: int
    rows: int
    metadata: str


def sync(settings: Settings) -> Synced:
    """Add the file of each ready batch that the table does not list; the first creates the table.

    All files become visible at once, with the last write, a row of the catalog. A call that is
    killed before it leaves unused metadata in the object store. Concurrent calls take turns. Raises
    StoreUnavailable, StoreRefused, ObjectLost if a batch's file is lost.
    """
    settings.require("database_url")
    # It says what is wrong with the store; Arrow's client, by which pyiceberg calls it, does not.
    Lake(settings).check_buckets()
    with (
        Warehouse(settings.database_url) as warehouse,
        warehouse.lock("lake"),
        _translated_errors(settings),
    ):
        ready = [b.clean_uri for b in warehouse.batches(status="ready") if b.rows_clean]
        if not ready:
            # A backup is restored to an empty platform alone.
            return Synced(added=0, files=0, rows=0, metadata="")
        with closing(_catalog(settings)) as catalog:
            table = _table(catalog, settings)
            listed = _files(table)
            if new := [uri for uri in ready if uri not in listed]:
                table.add_files(new)
                listed = _files(table)
            return Synced(
                added=len(new),
                files=len(listed),
                rows=sum(listed.values()),
                metadata=table.metadata_location,
            )


# -- inside -------------------------------------------------------------------------------------


def _catalog(settings: Settings) -> SqlCatalog:
    # SeaweedFS and rclone do not support the newer checksums.
    os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    from pyiceberg.catalog.sql import SqlCatalog

    url = connect(settings.database_url).url
    options = f"{url.query.get('options', '')} -csearch_path=lake".strip()
    url = url.update_query_dict({"options": options})
    return SqlCatalog(
        CATALOG,
        **{
            "uri": url.render_as_string(hide_password=False),
            # The migrations do, as their owner.
            "init_catalog_tables": "false",
            "s3.endpoint": settings.s3_endpoint,
            "s3.access-key-id": settings.s3_access_key,
            "s3.secret-access-key": settings.s3_secret_key,
            "s3.region": settings.s3_region,
        },
    )


def _table(catalog: SqlCatalog, settings: Settings) -> Table:
    catalog.create_namespace_if_not_exists(NAMESPACE)
    return catalog.create_table_if_not_exists(
        TABLE,
        _schema(),
        location=f"s3://{settings.bucket_clean}/{METADATA_FOLDER}listings",
        # Each addition writes the metadata again; the newest hundred stay.
        properties={"write.metadata.delete-after-commit.enabled": "true"},
    )


def _schema() -> Schema:
    """The columns of ``ingestion/batch_file.py``. Their names find them in the files."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import (
        BooleanType,
        DoubleType,
        IcebergType,
        IntegerType,
        NestedField,
        StringType,
    )

    columns: list[tuple[str, IcebergType, str]] = [
        (
            rule.column,
            DoubleType() if rule.kind == "number" else StringType(),
            f"{rule.means}, in {rule.unit}" if rule.unit else rule.means,
        )
        for rule in RULES
    ]
    columns += [
        ("property_key", StringType(), "street, city and zip code: equal for rows of one property"),
        ("holdout", BooleanType(), "whether no model is trained on the property"),
        ("batch_id", StringType(), "the batch: reports.batches says whether its feed was broken"),
        ("row_number", IntegerType(), "the place in the batch, from 0"),
    ]
    return Schema(
        *(
            NestedField(field_id=number, name=name, field_type=kind, required=False, doc=doc)
            for number, (name, kind, doc) in enumerate(columns, start=1)
        )
    )


def _files(table: Table) -> dict[str, int]:
    """The rows of each file that the table lists, by its URI."""
    return {task.file.file_path: task.file.record_count for task in table.scan().plan_files()}


@contextmanager
def _translated_errors(settings: Settings) -> Iterator[None]:
    from pyiceberg.exceptions import CommitFailedException

    try:
        with translated_errors(connect(settings.database_url)):
            yield
    except CommitFailedException as error:
        raise TasadorError(
            f"the table {TABLE} has another writer: {error}. Only `tasador lake sync` may write it"
        ) from error
    except FileNotFoundError as error:
        raise ObjectLost(
            f"a file of the lake does not exist in the object store {settings.s3_endpoint}: "
            f"{error}; `tasador db check` names what is missing"
        ) from error
    except OSError as error:
        raise StoreUnavailable(
            f"the object store {settings.s3_endpoint} does not answer: {error}"
        ) from error
