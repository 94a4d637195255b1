"""The drift baseline: what the reference that later batches are compared with looks like."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.dossier.blocks import Rows, number
from tasador.drift.measures import PREDICTED
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import BOUNDS, COLUMNS
from tasador.listings.table import columns_of

if TYPE_CHECKING:
    import pandas as pd

    from tasador.drift.baseline import Baseline

_DECILES = tuple(round(0.1 * step, 1) for step in range(11))
_MOST_COMMON = 20


def drift_baseline(reference: pd.DataFrame, learnt: Baseline | None = None) -> dict[str, Any]:
    """The summary of a drift reference (see ``tasador.drift.reference``) as JSON.

    Numbers by their deciles, texts by their commonest values; ``missing_share`` of each; and the
    champion's error on the rows that have a prediction, all of which it was not fitted on. "limits"
    are those from which a difference counts as drift; "strays" is ``learnt``, what
    ``drift.baseline.learn_baseline`` found in the reference.
    """
    columns = columns_of(reference)
    told: dict[str, Any] = {"rows": len(reference), "fields": {}}
    for name in COLUMNS:
        values = columns[name]
        if name in BOUNDS:
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
        told["fields"][name] = {"missing_share": 1 - len(known) / max(len(values), 1), **seen}
    price, predicted = columns["price"], reference[PREDICTED].to_numpy(dtype=np.float64)
    honest = np.isfinite(predicted) & (price > 0)
    told["performance"] = {
        "rows_with_a_prediction": int(honest.sum()),
        "median_error": float(np.median(np.abs(predicted / price - 1)[honest]))
        if honest.any()
        else None,
    }
    told["limits"] = asdict(Thresholds())
    told["strays"] = None if learnt is None else asdict(learnt)
    return told


def baseline_rows(baseline: dict[str, Any]) -> Rows:
    """The baseline as a table for people: quartiles of numbers, the commonest texts."""
    rows = []
    for name, told in baseline["fields"].items():
        if told.get("deciles"):
            low, middle, high = (number(told["deciles"][at]) for at in (1, 5, 9))
            seen = f"{middle} ({low} to {high})"
        elif "shares" in told and told["distinct"] <= 60:
            first = list(told["shares"].items())[:4]
            seen = ", ".join(f"{value} {share:.0%}" for value, share in first)
        else:
            seen = f"{told.get('distinct', 0):,} values"
        rows.append([f"`{name}`", f"{told['missing_share']:.1%}", seen])
    return Rows(["field", "missing", "median (10 to 90 %), or the commonest"], rows)
