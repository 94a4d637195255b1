"""How to search for training parameters."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from tasador.errors import TrainingError

Params = dict[str, Any]
OnTrial = Callable[[int, Params, float | None, float], None]
Lock = Callable[[], AbstractContextManager[object]]

LARGEST_SEED = 2**31 - 1  # of xgboost


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How to search for training parameters.

    ``trials`` is the number of finished trials to reach. After ``budget_seconds`` no further trial
    starts; at least one always runs. With a ``storage`` URL the study ``study_name`` is kept there
    and resumed; without one it is kept in memory. ``on_trial`` is called after each trial with
    (number, parameters, error or None if pruned, seconds).

    ``tasks`` tasks share the trials. This process runs those of the numbers ``own``, from 0; others
    use the same storage, and ``lock`` holds a lock across the processes.

    Raises TrainingError for numbers that no search can have.
    """

    trials: int = 12
    seed: int = 0
    budget_seconds: float | None = None
    storage: str | None = None
    study_name: str | None = None
    on_trial: OnTrial | None = None
    tasks: int = 1
    own: tuple[int, ...] = (0,)
    lock: Lock = nullcontext

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise TrainingError(
                f"seed is {self.seed}: choose a whole number from 0 to {LARGEST_SEED:,}"
            )
        if self.trials < 1:
            raise TrainingError(f"trials is {self.trials}: at least 1 is needed")
        if self.tasks < 1:
            raise TrainingError(f"tasks is {self.tasks}: at least 1 is needed")
