"""The course's six batches: does the champion get worse from one to the next?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.judged import Figures, Log, held_out, trained
from tasador.gate.checks import judge
from tasador.gate.measures import Evaluation, r2
from tasador.listings.listing import COLUMNS
from tasador.model.bundle import Bundle
from tasador.source.course import course_batch
from tasador.training.evaluation import evaluate


def course(
    frame: pd.DataFrame, seeds: Sequence[int], trials: int, scratch: Path, log: Log
) -> Figures:
    """The six batches by the course's rule: R² of the champion after each, on a national holdout.

    "course fall" is the largest mean fall from one batch to the next beyond noise. Noise is twice
    the standard deviation over the seeds (which change the properties trained on and judged) and
    over a bootstrap of the judged properties.
    """
    texts = frame[list(COLUMNS)].astype(object).where(frame.notna(), "").astype(str)
    numbers = [
        None if "" in row else course_batch(list(row)) for row in texts.itertuples(index=False)
    ]
    batch = np.array([-1 if n is None else n for n in numbers])
    runs = [
        _course_of(frame.assign(holdout=held_out(frame, seed)), batch, seed, trials, scratch, log)
        for seed in seeds
    ]
    figures: Figures = {f"course {number}": [] for number in range(6)}
    for served in runs:
        for number, model in enumerate(served):
            value = math.nan if model is None else r2(model.actual, model.predicted)
            figures[f"course {number}"].append(value)
    beyond = [
        _beyond_noise([(served[step], served[step + 1]) for served in runs]) for step in range(5)
    ]
    return {**figures, "course fall": [max(beyond)]}


def _course_of(
    frame: pd.DataFrame,
    batch: np.ndarray,
    seed: int,
    trials: int,
    scratch: Path,
    log: Log,
) -> list[Evaluation | None]:
    """The champion after each batch, evaluated on the national holdout; None without a champion."""
    national = frame[frame["holdout"]]
    champion: Bundle | None = None
    served: list[Evaluation | None] = []
    for last in range(6):
        rows = frame[(batch >= 0) & (batch <= last)]
        challenger = trained(rows, scratch / f"course-{seed}-{last}", trials=trials, seed=seed)
        known = None if champion is None else evaluate(champion, rows)
        if judge(evaluate(challenger, rows), known).promote:
            champion = challenger
        served.append(None if champion is None else evaluate(champion, national))
    values = [math.nan if model is None else r2(model.actual, model.predicted) for model in served]
    log(f"course, seed {seed}: " + " ".join(f"{value:.3f}" for value in values))
    return served


def _beyond_noise(steps: list[tuple[Evaluation | None, Evaluation | None]]) -> float:
    """The mean fall of R² from the first to the second, beyond noise."""
    falls = [_falls(old, new) for old, new in steps if old is not None and new is not None]
    if not falls:
        return 0.0
    fall = np.array([mean for mean, _ in falls])
    by_seeds = fall.var(ddof=1) if len(fall) > 1 else 0.0
    by_rows = np.mean([resamples.var() for _, resamples in falls])
    return max(0.0, float(fall.mean() - 2 * np.sqrt(by_seeds + by_rows)))


def _falls(old: Evaluation, new: Evaluation) -> tuple[float, np.ndarray]:
    """The fall of R², and in 200 resamples of the properties, which are the same in each call."""
    draw = np.random.default_rng(0)
    _, owner = np.unique(old.key.astype(str), return_inverse=True)
    worse = (new.predicted - new.actual) ** 2 - (old.predicted - old.actual) ** 2

    def fall(weight: np.ndarray) -> float:
        mean = np.average(old.actual, weights=weight)
        return float(np.sum(weight * worse) / np.sum(weight * (old.actual - mean) ** 2))

    resamples = [fall(draw.poisson(1.0, owner.max() + 1)[owner].astype(float)) for _ in range(200)]
    return fall(np.ones(len(worse))), np.array(resamples)
