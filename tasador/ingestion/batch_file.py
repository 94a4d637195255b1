"""The clean rows of a batch as one Parquet file, and the figures that its card shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.listings.listing import COLUMNS, NUMBERS

if TYPE_CHECKING:
    import pyarrow as pa

# Bytes of CSV held in memory at a time: about 50,000 rows.
_BLOCK = 8 << 20


def write_parquet(clean_csv: Path, out: Path) -> None:
    """Convert the CSV of ``Warehouse.copy_clean`` to Parquet, one block at a time.

    Columns: the twelve (prev_sold_date as text), property_key, holdout, batch_id, row_number.
    """
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            *(
                (name, pa.float64() if name in ("price", *NUMBERS) else pa.string())
                for name in COLUMNS
            ),
            ("property_key", pa.string()),
            ("holdout", pa.bool_()),
            ("batch_id", pa.string()),
            ("row_number", pa.int32()),
        ]
    )
    convert = pc.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    read = pc.ReadOptions(block_size=_BLOCK)
    with (
        pc.open_csv(clean_csv, read_options=read, convert_options=convert) as blocks,
        pq.ParquetWriter(out, schema, compression="zstd") as file,
    ):
        for block in blocks:
            file.write_batch(block)


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
