"""The trials of a search, which one task or several tasks run.

Optuna's study is the record of them: who runs which trial, and its outcome. What a trial tries
depends on its number, the seed and the outcomes of trials that are a fixed distance behind it, not
on which task is faster. So the same seed, data and number of tasks give the same trials, also if
tasks are killed and started again (docs/decisions/0074-search-by-tasks.md).
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState, create_trial

from tasador.training.search_options import Params, SearchOptions

log = logging.getLogger("tasador.training.shared_study")

SPACE: dict[str, BaseDistribution] = {
    "max_depth": IntDistribution(4, 7),
    "eta": FloatDistribution(0.05, 0.25, log=True),
    "min_child_weight": FloatDistribution(1.0, 50.0, log=True),
    "subsample": FloatDistribution(0.6, 1.0),
    "colsample_bytree": FloatDistribution(0.3, 1.0),
    "reg_lambda": FloatDistribution(0.1, 20.0, log=True),
}
# Attributes of an attempt: the number of its trial, and the task that runs it.
_NUMBER, _TASK = "number", "task"
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
_POLL_SECONDS = 0.2
_BEAT_SECONDS = 10
# A trial without a heartbeat for so long is given to another task.
_LOST_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Claim:
    """A trial that a task runs. ``view`` is the trial among those that it may know of, and
    decides when it is pruned; ``attempt`` is its row in the study."""

    number: int
    params: Params
    view: optuna.Trial
    attempt: optuna.Trial


class SharedStudy:
    """The study of a search, as the tasks of one process use it, each in a thread."""

    def __init__(self, options: SearchOptions, first: Params, warmup_rounds: int) -> None:
        """Create or continue the study. ``first`` are the parameters of the first trial, which is
        never pruned; others are not pruned before ``warmup_rounds``."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._options, self._first, self._warmup = options, first, warmup_rounds
        self._began = time.monotonic()
        self._threads, self._stopped = threading.Lock(), threading.Event()
        if options.storage is not None:
            _import_databases()
        with self._locked():
            # In a new database it makes the tables, which two tasks at once could not.
            self._storage = _storage(options)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=options.study_name,
                load_if_exists=options.storage is not None,
                direction="minimize",
                sampler=optuna.samplers.RandomSampler(),
            )
            # What an earlier process of these tasks left unfinished.
            self._fail(options.own)

    def claim(self, task: int) -> Claim | None:
        """The next trial, for that task of this process; None if there is none left to start.

        Waits if its parameters depend on trials that other tasks still run.
        """
        while not self._stopped.is_set():
            with self._locked():
                if not self._has_time():
                    return None
                self._fail()
                claimed, left = self._claim(task)
            if claimed is not None or not left:
                return claimed
            self._stopped.wait(_POLL_SECONDS)
        return None

    def stop(self) -> None:
        """Let the tasks of this process claim no more trials."""
        self._stopped.set()

    def finish(self, claim: Claim, value: float | None, errors: Mapping[int, float]) -> bool:
        """Record the error of a trial, None if it was pruned, and its ``errors`` by round.

        False if another task was given the trial; its outcome will be the same.
        """
        with suppress(UpdateFinishedTrialError):
            for step, error in errors.items():
                claim.attempt.report(error, step)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        recorded = self._study.tell(claim.attempt, value, state, skip_if_finished=True)
        return recorded.state == state

    def finished(self) -> dict[int, FrozenTrial]:
        """The trials with an outcome, by number."""
        trials = self._study.get_trials(deepcopy=False, states=_FINISHED)
        return dict(sorted((_number(trial), trial) for trial in trials))

    @contextmanager
    def alive(self, claim: Claim) -> Iterator[None]:
        """Let other tasks know that this one still runs the trial."""
        if not isinstance(self._storage, RDBStorage):
            yield
            return
        ended = threading.Event()
        beats = threading.Thread(target=_beat, args=(self._storage, claim, ended), daemon=True)
        beats.start()
        try:
            yield
        finally:
            ended.set()
            beats.join()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._threads, self._options.lock():
            yield

    def _has_time(self) -> bool:
        budget = self._options.budget_seconds
        out_of_time = budget is not None and time.monotonic() - self._began >= budget
        return not (out_of_time and self._study.get_trials(deepcopy=False, states=_FINISHED))

    def _fail(self, tasks: Sequence[int] = ()) -> None:
        """Mark the attempts of dead processes: those of ``tasks``, those whose process died while
        it held the lock that we hold, and with several processes those without heartbeat."""
        while self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.tell(self._ask(), state=TrialState.FAIL)
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get(_TASK) in (None, *tasks):
                # Its process may be alive after all, and finish it now.
                with suppress(UpdateFinishedTrialError):
                    self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        if isinstance(self._storage, RDBStorage):
            with _own_heartbeats():
                fail_stale_trials(self._study)

    def _claim(self, task: int) -> tuple[Claim | None, bool]:
        """The next trial if there is one to start now, and whether any is left."""
        attempts = self._study.get_trials(deepcopy=False)
        known = {_number(trial): trial for trial in attempts}
        live = {_number(t): t for t in attempts if t.state != TrialState.FAIL}
        number = min((n for n in known if n not in live), default=len(known))
        if number >= self._options.trials:
            return None, False
        needed = number - 2 * (self._options.tasks - 1)
        if any(live[n].state not in _FINISHED for n in range(needed)):
            return None, True
        view = self._view(live, number, needed)
        if number in known:
            view.enqueue_trial(known[number].params)
        elif number == 0:
            view.enqueue_trial(self._first)
        trial = view.ask(fixed_distributions=SPACE)
        self._study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                params=trial.params,
                distributions=SPACE,
                user_attrs={_NUMBER: number},
            )
        )
        attempt = self._ask()
        # The heartbeat before the task: a process that dies in between has none (see _fail).
        if isinstance(self._storage, RDBStorage):
            self._storage.record_heartbeat(attempt._trial_id)
        attempt.set_user_attr(_TASK, task)
        return Claim(number, dict(trial.params), trial, attempt), True

    def _ask(self) -> optuna.Trial:
        """The attempt that waits to be run."""
        with _own_heartbeats():
            return self._study.ask()

    def _view(self, live: Mapping[int, FrozenTrial], number: int, needed: int) -> optuna.Study:
        """A study in memory with what the trial may know: the outcomes of the first ``needed``
        trials, and that those between are running, so that it tries something else."""
        view = optuna.create_study(
            direction="minimize",
            sampler=optuna.samplers.TPESampler(
                seed=(self._options.seed * 100_003 + number) % 2**32, n_startup_trials=4
            ),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=self._warmup),
        )
        for each in range(number):
            trial = live[each]
            outcome: dict[str, Any] = {"state": TrialState.RUNNING}
            if each < needed:
                outcome = {
                    "state": trial.state,
                    "value": trial.value,
                    "intermediate_values": trial.intermediate_values,
                }
            view.add_trial(create_trial(params=trial.params, distributions=SPACE, **outcome))
        return view


