"""The shadows, and their comparisons with what was served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tasador.clock import now
from tasador.records.shadow import ComparisonRecord, ShadowRecord
from tasador.warehouse import schema
from tasador.warehouse.database import Database, values_of

_PER_STATEMENT = 1000


class Shadows(Database):
    """ops.shadows and ops.shadow_predictions."""

    def start_shadow(self, record: ShadowRecord) -> ShadowRecord:
        """Open a shadow; returns the one that is open already, if there is one."""
        table = schema.shadows
        return self._insert_once(table, record, table.c.ended_at.is_(None))

    def open_shadow(self) -> ShadowRecord | None:
        """The open shadow, if there is one."""
        table = schema.shadows
        matches = self._select(ShadowRecord, table, table.c.ended_at.is_(None))
        return matches[0] if matches else None

    def newest_shadow(self) -> ShadowRecord | None:
        """The shadow that was started last, open or not."""
        table = schema.shadows
        newest = [table.c.shadow_id.desc()]
        matches = self._select(ShadowRecord, table, order=newest, limit=1)
        return matches[0] if matches else None

    def mirror_to_shadow(self, shadow_id: int) -> None:
        """Record that requests are mirrored to this shadow from now on."""
        table = schema.shadows
        where = (table.c.shadow_id == shadow_id, table.c.mirroring_at.is_(None))
        with self._begin() as connection:
            connection.execute(update(table).where(*where).values(mirroring_at=now()))

    def end_shadow(self, by: str, reason: str) -> ShadowRecord | None:
        """End the open shadow; returns it, or None if there was none."""
        table = schema.shadows
        columns = [table.c[f.name] for f in fields(ShadowRecord)]
        ending = (
            update(table)
            .where(table.c.ended_at.is_(None))
            .values(ended_at=now(), ended_by=by, reason=reason)
        )
        with self._begin() as connection:
            row = connection.execute(ending.returning(*columns)).one_or_none()
        return None if row is None else ShadowRecord(**row._mapping)

    def log_comparisons(self, records: Sequence[ComparisonRecord]) -> int:
        """Store the comparisons that are not stored yet; returns how many those were."""
        table = schema.shadow_predictions
        written = 0
        with self._begin() as connection:
            for start in range(0, len(records), _PER_STATEMENT):
                part = records[start : start + _PER_STATEMENT]
                values = [values_of(table, record) for record in part]
                statement = upsert(table).values(values).on_conflict_do_nothing()
                written += connection.execute(statement).rowcount
        return written

    def comparisons(
        self, digest: str, since: datetime, until: datetime, limit: int
    ) -> list[ComparisonRecord]:
        """The newest comparisons of a shadow in a window, newest first."""
        table = schema.shadow_predictions
        c = table.c
        where = (c.model_digest == digest, c.compared_at >= since, c.compared_at < until)
        newest = [c.compared_at.desc(), c.prediction_id]
        return self._select(ComparisonRecord, table, *where, order=newest, limit=limit)

    def unanswered(self, digest: str, since: datetime, until: datetime) -> tuple[int, int]:
        """(predictions made in a window, those of them that the shadow did not compare)."""
        made, compared = schema.inference_logs, schema.shadow_predictions
        answered = (
            select(compared.c.prediction_id)
            .where(compared.c.prediction_id == made.c.prediction_id)
            .where(compared.c.model_digest == digest)
            .exists()
        )
        statement = select(func.count(), func.count().filter(~answered)).where(
            made.c.predicted_at >= since,
            made.c.predicted_at < until,
            made.c.model_digest != digest,
        )
        with self._begin() as connection:
            predictions, missing = connection.execute(statement).one()
        return int(predictions), int(missing)
