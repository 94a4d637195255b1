"""Whether warehouse and object store agree: what one names, the other has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tasador.operations.lake_table import METADATA_FOLDER
from tasador.settings import Settings
from tasador.stores.buckets import Buckets
from tasador.warehouse.warehouse import Warehouse

# Prices of files (scoring/verbs.py) and Iceberg's metadata, which no batch names.
_OTHERS = ("scores/", METADATA_FOLDER)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. ``problems`` say what is wrong and what to do; none if it is
    right. ``message`` says what was compared."""

    part: str
    message: str
    problems: tuple[str, ...] = ()


def check(settings: Settings) -> Iterator[Finding]:
    """Compare them, a part at a time; changes nothing.

    A batch that is being ingested may be reported: check again when no flow runs. Raises
    StoreUnavailable.
    """
    with Warehouse(settings.database_url) as warehouse:
        revision, newest = warehouse.schema_versions()
        if revision != newest:
            remedy = f"the schema is {revision or 'missing'}, and this version of Tasador needs "
            yield Finding("schema", "", (f"{remedy}{newest}: run `tasador db upgrade`",))
            return
        yield Finding("schema", f"revision {revision} is the newest")
        yield _rows(warehouse)
        yield _lineage(warehouse)
        named = warehouse.named_objects()
    yield from _objects(settings, named)


def _rows(warehouse: Warehouse) -> Finding:
    counts = warehouse.row_counts()
    problems = tuple(
        f"batch {each.batch_id} has {each.counted:,} rows in {each.table}, and {each.recorded:,} "
        "are recorded: restore a backup, or delete the batch's rows and ingest it again"
        for each in counts
        if each.recorded != each.counted
    )
    total = sum(each.counted for each in counts)
    batches = len({each.batch_id for each in counts})
    return Finding("rows", f"{total:,} rows of {batches:,} batches are as recorded", problems)


def _lineage(warehouse: Warehouse) -> Finding:
    problems = [
        f"{count:,} predictions are of {name}@{version}, digest {digest}, on which no decision is "
        "recorded: their lineage ends there"
        for name, version, digest, count in warehouse.undecided_versions()
    ]
    problems += [
        f"version {version} was trained on batch {batch_id}, which is not recorded"
        for version, batch_id in warehouse.unknown_batches()
    ]
    return Finding("lineage", "every prediction leads to its batches", tuple(problems))


def _objects(settings: Settings, named: dict[str, str]) -> Iterator[Finding]:
    lake = Buckets(settings)
    stored: dict[str, int] = {}
    for bucket in (settings.bucket_raw, settings.bucket_clean):
        stored |= {
            f"s3://{bucket}/{each.key}": each.size
            for each in lake.list(bucket)
            if not each.key.startswith(_OTHERS)
        }
    missing = [
        f"{by} names {uri}, which does not exist: restore it from a backup"
        for uri, by in named.items()
        if not (uri in stored or lake.exists(uri))
    ]
    missing += [
        f"{uri} of {named[uri]} is empty: restore it from a backup"
        for uri, size in stored.items()
        if uri in named and not size
    ]
    message = f"all {len(named):,} objects exist that batches and versions in service name"
    yield Finding("objects", message, tuple(missing))
    # A killed ingestion or `tasador db prune` leaves one; the next run completes what it began.
    unnamed = sorted(stored.keys() - named.keys())
    if unnamed:
        listed = ", ".join(unnamed[:3]) + (", ..." if len(unnamed) > 3 else "")
        yield Finding("unnamed", f"{len(unnamed):,} objects that no batch names: {listed}")