def _import_databases() -> None:
    """Import what Optuna imports when it opens a database: other tasks would wait for the lock."""
    import alembic.command  # noqa: F401
    import sqlalchemy.orm  # noqa: F401


def _storage(options: SearchOptions) -> str | BaseStorage | None:
    if options.storage is None or len(options.own) == options.tasks:
        # No other process waits for a sign of life.
        return options.storage
    with _own_heartbeats():
        return RDBStorage(
            options.storage,
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=_BEAT_SECONDS,
            grace_period=_LOST_SECONDS,
        )


def _beat(storage: RDBStorage, claim: Claim, ended: threading.Event) -> None:
    while not ended.wait(_BEAT_SECONDS):
        try:
            storage.record_heartbeat(claim.attempt._trial_id)
        except Exception as error:  # of SQLAlchemy, the driver or Optuna
            # If it lasts, another task repeats the trial, and ``finish`` says so.
            log.warning("no heartbeat of trial %d: %s", claim.number, error)


def _number(trial: FrozenTrial) -> int:
    return int(trial.user_attrs.get(_NUMBER, trial.number))


@contextmanager
def _own_heartbeats() -> Iterator[None]:
    """Optuna calls heartbeats experimental, and warns that `optimize` would send them.

    Use it while holding the lock: all threads have the same filters of warnings.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage is supposed")
        yield
