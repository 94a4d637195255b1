"""The clean rows of a batch as one Parquet file, and the figures that its card shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.listings.listing import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_GROUP = 25_000  # rows
# Columns whose values hardly repeat: a dictionary of them is built, and thrown away.
_DISTINCT = frozenset({"street", "property_key", "row_number"})


def write_parquet(columns: Path, out: Path, batch_id: str) -> None:
    """Convert the clean rows of ``loading.read_payload`` to Parquet, a row group at a time.

    Columns: the twelve (prev_sold_date as text), property_key, holdout, batch_id, row_number.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tasador.listings.arrow import scalar

    with pa.OSFile(str(columns)) as file, pa.ipc.open_stream(file) as blocks:
        place = blocks.schema.get_field_index("row_number")
        schema = blocks.schema.insert(place, pa.field("batch_id", pa.string()))
        repeating = [name for name in schema.names if name not in _DISTINCT]
        with pq.ParquetWriter(out, schema, compression="zstd", use_dictionary=repeating) as parquet:
            for group in _groups(blocks):
                batch_ids = pa.repeat(scalar(batch_id), group.num_rows)
                parquet.write_table(group.add_column(place, schema.field(place), batch_ids))


def _groups(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = 0
    for block in blocks:
        waiting.append(block)
        rows += block.num_rows
        if rows >= _ROW_GROUP:
            yield pa.Table.from_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting)


# Decades that the histograms cover, ten bins each: dollars and square feet.
_SCALES = {"price": (3, 8), "house_size": (2, 5)}


def profile(tables: Iterable[pa.Table]) -> dict[str, Any]:
    """The figures of a batch, as JSON values.

    rows, holdout (rows), states [(name, rows)] by rows, missing {column: share}, and histograms
    {"price", "house_size": {"edges" [n + 1], "counts" [n]}} on a logarithmic scale. Values beyond
    its ends are counted in the first and the last bin.
    """
    import numpy as np
    import pyarrow.compute as pc

    rows = holdout = 0
    states: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    edges = {
        name: np.logspace(low, high, (high - low) * 10 + 1) for name, (low, high) in _SCALES.items()
    }
    counts = {name: np.zeros(len(edge) - 1, dtype=np.int64) for name, edge in edges.items()}
    for table in tables:
        rows += table.num_rows
        holdout += pc.sum(table["holdout"]).as_py() or 0
        for state in pc.value_counts(table["state"]).to_pylist():
            states[state["values"] or "(missing)"] += state["counts"]
        for name in COLUMNS:
            missing[name] += table[name].null_count
        for name, edge in edges.items():
            # Arrow's own to_numpy() imports pandas.
            values = np.from_dlpack(table[name].drop_null().combine_chunks())
            counts[name] += np.histogram(np.clip(values, edge[0], edge[-1]), edge)[0]
    return {
        "rows": rows,
        "holdout": holdout,
        "states": states.most_common(),
        "missing": {name: missing[name] / rows if rows else 0.0 for name in COLUMNS},
        "histograms": {
            name: {"edges": edges[name].tolist(), "counts": counts[name].tolist()} for name in edges
        },
    }
