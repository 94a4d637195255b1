"""What record answers about a column of a batch, compared with what the champion learned from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from functions.database import Database
from functions.function import Route
from functions.http import HttpProblem, Request, Response, invalid_fields, reply
from tasador.listings.listing import FieldProblem
from tasador.model.model_ref import ModelRef
from tasador.records.loop import DriftRecord
from tasador.warehouse.distributions import COUNTED, Counts
from tasador.warehouse.warehouse import Warehouse

# Names with fewer rows are counted together.
_NAMES = 12
_OTHER = "other"


def _ratio_edges(low: float, high: float, bins: int) -> list[float]:
    """Edges of equal ratio, of three digits."""
    step = math.log(high / low) / bins
    return [float(f"{low * math.exp(step * n):.3g}") for n in range(bins + 1)]


# The same for every batch, so that their curves can be compared.
EDGES = {
    "price": _ratio_edges(20_000, 3_000_000, 24),
    "house_size": _ratio_edges(400, 8_000, 24),
    "acre_lot": _ratio_edges(0.02, 50, 24),
    "bed": [n + 0.5 for n in range(9)],
    "bath": [n + 0.5 for n in range(9)],
    "prev_sold_date": [float(year) for year in range(1990, 2031, 2)],
}


def routes(database: Database) -> tuple[Route, ...]:
    """The route, answered from the warehouse."""
    return (Route("GET", "/batches/<batch_id>/distribution", partial(_distribution, database)),)


def _distribution(database: Database, request: Request, batch_id: str) -> Response:
    """GET /batches/ID/distribution?feature=: the rows of the batch and those before, by bin.

    Bins of numbers have ``from`` and ``to`` (None without an end), those of names ``name``.
    ``before`` is None if there was no champion.
    """
    feature = request.args.get("feature", "price")
    if feature not in COUNTED:
        reason = f"is not one of {', '.join(COUNTED)}"
        raise invalid_fields([FieldProblem("feature", reason, feature[:200])])
    warehouse = database.warehouse()
    batch = warehouse.batch(batch_id) if batch_id.isalnum() and batch_id.isascii() else None
    if batch is None:
        raise HttpProblem(404, f"no batch {batch_id[:64]!r} is recorded")
    verdicts = sorted(warehouse.verdicts_on([batch_id]), key=lambda v: v.decided_at)
    before = _learned_from(warehouse, verdicts[-1]) if verdicts else []
    edges = EDGES.get(feature)

    def count(batches: Sequence[str]) -> Counts:
        if edges is None:
            return warehouse.count_names(feature, batches)
        return warehouse.count_numbers(feature, edges, batches)

    new = count([batch_id])
    old = count([each for each in before if each != batch_id]) if before else None
    bins, keys = _number_bins(edges) if edges is not None else _name_bins(new, old)
    return reply(
        {
            "feature": feature,
            "champion_version": verdicts[-1].champion_version if before else None,
            "bins": bins,
            "batch": _side(new, keys),
            "before": None if old is None else _side(old, keys),
        }
    )


def _learned_from(warehouse: Warehouse, verdict: DriftRecord) -> list[str]:
    """The batches that the champion of a verdict was trained on; none without a champion."""
    champion = ModelRef(verdict.model_name, verdict.champion_version, verdict.champion_digest)
    decision = warehouse.gate_decision(champion)
    return [] if decision is None else list(decision.batch_ids)


def _number_bins(edges: Sequence[float]) -> tuple[list[dict[str, Any]], list[int | str]]:
    bounds = [None, *edges, None]
    bins = [{"from": low, "to": high} for low, high in itertools.pairwise(bounds)]
    return bins, list(range(len(bins)))


def _name_bins(new: Counts, old: Counts | None) -> tuple[list[dict[str, Any]], list[int | str]]:
    """The most frequent names, and one bin for all others."""
    sides = [side for side in (new, old) if side is not None]
    shares: dict[int | str, float] = {}
    for side in sides:
        total = max(sum(side.rows.values()), 1)
        for name, rows in side.rows.items():
            shares[name] = shares.get(name, 0.0) + rows / total
    names = sorted(shares, key=lambda name: (-shares[name], name))[:_NAMES]
    return [{"name": name} for name in [*names, _OTHER]], [*names, _OTHER]


def _side(counts: Counts, keys: Sequence[int | str]) -> dict[str, Any]:
    rows = [counts.rows.get(key, 0) for key in keys]
    if keys[-1] == _OTHER:
        rows[-1] = sum(counts.rows.values()) - sum(rows)
    return {"rows": rows, "missing": counts.missing}
