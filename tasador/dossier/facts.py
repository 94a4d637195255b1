"""The inputs of a dossier, and the measurements that its pages share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array
from tasador.dossier.effects import Effects, effects_of
from tasador.errors import TrainingError
from tasador.gate.measures import Evaluation
from tasador.listings.listing import MARKET_PRICE
from tasador.listings.table import columns_of
from tasador.ratio_study.groups import COMPLETE, NO_SIZE, PARTIAL, completeness
from tasador.ratio_study.study import ALL, Study, metrics_of
from tasador.records.loop import Batch, DecisionRecord
from tasador.training.evaluation import by_slice, evaluate, measure, ratio_study
from tasador.training.leave_out import LeftOut, leave_states_out

if TYPE_CHECKING:
    import pandas as pd

    from tasador.drift.baseline import Baseline
    from tasador.model.bundle import Bundle
    from tasador.progress import Progress


# Leaving states out ranks nothing, so a sample of the rows is enough.
LEFT_OUT_ROWS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The inputs: a version's bundle, its decision, and the rows behind them.

    ``frame`` holds the clean rows of ``batches``, which the version was trained on, ``holdout`` the
    rows that it was judged on, ``reference`` its drift reference and ``baseline`` the drift
    baseline learned from that, ``params`` its training parameters, ``rotations`` the number of
    trainings without some of the states.
    """

    bundle: Bundle
    record: DecisionRecord
    batches: Sequence[Batch]
    frame: pd.DataFrame
    holdout: pd.DataFrame
    reference: pd.DataFrame
    baseline: Baseline | None
    params: Mapping[str, Any]
    rotations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The measurements. ``groups`` maps a group of known fields to its evaluation rows, bool [n].

    ``left_out`` is None if no state could be left out; ``no_left_out`` then gives the reason.
    """

    evaluation: Evaluation
    ratio_study: Study
    slices: list[dict[str, Any]]
    groups: dict[str, Array]
    by_group: dict[str, dict[str, float]]
    effects: Effects
    left_out: LeftOut | None
    no_left_out: str


def measure_all(facts: Facts, progress: Progress | None = None) -> Measured:
    """Measure everything in the dossier; about ten seconds, mostly for the left-out states."""
    low, high = MARKET_PRICE
    rows = facts.holdout[facts.holdout["price"].between(low, high)]
    evaluation = evaluate(facts.bundle, rows)
    groups = _groups(columns_of(rows))
    left_out, why = _left_out(facts, progress)
    return Measured(
        evaluation=evaluation,
        ratio_study=ratio_study(evaluation),
        slices=by_slice(evaluation),
        groups=groups,
        by_group={
            name: _metrics_of(evaluation, held) for name, held in groups.items() if held.any()
        },
        effects=effects_of(facts.bundle, rows),
        left_out=left_out,
        no_left_out=why,
    )


def _left_out(facts: Facts, progress: Progress | None) -> tuple[LeftOut | None, str]:
    """The figures of states left out, or None and the reason."""
    if not facts.rotations:
        return None, "TASADOR_DOSSIER_ROTATIONS is 0"
    try:
        return (
            leave_states_out(
                facts.frame,
                facts.params,
                rotations=facts.rotations,
                rows=LEFT_OUT_ROWS,
                progress=progress,
            ),
            "",
        )
    except TrainingError as error:
        return None, str(error)


def _groups(columns: dict[str, Array]) -> dict[str, Array]:
    known = completeness(columns)
    groups = {name: known == name for name in (COMPLETE, PARTIAL, NO_SIZE)}
    return {ALL: np.ones(len(known), dtype=bool), **groups}


def _metrics_of(evaluation: Evaluation, rows: Array) -> dict[str, float]:
    actual, predicted = evaluation.actual[rows], evaluation.predicted[rows]
    return {
        **measure(
            actual,
            predicted,
            {level: values[rows] for level, values in evaluation.low.items()},
            {level: values[rows] for level, values in evaluation.high.items()},
        ),
        **metrics_of(predicted, actual),
    }
