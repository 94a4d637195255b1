"""Tables and trees that commands print with Rich."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text
from rich.tree import Tree

from tasador.cli.output import dollars

if TYPE_CHECKING:
    from tasador.gate.churn import Move
    from tasador.operations.lineage import Lineage
    from tasador.records.account import Account, ActionRecord
    from tasador.records.loop import (
        Batch,
        DecisionRecord,
        DriftRecord,
        MonitorRecord,
    )
    from tasador.records.review import ReviewRecord
    from tasador.stores.model_version import ModelVersion
    from tasador.warehouse.ledger import LedgerEntry


def metrics_table(metrics: Mapping[str, float], title: str) -> Table:
    """The metrics of a new model."""
    table = Table("metric on the holdout", "value", title=title)
    for name, value in metrics.items():
        table.add_row(name, f"{value:,.4g}")
    return table


def models_report(
    versions: Sequence[ModelVersion], decisions: Mapping[tuple[str, int, str], DecisionRecord]
) -> Group:
    """The registered versions; the gate's decision and its reasons by name, version and digest."""
    if not versions:
        return Group("none: `tasador pipeline` trains the first version")
    table = Table("version", "alias", "decision", "R²", "median error")
    reasons: list[Text] = []
    for version in versions:
        decision = decisions.get(version.model.key)
        if decision is None:
            table.add_row(str(version.version), " ".join(version.aliases), "none yet", "", "")
            continue
        table.add_row(
            str(version.version),
            " ".join(version.aliases),
            f"{decision.decision} {decision.decided_at:%Y-%m-%d %H:%M}",
            f"{decision.metrics.get('r2', float('nan')):.3f}",
            f"{decision.metrics.get('median_error', float('nan')):.1%}",
        )
        reasons.append(Text(f"version {version.version} {decision.decision}"))
        reasons += _bullets(decision.reasons)
    return Group(table, *reasons)


def ledger_report(entries: Sequence[LedgerEntry]) -> Group | Table:
    """What versions said of later batches, and what their holdouts had promised."""
    if not entries:
        return Group("none: no batch has been judged since a version was trained")
    table = Table(
        "version", "batch", "judged", "rows", "median error", "promised", "median ratio", "promised"
    )
    for entry in entries:
        table.add_row(
            str(entry.model.version),
            entry.batch_id[:12],
            f"{entry.judged_at:%Y-%m-%d %H:%M}",
            f"{entry.figures['rows']:,.0f}",
            *(
                form.format(figures[name]) if name in figures else ""
                for name, form in (("median_error", "{:.1%}"), ("median_ratio", "{:.3f}"))
                for figures in (entry.figures, entry.promised)
            ),
        )
    return table


def batches_report(batches: Sequence[Batch], verdicts: Mapping[str, DriftRecord]) -> Group:
    """Batches, and the reasons of the newest verdict on each that was refused or drifted."""
    if not batches:
        return Group("none: `tasador pipeline` ingests the source's batches")
    table = Table(
        "batch", Column("id", overflow="fold"), "status", "clean", "quarantine", "verdict"
    )
    reasons: list[Text] = []
    for batch in batches:
        verdict = verdicts.get(batch.batch_id)
        refused: str = "refused" if batch.refused else batch.status
        if batch.set_aside_at is not None:
            refused = "set aside"
        table.add_row(
            str(batch.batch_number),
            batch.batch_id,
            "accepted" if batch.accepted_at else refused,
            f"{batch.rows_clean:,}",
            f"{batch.rows_quarantined:,}",
            verdict.verdict.replace("_", " ") if verdict else "none yet",
        )
        if verdict is not None and verdict.verdict in ("broken_feed", "drift"):
            reasons.append(Text(f"batch {batch.batch_number} {verdict.verdict.replace('_', ' ')}"))
            reasons += _bullets(verdict.reasons)
        if batch.failure:
            reasons.append(Text(f"batch {batch.batch_number} failed {batch.failures} times"))
            reasons += _bullets([batch.failure])
    return Group(table, *reasons)


