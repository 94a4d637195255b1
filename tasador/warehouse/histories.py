"""The histories: drift verdicts, decisions on models, rollouts and monitoring checks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, text

from tasador.model.model_ref import ModelRef
from tasador.records.loop import (
    APPROVER_DECISIONS,
    GATE_DECISIONS,
    PROMOTING,
    DecisionRecord,
    DriftRecord,
    MonitorRecord,
    RolloutRecord,
    Verdict,
)
from tasador.warehouse import schema
from tasador.warehouse.database import Database

# Versions of one name and number, after as many models were deleted and begun again.
_SAME_NUMBER = 100

# A few look-ups in indexes; pages ask for it several times a second.
_CHANGE_MARK = text("""
select concat_ws('.',
    (select max(drift_id) from ops.drift_history),
    (select max(promotion) from ops.model_history),
    (select max(rollout_id) from ops.rollout_history),
    (select max(monitor_id) from ops.monitor_history),
    (select max(pause_id) || '-' || count(resumed_at) from ops.rollout_pauses),
    (select count(*) || '-' || extract(epoch from
        max(greatest(fetched_at, ready_at, refused_at, accepted_at, set_aside_at)))
        from ops.batches)
)
""")


class Histories(Database):
    """ops.drift_history, ops.model_history, ops.rollout_history and ops.monitor_history."""

    def change_mark(self) -> str:
        """A text that differs once a batch, verdict, decision, rollout, pause or check is added."""
        with self._begin() as connection:
            return str(connection.execute(_CHANGE_MARK).scalar_one())

    def record_drift(self, record: DriftRecord) -> DriftRecord:
        """Record a verdict; returns the existing one if this batch and champion have one.

        A batch that was accepted after its feed broke may have another verdict as well.
        """
        c = schema.drift_history.c
        broken = c.verdict == "broken_feed"
        same = (
            c.batch_id == record.batch_id,
            c.model_name == record.model_name,
            c.champion_version == record.champion_version,
            c.champion_digest == record.champion_digest,
            broken if record.verdict == "broken_feed" else ~broken,
        )
        return self._insert_once(schema.drift_history, record, *same)

    def drift_history(self, limit: int = 100, *, name: str = "") -> list[DriftRecord]:
        """The verdicts, newest first; for ``name`` see ``newest_verdict``."""
        newest = [schema.drift_history.c.drift_id.desc()]
        where = _judged_for(name)
        return self._select(DriftRecord, schema.drift_history, *where, order=newest, limit=limit)

    def newest_verdicts(self) -> dict[str, DriftRecord]:
        """The newest verdict on each batch that has one, by batch id."""
        c = schema.drift_history.c
        newest = select(func.max(c.drift_id)).group_by(c.batch_id)
        records = self._select(DriftRecord, schema.drift_history, c.drift_id.in_(newest))
        return {record.batch_id: record for record in records}

    def verdicts_by_batch(self, name: str = "") -> dict[str, set[Verdict]]:
        """Which verdicts each batch has, by batch id; for ``name`` see ``newest_verdict``."""
        c = schema.drift_history.c
        statement = select(c.batch_id, c.verdict).where(*_judged_for(name)).distinct()
        verdicts: dict[str, set[Verdict]] = {}
        with self._begin() as connection:
            for batch_id, verdict in connection.execute(statement):
                verdicts.setdefault(batch_id, set()).add(verdict)
        return verdicts

    def newest_verdict(self, name: str) -> DriftRecord | None:
        """The newest verdict against the champions of ``name`` that is not a broken feed."""
        c = schema.drift_history.c
        where = (*_judged_for(name), c.verdict != "broken_feed")
        newest = [c.drift_id.desc()]
        matches = self._select(DriftRecord, schema.drift_history, *where, order=newest, limit=1)
        return matches[0] if matches else None

    def verdicts_of(self, correlation_id: str) -> list[DriftRecord]:
        """The verdicts with that correlation id, oldest first."""
        c = schema.drift_history.c
        where = c.correlation_id == correlation_id
        return self._select(DriftRecord, schema.drift_history, where, order=[c.drift_id])

    def verdicts_on(self, batch_ids: Sequence[str]) -> list[DriftRecord]:
        """The verdicts on these batches, newest first."""
        c = schema.drift_history.c
        newest = [c.drift_id.desc()]
        return self._select(
            DriftRecord, schema.drift_history, c.batch_id.in_(batch_ids), order=newest
        )

    def decisions_after(
        self, name: str, correlation_ids: Sequence[str]
    ) -> dict[str, DecisionRecord]:
        """The newest decision on a version, no rollback, that each correlation id led to."""
        c = schema.model_history.c
        where = (
            c.model_name == name,
            c.decision != "rolled_back",
            c.correlation_id.in_(correlation_ids),
        )
        decisions: dict[str, DecisionRecord] = {}
        for decision in self._decisions(*where, limit=None):
            decisions.setdefault(decision.correlation_id, decision)
        return decisions

    def record_decision(self, record: DecisionRecord) -> DecisionRecord:
        """Record a decision and number it.

        Returns the existing one if the gate has decided about this training, or a person has
        reviewed it, before. A rollback is always recorded as a new decision.
        """
        c = schema.model_history.c
        kinds = APPROVER_DECISIONS if record.decision in APPROVER_DECISIONS else GATE_DECISIONS
        same = (c.training_id == record.training_id, c.decision.in_(kinds))
        return self._insert_once(schema.model_history, record, *same)

    def model_history(self, limit: int = 100, *, name: str = "") -> list[DecisionRecord]:
        """The decisions (or only those on one registered model), newest first."""
        where = (schema.model_history.c.model_name == name,) if name else ()
        return self._decisions(*where, limit=limit)

    def promotions(self, name: str, limit: int = 100) -> list[DecisionRecord]:
        """The promotions and rollbacks of a registered model, newest first."""
        c = schema.model_history.c
        return self._decisions(c.model_name == name, c.decision.in_(PROMOTING), limit=limit)

    def latest_promotion(self, name: str) -> DecisionRecord | None:
        """The decision that should be in service: the model's newest promotion or rollback."""
        matches = self.promotions(name, limit=1)
        return matches[0] if matches else None

    def promotion(self, number: int) -> DecisionRecord | None:
        """The decision with that number, which may promote nothing."""
        matches = self._decisions(schema.model_history.c.promotion == number, limit=1)
        return matches[0] if matches else None

    def gate_decision(self, model: ModelRef) -> DecisionRecord | None:
        """The newest decision about the version with that name, number and digest."""
        matches = self.gate_decisions(model.name, model.version)
        return next((d for d in matches if d.digest == model.digest), None)

    def gate_decisions(self, name: str, version: int) -> list[DecisionRecord]:
        """The decisions of the gate and of reviews on every version of that name and number.

        Newest first. There are several if the model was deleted from the registry and begun again.
        """
        c = schema.model_history.c
        where = (c.model_name == name, c.version == version, c.decision != "rolled_back")
        return self._decisions(*where, limit=_SAME_NUMBER)

    def decision_of_training(self, training_id: str) -> DecisionRecord | None:
        """What the gate decided about the version of that training."""
        c = schema.model_history.c
        where = (c.training_id == training_id, c.decision.in_(GATE_DECISIONS))
        matches = self._decisions(*where, limit=1)
        return matches[0] if matches else None

    def _decisions(self, *where: ColumnElement[bool], limit: int | None) -> list[DecisionRecord]:
        table = schema.model_history
        newest = [table.c.promotion.desc()]
        return self._select(DecisionRecord, table, *where, order=newest, limit=limit)

    def record_rollout(self, record: RolloutRecord) -> RolloutRecord:
        """Record how an attempt ended; service, promotion and start identify an attempt."""
        c = schema.rollout_history.c
        same = (
            c.service == record.service,
            c.promotion == record.promotion,
            c.started_at == record.started_at,
        )
        return self._insert_once(schema.rollout_history, record, *same)

    def rollout_history(self, limit: int = 100) -> list[RolloutRecord]:
        """The attempts, newest first."""
        newest = [schema.rollout_history.c.rollout_id.desc()]
        return self._select(RolloutRecord, schema.rollout_history, order=newest, limit=limit)

    def record_monitoring(self, record: MonitorRecord) -> MonitorRecord:
        """Record a monitoring check; returns the existing record if the check is repeated."""
        same = _same_check(record.champion, record.window_to)
        return self._insert_once(schema.monitor_history, record, *same)

    def monitoring_check(self, champion: ModelRef, window_to: datetime) -> MonitorRecord | None:
        """The monitoring check of a champion's requests up to ``window_to``, if recorded."""
        where = _same_check(champion, window_to)
        matches = self._select(MonitorRecord, schema.monitor_history, *where)
        return matches[0] if matches else None

    def monitor_history(
        self, limit: int = 100, *, requested_training: bool = False, name: str = ""
    ) -> list[MonitorRecord]:
        """The monitoring checks, newest first.

        Or only those that requested training, and only those of one registered model.
        """
        c = schema.monitor_history.c
        where: list[ColumnElement[bool]] = [c.requested_training] if requested_training else []
        where += [c.model_name == name] if name else []
        newest = [c.monitor_id.desc()]
        return self._select(
            MonitorRecord, schema.monitor_history, *where, order=newest, limit=limit
        )


def _judged_for(name: str) -> tuple[ColumnElement[bool], ...]:
    """Verdicts against the champions of a registered model; rows of older releases have no name."""
    return (schema.drift_history.c.model_name.in_((name, "")),) if name else ()


def _same_check(champion: ModelRef, window_to: datetime) -> tuple[ColumnElement[bool], ...]:
    c = schema.monitor_history.c
    return (
        c.model_name == champion.name,
        c.champion_version == champion.version,
        c.champion_digest == champion.digest,
        c.window_to == window_to,
    )
