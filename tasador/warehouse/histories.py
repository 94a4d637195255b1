"""The histories: drift verdicts, decisions on models, rollouts and monitoring checks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement

from tasador.records import DecisionRecord, DriftRecord, MonitorRecord, RolloutRecord
from tasador.warehouse import schema
from tasador.warehouse.database import Database


class Histories(Database):
    """ops.drift_history, ops.model_history, ops.rollout_history and ops.monitor_history."""

    def record_drift(self, record: DriftRecord) -> DriftRecord:
        """Record a verdict; returns the existing one if this batch and champion have one."""
        c = schema.drift_history.c
        same = (c.batch_id == record.batch_id, c.champion_version == record.champion_version)
        return self._insert_once(schema.drift_history, record, *same)

    def drift_history(self, limit: int = 100) -> list[DriftRecord]:
        """The verdicts, newest first."""
        newest = [schema.drift_history.c.drift_id.desc()]
        return self._select(DriftRecord, schema.drift_history, order=newest, limit=limit)

    def record_decision(self, record: DecisionRecord) -> DecisionRecord:
        """Record a decision and number it; returns the existing one if this training has one.

        A rollback is always recorded as a new decision.
        """
        c = schema.model_history.c
        same = (c.training_id == record.training_id, c.decision != "rolled_back")
        return self._insert_once(schema.model_history, record, *same)

    def model_history(self, limit: int = 100) -> list[DecisionRecord]:
        """The decisions, newest first."""
        return self._decisions(limit=limit)

    def latest_promotion(self) -> DecisionRecord | None:
        """The decision that should be in service: the newest promotion or rollback."""
        matches = self._decisions(schema.model_history.c.decision != "rejected", limit=1)
        return matches[0] if matches else None

    def decision(self, version: int) -> DecisionRecord | None:
        """What the gate decided about the version (not a later rollback to it)."""
        c = schema.model_history.c
        matches = self._decisions(c.version == version, c.decision != "rolled_back", limit=1)
        return matches[0] if matches else None

    def _decisions(self, *where: ColumnElement[bool], limit: int) -> list[DecisionRecord]:
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
        same = _same_check(record.model_name, record.champion_version, record.window_to)
        return self._insert_once(schema.monitor_history, record, *same)

    def monitoring_check(
        self, name: str, version: int, window_to: datetime
    ) -> MonitorRecord | None:
        """The monitoring check of a version's requests up to ``window_to``, if recorded."""
        where = _same_check(name, version, window_to)
        matches = self._select(MonitorRecord, schema.monitor_history, *where)
        return matches[0] if matches else None

    def monitor_history(
        self, limit: int = 100, *, requested_training: bool = False
    ) -> list[MonitorRecord]:
        """The monitoring checks (or only those that requested training), newest first."""
        c = schema.monitor_history.c
        where = (c.asked,) if requested_training else ()
        newest = [c.monitor_id.desc()]
        return self._select(
            MonitorRecord, schema.monitor_history, *where, order=newest, limit=limit
        )


def _same_check(name: str, version: int, window_to: datetime) -> tuple[ColumnElement[bool], ...]:
    c = schema.monitor_history.c
    return c.model_name == name, c.champion_version == version, c.window_to == window_to
