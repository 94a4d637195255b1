"""The data contract: the fields of a listing, what is refused, and the values seen in training.

The rules are those of ``tasador.listings.rules``, by which every batch and request is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.dossier.blocks import Rows, number
from tasador.listings.listing import MARKET_PRICE
from tasador.listings.rules import KINDS, LONGEST_TEXT, MISSING_TEXTS, RULES, STATUSES, Rule
from tasador.listings.table import columns_of

if TYPE_CHECKING:
    import pandas as pd

    from tasador.model.manifest import Manifest

_QUANTILES = {"p01": 0.01, "p25": 0.25, "median": 0.5, "p75": 0.75, "p99": 0.99}
_MOST_COMMON = 5


def data_contract(frame: pd.DataFrame, manifest: Manifest) -> dict[str, Any]:
    """The contract as JSON: the fields by name, and the values seen in the clean rows of ``frame``.

    ``seen`` holds the quantiles of numbers or the counts of texts, ``missing_share`` the share of
    rows without the field, ``clipped_to`` the range that the model clips values to.
    """
    columns = columns_of(frame)
    return {
        "model": f"{manifest.name}@{manifest.version}",
        "digest": manifest.digest,
        "rows_seen": len(frame),
        "missing_is_normal": "any field of a request may be absent or null; the answer names it",
        "missing_texts": sorted(MISSING_TEXTS),
        "label": {"field": "price", "trained_on": list(MARKET_PRICE), "unit": "dollars"},
        "fields": {rule.column: _field(rule, columns[rule.column], manifest) for rule in RULES},
        "row_refused": [
            "a row of a batch that is neither an object nor a list of twelve values",
            "a request with a column other than the twelve",
            "a row of a batch whose price is missing or not above zero",
        ],
    }


def contract_rows(contract: dict[str, Any]) -> Rows:
    """The contract as a table for people."""
    return Rows(
        ["field", "type", "unit", "missing", "seen", "refused"],
        [
            [
                f"`{name}`",
                field["type"],
                field["unit"] or "-",
                f"{field['missing_share']:.1%}",
                _describe_seen(field),
                "; ".join(field["refused"]),
            ]
            for name, field in contract["fields"].items()
        ],
    )


def _field(rule: Rule, values: Any, manifest: Manifest) -> dict[str, Any]:
    name, kind = rule.column, KINDS[rule.kind]
    field: dict[str, Any] = {
        "means": rule.means,
        "type": "number" if rule.kind == "number" else "string",
        "unit": rule.unit,
        "accepts": kind.accepts,
        "read_as": kind.becomes,
        "refused": list(kind.refuses),
    }
    if rule.kind == "number":
        field |= {"minimum": rule.low, "maximum": rule.high}
        field["refused"] = ["not a number", f"below {rule.low:g}", f"above {rule.high:,.0f}"]
        known = values[np.isfinite(values)]
        field["missing_share"] = 1 - len(known) / max(len(values), 1)
        field["seen"] = _numbers_seen(known)
        if name in manifest.ranges:
            field["clipped_to"] = list(manifest.ranges[name])
        if name == "price":
            field["refused"][1] = "zero or below, in a batch"
            field["exclusive_minimum_in_batches"] = 0
        return field
    if rule.kind == "status":
        field["enum"] = list(STATUSES)
    field["max_length"] = LONGEST_TEXT
    known = np.array([value for value in values if value is not None], dtype=object)
    field["missing_share"] = 1 - len(known) / max(len(values), 1)
    names, counts = np.unique(known.astype(str), return_counts=True)
    field["seen"] = {"distinct": len(names)}
    if rule.kind == "date" and len(names):
        field["seen"] |= {"first": str(names[0]), "last": str(names[-1])}
    elif name in ("status", "state"):
        order = np.argsort(-counts, kind="stable")[:_MOST_COMMON]
        shares = {str(names[k]): float(counts[k] / len(known)) for k in order}
        field["seen"]["most_common"] = shares
    return field


def _numbers_seen(known: Any) -> dict[str, float]:
    if len(known) == 0:
        return {}
    quantiles = {name: float(np.quantile(known, at)) for name, at in _QUANTILES.items()}
    return {"least": float(known.min()), **quantiles, "most": float(known.max())}


def _describe_seen(field: dict[str, Any]) -> str:
    seen = field["seen"]
    if "p01" in seen:
        low, high, most = (number(seen[name]) for name in ("p01", "p99", "most"))
        return f"{low} to {high} (1 to 99 %), at most {most}"
    if "first" in seen:
        return f"{seen['first']} to {seen['last']}"
    if "most_common" in seen:
        common = ", ".join(f"{name} {share:.0%}" for name, share in seen["most_common"].items())
        return f"{seen['distinct']:,} values: {common}"
    return f"{seen['distinct']:,} values" if "distinct" in seen else "nothing"
