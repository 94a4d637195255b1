"""Has the market moved away from what the champion knows? NannyML measures, effect sizes decide."""

from tasador.drift.baseline import Baseline, learn
from tasador.drift.checks import Finding
from tasador.drift.judge import DriftReport, Judge, judge_batch, judge_requests
from tasador.drift.measures import DriftError
from tasador.drift.reference import make_reference
from tasador.drift.thresholds import Thresholds

__all__ = [
    "Baseline",
    "DriftError",
    "DriftReport",
    "Finding",
    "Judge",
    "Thresholds",
    "judge_batch",
    "judge_requests",
    "learn",
    "make_reference",
]
