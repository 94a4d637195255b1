"""The sample of predictions that people review."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime

from sqlalchemy import func, insert, literal, select, text, update

from tasador.records.review import ReviewRecord, ReviewVerdict
from tasador.warehouse import schema
from tasador.warehouse.database import Database

# The columns of a review that are copied from its prediction.
_COPIED = (
    "prediction_id",
    "predicted_at",
    "model_name",
    "model_version",
    "model_digest",
    "price",
    "listing",
)


class Reviews(Database):
    """ops.prediction_reviews."""

    def draw_reviews(
        self, week: str, since: datetime, until: datetime, count: int, at: datetime
    ) -> list[ReviewRecord]:
        """Draw ``count`` predictions of a week at random; returns the sample that is stored.

        They are those with the smallest SHA-256 of week and id: nobody chooses them, and anybody
        can repeat the draw. A week that has a sample keeps it.
        """
        made, drawn = schema.inference_logs.c, schema.prediction_reviews
        place = func.sha256(func.convert_to(func.concat(week, made.prediction_id), "UTF8"))
        sample = (
            select(
                *(made[name] for name in _COPIED),
                literal(week),
                literal(at),
                literal(""),
                literal(""),
            )
            .where(made.predicted_at >= since, made.predicted_at < until)
            .order_by(place, made.prediction_id)
            .limit(count)
        )
        columns = [*_COPIED, "week", "drawn_at", "note", "reviewed_by"]
        with self._begin() as connection:
            lock = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
            connection.execute(lock, {"name": drawn.fullname})
            known = select(drawn.c.review_id).where(drawn.c.week == week).limit(1)
            if connection.execute(known).one_or_none() is None:
                connection.execute(insert(drawn).from_select(columns, sample))
        return self.reviews(week=week)

    def reviews(self, *, week: str = "", is_open: bool = False) -> list[ReviewRecord]:
        """The drawn predictions (of one week, or those without a verdict), in order."""
        c = schema.prediction_reviews.c
        where = [c.week == week] if week else []
        where += [c.reviewed_at.is_(None)] if is_open else []
        return self._select(ReviewRecord, schema.prediction_reviews, *where, order=[c.review_id])

    def record_review(
        self, prediction_id: str, verdict: ReviewVerdict, note: str, by: str, at: datetime
    ) -> ReviewRecord | None:
        """Store a verdict on a drawn prediction; returns the review, None if it was not drawn.

        A review that has a verdict keeps it and is returned unchanged.
        """
        table = schema.prediction_reviews
        columns = [table.c[f.name] for f in fields(ReviewRecord)]
        changing = (
            update(table)
            .where(table.c.prediction_id == prediction_id, table.c.reviewed_at.is_(None))
            .values(verdict=verdict, note=note, reviewed_by=by, reviewed_at=at)
        )
        stored = select(*columns).where(table.c.prediction_id == prediction_id)
        with self._begin() as connection:
            row = connection.execute(changing.returning(*columns)).one_or_none()
            row = row or connection.execute(stored).one_or_none()
        return None if row is None else ReviewRecord(**row._mapping)