def reviews_report(reviews: Sequence[ReviewRecord]) -> Group:
    """Drawn predictions, the verdicts of people, and how many have each."""
    if not reviews:
        return Group("none: no prediction was drawn")
    table = Table(
        "week", Column("prediction", overflow="fold"), "version", "price", "verdict", "by", "note"
    )
    for review in reviews:
        table.add_row(
            review.week,
            review.prediction_id,
            str(review.model_version),
            dollars(review.price),
            (review.verdict or "open").replace("_", " "),
            review.reviewed_by,
            review.note,
        )
    counts = Counter((review.verdict or "open").replace("_", " ") for review in reviews)
    return Group(table, ", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def moves_report(moves: Sequence[Move]) -> Table:
    """The requests whose price differs most between what served and a shadow."""
    table = Table("served", "shadow", "change", Column("request", overflow="fold"))
    for move in moves:
        listing = ", ".join(
            f"{name} {value:,g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in move.listing.items()
        )
        change = f"{move.change:+.0%}"
        table.add_row(dollars(move.before), dollars(move.after), change, listing)
    return table


def accounts_report(accounts: Sequence[Account]) -> Group:
    """Who may sign in to the web app."""
    if not accounts:
        return Group("none: `tasador user add NAME --role operator` adds the first account")
    table = Table("name", "role", "added", "by", "password set")
    for account in accounts:
        table.add_row(
            Text(account.name),
            account.role,
            f"{account.created_at:%Y-%m-%d %H:%M}",
            Text(account.created_by),
            f"{account.password_set_at:%Y-%m-%d %H:%M}",
        )
    return Group(table)


def actions_report(actions: Sequence[ActionRecord]) -> Group:
    """What people did, newest first."""
    if not actions:
        return Group("none: nobody has done anything yet")
    table = Table("when", "who", "by", "what", "target", "outcome", "detail")
    for action in actions:
        detail = " · ".join(filter(None, (action.note, action.detail)))
        table.add_row(
            f"{action.begun_at:%Y-%m-%d %H:%M:%S}",
            Text(action.actor or "unknown"),
            action.channel,
            Text(action.action),
            Text(action.target),
            action.outcome or "unfinished",
            Text(detail),
        )
    return Group(table)


def monitoring_report(checks: Sequence[MonitorRecord]) -> Group:
    """Monitoring checks and their reasons; errors are shown as percentages of the price."""
    if not checks:
        return Group("none: `tasador monitor` makes the first check")
    table = Table("until", "version", "requests", "verdict", "estimated", "realised")
    reasons: list[Text] = []
    for check in checks:
        until = f"{check.window_to:%Y-%m-%d %H:%M}"
        errors = (check.estimated_error, check.realised_error)
        table.add_row(
            until,
            str(check.champion_version),
            f"{check.predictions:,}",
            check.verdict,
            *("none" if error is None else f"{math.expm1(error):.0%}" for error in errors),
        )
        reasons.append(Text(f"{until} {check.verdict}"))
        reasons += _bullets([*check.reasons, *filter(None, [check.request_reason])])
    return Group(table, *reasons)


def dead_letters_report(letters: Sequence[Mapping[str, Any]]) -> Group:
    """Events that could not be delivered, each with its subscriber and the reason."""
    if not letters:
        return Group("none: every event was delivered")
    lines: list[Text] = []
    for letter in letters:
        event, status = letter["event"], letter["status"]
        lines.append(Text(f"{letter['time'][:19]} {event['type']} {event['id']}"))
        answer = f"HTTP {status}: " if status else ""
        lines += _bullets([f"{letter['subscriber']}: {answer}{letter['reason'][:200]}"])
    return Group(*lines)


def _bullets(sentences: Iterable[str]) -> list[Text]:
    return [Text(f"  · {sentence}") for sentence in sentences]


def lineage_tree(lineage: Lineage) -> Tree:
    """A prediction with its revision, its model and the batches that it was trained on."""
    prediction, decision = lineage.prediction, lineage.decision
    tree = Tree(
        f"prediction {prediction.prediction_id}: {dollars(prediction.price)} "
        f"at {prediction.predicted_at:%F %T}"
    )
    revision = tree.add(
        f"revision {prediction.revision or '(none)'}, correlation id {prediction.correlation_id}, "
        f"trace {lineage.trace_id}"
    )
    for rollout in lineage.rollouts:
        revision.add(f"{rollout.outcome} since {rollout.finished_at:%F %T}: {rollout.reason}")
    model = tree.add(f"model {decision.model}, digest {decision.digest[:16]}…")
    model.add(f"bundle {decision.model_uri}")
    model.add(f"MLflow run {decision.run_id}")
    because = model.add(f"{decision.decision} {decision.decided_at:%F %T}")
    _add_all(because, decision.reasons)
    for drift in lineage.drift:
        _add_all(model.add(f"requested by drift verdict {drift.verdict!r}"), drift.reasons)
    for check in lineage.checks:
        _add_all(model.add("requested by monitoring"), check.reasons)
    count = len(lineage.batches)
    data = tree.add(f"trained on {count} {'batch' if count == 1 else 'batches'}")
    for batch in lineage.batches:
        data.add(
            f"batch {batch.batch_number} of {batch.source}: {batch.rows_clean:,} clean of "
            f"{batch.rows_raw:,} rows, {batch.raw_uri}"
            + (f" (deleted {batch.payload_deleted_at:%F %T})" if batch.payload_deleted_at else "")
            + (f", accepted by hand {batch.accepted_at:%F %T}" if batch.accepted_at else "")
        )
    return tree


def _add_all(branch: Tree, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        branch.add(Text(sentence))
