"""The pauses of rollouts."""

from __future__ import annotations

from dataclasses import fields

from sqlalchemy import update

from tasador.clock import now
from tasador.records.loop import PauseRecord
from tasador.warehouse import schema
from tasador.warehouse.database import Database


class Pauses(Database):
    """ops.rollout_pauses."""

    def pause_rollouts(self, record: PauseRecord) -> PauseRecord:
        """Pause rollouts; returns the pause that is open already, if there is one."""
        c = schema.rollout_pauses.c
        return self._insert_once(schema.rollout_pauses, record, c.resumed_at.is_(None))

    def rollout_pause(self) -> PauseRecord | None:
        """The open pause, if rollouts are paused."""
        table = schema.rollout_pauses
        matches = self._select(PauseRecord, table, table.c.resumed_at.is_(None))
        return matches[0] if matches else None

    def force_promotion(self, promotion: int) -> None:
        """Let one promotion be rolled out although rollouts are paused."""
        self._change(forced_promotion=promotion)

    def resume_rollouts(self, by: str) -> PauseRecord | None:
        """End the pause; returns it, or None if rollouts were not paused."""
        return self._change(resumed_at=now(), resumed_by=by)

    def _change(self, **values: object) -> PauseRecord | None:
        table = schema.rollout_pauses
        columns = [table.c[f.name] for f in fields(PauseRecord)]
        changing = update(table).where(table.c.resumed_at.is_(None)).values(**values)
        with self._begin() as connection:
            row = connection.execute(changing.returning(*columns)).one_or_none()
        return None if row is None else PauseRecord(**row._mapping)
