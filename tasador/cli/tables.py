"""Tables and trees that commands print with Rich."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table
from rich.tree import Tree

from tasador.cli.output import dollars

if TYPE_CHECKING:
    from tasador.operations.lineage import Lineage
    from tasador.records import DecisionRecord, MonitorRecord
    from tasador.stores.registry import ModelVersion


def metrics_table(metrics: Mapping[str, float], title: str) -> Table:
    """The metrics of a new model."""
    table = Table("metric on the holdout", "value", title=title)
    for name, value in metrics.items():
        table.add_row(name, f"{value:,.4g}")
    return table


def models_table(
    versions: Iterable[ModelVersion], decisions: Mapping[tuple[str, int, str], DecisionRecord]
) -> Table:
    """The registered versions, and the gate's decision by name, version and digest."""
    table = Table("version", "alias", "decision", "R²", "median error", "reasons")
    for version in versions:
        decision = decisions.get(version.model.key)
        if decision is None:
            table.add_row(str(version.version), "", "none yet", "", "", "")
            continue
        table.add_row(
            str(version.version),
            " ".join(version.aliases),
            f"{decision.decision} {decision.decided_at:%Y-%m-%d %H:%M}",
            f"{decision.metrics.get('r2', float('nan')):.3f}",
            f"{decision.metrics.get('median_error', float('nan')):.1%}",
            "; ".join(decision.reasons),
        )
    return table


def monitoring_table(checks: Iterable[MonitorRecord]) -> Table:
    """Monitoring checks; errors are shown as percentages of the price."""
    table = Table(
        "until", "version", "requests", "verdict", "estimated error", "realised error", "training"
    )
    for check in checks:
        errors = (check.estimated_error, check.realised_error)
        table.add_row(
            f"{check.window_to:%Y-%m-%d %H:%M}",
            str(check.champion_version),
            f"{check.predictions:,}",
            f"{check.verdict}: {check.reasons[0]}",
            *("" if error is None else f"{math.expm1(error):.0%}" for error in errors),
            check.asked_says,
        )
    return table


def dead_letters_table(letters: Iterable[Mapping[str, Any]]) -> Table:
    """Events that could not be delivered."""
    table = Table(
        "failed at", "event", Column("id", overflow="fold"), "subscriber", "status", "reason"
    )
    for letter in letters:
        event = letter["event"]
        table.add_row(
            letter["time"][:19],
            event["type"],
            event["id"],
            letter["subscriber"],
            str(letter["status"] or ""),
            letter["reason"][:200],
        )
    return table


def lineage_tree(lineage: Lineage) -> Tree:
    """A prediction with its revision, its model and the batches that it was trained on."""
    prediction, decision = lineage.prediction, lineage.decision
    tree = Tree(
        f"prediction {prediction.prediction_id}: {dollars(prediction.price)} "
        f"at {prediction.predicted_at:%F %T}"
    )
    revision = tree.add(
        f"revision {prediction.revision or '(none)'}, correlation id {prediction.correlation_id}"
    )
    for rollout in lineage.rollouts:
        revision.add(f"{rollout.outcome} since {rollout.finished_at:%F %T}: {rollout.reason}")
    model = tree.add(f"model {decision.model}, digest {decision.digest[:16]}…")
    model.add(f"bundle {decision.model_uri}")
    model.add(f"MLflow run {decision.run_id}")
    model.add(f"{decision.decision} {decision.decided_at:%F %T}: {'; '.join(decision.reasons)}")
    for drift in lineage.drift:
        model.add(f"requested by drift verdict {drift.verdict!r}: {'; '.join(drift.reasons)}")
    for check in lineage.looks:
        model.add(f"requested by monitoring: {'; '.join(check.reasons)}")
    count = len(lineage.batches)
    data = tree.add(f"trained on {count} {'batch' if count == 1 else 'batches'}")
    for batch in lineage.batches:
        data.add(
            f"batch {batch.batch_number} of {batch.source}: {batch.rows_clean:,} clean of "
            f"{batch.rows_raw:,} rows, {batch.raw_uri}"
        )
    return tree
