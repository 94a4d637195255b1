"""The summary of the drift reference that later batches are compared with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.dossier.blocks import Rows, number
from tasador.drift.measures import PREDICTED
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import COLUMNS
from tasador.listings.table import columns_of

if TYPE_CHECKING:
    import pandas as pd

    from tasador.drift.baseline import Baseline

_DECILES = tuple(round(0.1 * step, 1) for step in range(11))
_MOST_COMMON = 20


def drift_baseline(reference: pd.DataFrame, baseline: Baseline | None = None) -> dict[str, Any]:
    """The summary of a drift reference (see ``tasador.drift.reference``) as JSON.

    Numbers by their deciles, texts by their most common values, ``missing_share`` of each field,
    and the champion's error on the rows with a prediction, none of which it was fitted on. "limits"
    are the thresholds of drift. "strays" is ``baseline``, learned from the reference by
    ``drift.baseline.learn_baseline``.
    """
    columns = columns_of(reference)
    summary: dict[str, Any] = {"rows": len(reference), "fields": {}}
    for name in COLUMNS:
        values = columns[name]
        if values.dtype.kind == "f":
            known = values[np.isfinite(values)]
            seen: dict[str, Any] = {
                "deciles": [float(v) for v in np.quantile(known, _DECILES)] if len(known) else []
            }
        else:
            known = np.array([value for value in values if value is not None], dtype=object)
            names, counts = np.unique(known.astype(str), return_counts=True)
            order = np.argsort(-counts, kind="stable")[:_MOST_COMMON]
            seen = {
                "distinct": len(names),
                "shares": {str(names[k]): float(counts[k] / len(known)) for k in order},
            }
        summary["fields"][name] = {"missing_share": 1 - len(known) / max(len(values), 1), **seen}
    price, predicted = columns["price"], reference[PREDICTED].to_numpy(dtype=np.float64)
    out_of_sample = np.isfinite(predicted) & (price > 0)
    summary["performance"] = {
        "rows_with_a_prediction": int(out_of_sample.sum()),
        "median_error": float(np.median(np.abs(predicted / price - 1)[out_of_sample]))
        if out_of_sample.any()
        else None,
    }
    summary["limits"] = asdict(Thresholds())
    summary["strays"] = None if baseline is None else asdict(baseline)
    return summary


def baseline_rows(baseline: dict[str, Any]) -> Rows:
    """The summary as a table for people: deciles of numbers, the most common texts."""
    rows = []
    for name, field in baseline["fields"].items():
        if field.get("deciles"):
            low, middle, high = (number(field["deciles"][at]) for at in (1, 5, 9))
            seen = f"{middle} ({low} to {high})"
        elif "shares" in field and field["distinct"] <= 60:
            first = list(field["shares"].items())[:4]
            seen = ", ".join(f"{value} {share:.0%}" for value, share in first)
        else:
            seen = f"{field.get('distinct', 0):,} values"
        rows.append([f"`{name}`", f"{field['missing_share']:.1%}", seen])
    return Rows(["field", "missing", "median (10 to 90 %), or most common"], rows)
