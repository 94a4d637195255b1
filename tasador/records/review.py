"""The record of a person's review of a prediction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tasador.clock import now

ReviewVerdict = Literal["accept", "too_high", "too_low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRecord:
    """ops.prediction_reviews: a prediction that was drawn at random for a person to review.

    ``week`` is the ISO week of the draw, such as 2026-W48. ``verdict`` is None until the review.
    """

    prediction_id: str
    predicted_at: datetime
    model_name: str
    model_version: int
    model_digest: str
    price: float
    listing: dict[str, Any]
    week: str
    drawn_at: datetime = field(default_factory=now)
    verdict: ReviewVerdict | None = None
    note: str = ""
    reviewed_by: str = ""
    reviewed_at: datetime | None = None
    review_id: int | None = None
