"""How a model prices states that it was not trained on.

The states are assigned to groups at random. Each group in turn is left out of a training and then
priced. A random split cannot measure this, because training then covers every state.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array
from tasador.errors import TrainingError
from tasador.listings.listing import MARKET_PRICE

if TYPE_CHECKING:
    import pandas as pd

    from tasador.gate.measures import Evaluation
    from tasador.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """One training without some states: its rows, the rows judged, and the metrics there."""

    states: list[str]
    rows_trained: int
    rows_judged: int
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The figures of all rotations.

    ``metrics`` are those of ``evaluation.measure`` over the judged rows of all rotations together,
    ``mean`` their plain means over the rotations, ``states`` the metrics of each state. ``rows`` is
    the number of rows used, ``params`` the training parameters.
    """

    rows: int
    seed: int
    params: dict[str, Any]
    metrics: dict[str, float]
    mean: dict[str, float]
    states: dict[str, dict[str, float]]
    rotations: list[Rotation]


def leave_states_out(
    frame: pd.DataFrame,
    params: Mapping[str, Any],
    *,
    rotations: int = 4,
    rows: int | None = None,
    needing: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> LeftOut:
    """Train ``rotations`` models, each without some of the states, and judge it on those states.

    ``frame`` comes from ``tasador.listings.table``; ``params`` are training parameters from a
    search. Every rotation leaves out the same number of states (give or take one), assigned by
    ``seed``. ``rows`` bounds the rows used: whole properties sampled by ``seed`` from the rows
    within MARKET_PRICE with a known state. Rows without a value in a column of ``needing`` are not
    judged. The permanent holdout is never trained on; all rows of the left-out states are judged.

    Raises TrainingError with fewer than two states or too few rows outside a group.
    """
    sample = _sample(frame, rows, seed)
    groups = _groups(sample["state"].to_numpy(dtype=object), rotations, seed)
    turns, evaluations = [], []
    for number, states in enumerate(groups):
        if progress is not None:
            message = f"without {', '.join(states[:3])}{' …' if len(states) > 3 else ''}"
            progress("leave states out", number / len(groups), message)
        away = sample["state"].isin(states).to_numpy(dtype=bool)
        judged = sample[away].dropna(subset=list(needing))
        evaluation = _rotation(sample[~away], judged, params, seed)
        evaluations.append(evaluation)
        trained = int((~sample["holdout"].to_numpy(dtype=bool) & ~away).sum())
        turns.append(
            Rotation(
                states=states,
                rows_trained=trained,
                rows_judged=len(judged),
                metrics=dict(evaluation.metrics),
            )
        )
    if progress is not None:
        progress("leave states out", 1.0, f"{len(groups)} rotations")
    # A rotation that judges few rows lacks the figures of a ratio study.
    names = [name for name in turns[0].metrics if all(name in turn.metrics for turn in turns)]
    return LeftOut(
        rows=len(sample),
        seed=seed,
        params=dict(params),
        metrics=_metrics(evaluations),
        mean={name: float(np.mean([turn.metrics[name] for turn in turns])) for name in names},
        states=_by_state(evaluations),
        rotations=turns,
    )


def _sample(frame: pd.DataFrame, rows: int | None, seed: int) -> pd.DataFrame:
    low, high = MARKET_PRICE
    usable = frame[frame["price"].between(low, high) & frame["state"].notna()]
    if rows is None or len(usable) <= rows:
        return usable
    _, owner = np.unique(usable["property_key"].to_numpy(dtype=object), return_inverse=True)
    place = np.random.default_rng(seed).random(int(owner.max()) + 1)[owner]
    # Whole properties, as many as fit, in the order of the frame.
    border = np.partition(place, rows)[rows]
    return usable[place < border]


def _groups(states: Array, rotations: int, seed: int) -> list[list[str]]:
    """The states in random groups of equal size, give or take one."""
    names = np.unique(states.astype(str))
    if len(names) < 2:
        raise TrainingError(
            f"leaving states out needs at least two states, the rows have {len(names)}"
        )
    drawn = np.random.default_rng(seed).permutation(names)
    groups = np.array_split(drawn, min(rotations, len(names)))
    return [sorted(map(str, group)) for group in groups]


def _rotation(
    shown: pd.DataFrame, away: pd.DataFrame, params: Mapping[str, Any], seed: int
) -> Evaluation:
    from tasador.model.bundle import Bundle
    from tasador.training import fitting, splits
    from tasador.training.evaluation import evaluate
    from tasador.training.search import SearchResult

    fitted = fitting.fit(splits.prepare(shown), SearchResult(dict(params), 0.0, []), seed=seed)
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        fitting.write(fitted, Path(scratch), measured=False)
        # The model was trained on none of these rows, so all can be judged.
        return evaluate(Bundle.load(scratch), away.assign(holdout=True))


def _metrics(evaluations: list[Evaluation], rows: list[Array] | None = None) -> dict[str, float]:
    from tasador.training.evaluation import measure

    rows = rows or [np.ones(len(one.actual), dtype=bool) for one in evaluations]
    pairs = list(zip(evaluations, rows, strict=True))

    def joined(of: str, level: str = "") -> Array:
        arrays = [(getattr(one, of)[level] if level else getattr(one, of), r) for one, r in pairs]
        return np.concatenate([values[r] for values, r in arrays])

    low = {level: joined("low", level) for level in evaluations[0].low}
    high = {level: joined("high", level) for level in evaluations[0].high}
    return measure(joined("actual"), joined("predicted"), low, high)


def _by_state(evaluations: list[Evaluation]) -> dict[str, dict[str, float]]:
    measured = {}
    for one in evaluations:
        for state in sorted(set(one.state)):
            measured[str(state)] = _metrics([one], [one.state == state])
    return dict(sorted(measured.items()))
