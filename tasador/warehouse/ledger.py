"""The ledger: what each version said of the batches that came after its training.

A holdout is drawn from the data that a model was trained on. The next batch is not, so the error on
it is what users met. It is measured before any model is trained on the batch (Dawid 1984,
"prequential" analysis).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tasador.model.model_ref import ModelRef
from tasador.records.loop import DecisionRecord
from tasador.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One version on one later batch.

    ``figures`` are measured on the batch, ``promised`` on the permanent holdout when the version
    was judged. Both have the names of a version's metrics (``median_error``, ``median_ratio``,
    ``ppe_10``, all shares, and ``rows``).
    """

    model: ModelRef
    batch_id: str
    judged_at: datetime
    figures: Mapping[str, float]
    promised: Mapping[str, float]


def read_ledger(warehouse: Warehouse, name: str, limit: int = 100) -> list[LedgerEntry]:
    """The entries of a registered model among its newest ``limit`` verdicts, newest first.

    A batch that the version was trained on has no entry, and neither has a verdict without figures,
    as earlier releases recorded them.
    """
    decisions: dict[tuple[str, int, str], DecisionRecord | None] = {}
    entries = []
    for verdict in warehouse.drift_history(limit, name=name):
        figures = verdict.scores.get("performance", {}).get("figures")
        if not figures:
            continue
        model = verdict.champion
        if model.key not in decisions:
            decisions[model.key] = warehouse.gate_decision(model)
        decision = decisions[model.key]
        if decision is None or verdict.batch_id in decision.batch_ids:
            continue
        entries.append(
            LedgerEntry(
                model=model,
                batch_id=verdict.batch_id,
                judged_at=verdict.decided_at,
                figures=figures,
                promised=decision.metrics,
            )
        )
    return entries
