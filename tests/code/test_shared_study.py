"""Tasks that share a search: its trials are the same, whichever task runs them or is killed."""

import math
import random
import threading
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import Mock

import optuna
import pytest

from tasador.errors import ConfigurationError, TrainingError
from tasador.settings import Settings
from tasador.training import shared_study
from tasador.training.search import KNOWN_GOOD
from tasador.training.search_options import SearchOptions
from tasador.training.shared_study import SPACE, SharedStudy

TRIALS = 10


@pytest.fixture
def options(tmp_path, monkeypatch):
    # Nothing here sends heartbeats, and a busy machine is slow.
    monkeypatch.setattr(shared_study, "_LOST_SECONDS", 3600)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    return SearchOptions(trials=TRIALS, seed=2, storage=storage, study_name="one", tasks=3)


def joined(options, task=0):
    return SharedStudy(replace(options, own=(task,)), KNOWN_GOOD, warmup_rounds=100)


def fit(study, claim):
    """Stands for fitting: an error that the parameters determine, and a view that may prune."""
    params = claim.params
    final = 0.2 + math.log(params["eta"] / 0.1) ** 2 + (params["max_depth"] - 6) ** 2 / 50
    errors = {}
    for step in (50, 100, 150):
        errors[step] = final + 10 / step
        claim.view.report(errors[step], step)
        if claim.view.should_prune():
            return study.finish(claim, None, errors)
    return study.finish(claim, final, errors)


def outcomes(study):
    return [(n, t.params, t.value, t.state) for n, t in study.finished().items()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The trials as a single task runs them, one after the other."""
    storage = f"sqlite:///{tmp_path_factory.mktemp('alone') / 'study.db'}"
    study = joined(
        SearchOptions(trials=TRIALS, seed=2, storage=storage, study_name="alone", tasks=3)
    )
    while (claim := study.claim(0)) is not None:
        assert fit(study, claim)
    return outcomes(study)


def test_the_tables_of_a_new_database_are_made_within_the_lock(options, tmp_path):
    locked = []

    @contextmanager
    def lock():
        locked.append((tmp_path / "study.db").exists())
        yield

    joined(replace(options, lock=lock))
    assert locked == [False]


def run(study, trials, task=0):
    """Run that many trials; they are the first of all."""
    for _ in range(trials):
        assert fit(study, study.claim(task))


class Waits(Exception):
    """A claim would wait for other tasks."""


@pytest.mark.parametrize("order", range(2))
def test_trials_do_not_depend_on_which_task_is_faster(options, monkeypatch, alone, order):
    draw = random.Random(order)
    studies = [joined(options, task) for task in range(options.tasks)]
    for study in studies:
        monkeypatch.setattr(study._stopped, "wait", Mock(side_effect=Waits))
    running = {}
    most, waited = 0, False
    while any(not s.finished() or len(s.finished()) < TRIALS for s in studies[:1]):
        task = draw.randrange(options.tasks)
        if task in running:
            # The first trial takes so long that others wait for it.
            if running[task].number == 0 and not waited:
                continue
            assert fit(studies[task], running.pop(task))
            continue
        try:
            claim = studies[task].claim(task)
        except Waits:
            waited = True
            continue
        if claim is not None:
            running[task] = claim
        most = max(most, len(running))
    assert most > 1
    assert waited
    assert [s.claim(task) for task, s in enumerate(studies)] == [None] * options.tasks
    assert outcomes(studies[0]) == outcomes(studies[2]) == alone
    assert [number for number, *_ in alone] == list(range(TRIALS))
    assert alone[0][1] == KNOWN_GOOD
    assert len({state for *_, state in alone}) == 2, "some trials are pruned"


def test_trial_of_a_killed_task_is_run_again_by_its_successor(options, alone):
    studies = [joined(options, task) for task in range(2)]
    lost, kept = studies[0].claim(0), studies[1].claim(1)
    assert (lost.number, kept.number) == (0, 1)
    assert fit(studies[1], kept)
    # The new process of task 0.
    again = joined(options, 0)
    claim = again.claim(0)
    assert (claim.number, claim.params) == (0, lost.params)
    # The old process is alive after all; its outcome does not count twice.
    assert not fit(studies[0], lost)
    assert fit(again, claim)
    run(again, 3)
    assert outcomes(again) == alone[:5]


def test_new_process_runs_the_trials_of_all_its_tasks_again(options):
    both = replace(options, own=(0, 1))
    lost = SharedStudy(both, KNOWN_GOOD, warmup_rounds=100)
    assert [lost.claim(task).number for task in both.own] == [0, 1]
    again = SharedStudy(both, KNOWN_GOOD, warmup_rounds=100)
    assert [again.claim(task).number for task in both.own] == [0, 1]


def test_stopped_study_ends_a_claim_that_waits(options, monkeypatch):
    monkeypatch.setattr(shared_study, "_POLL_SECONDS", 3600)
    study = joined(replace(options, tasks=1))
    assert study.claim(0).number == 0
    claimed = []
    waiting = threading.Thread(target=lambda: claimed.append(study.claim(0)), daemon=True)
    waiting.start()
    waiting.join(1)
    assert waiting.is_alive(), "it waits for the first trial"
    study.stop()
    waiting.join(60)
    assert claimed == [None]


# What a claim calls last before it dies, and how often before: the study in memory is asked too.
DEATHS = {
    "add_trial": (optuna.Study, 0),
    "ask": (optuna.Study, 1),
    "record_heartbeat": (shared_study.RDBStorage, 0),
    "set_user_attr": (optuna.Trial, 0),
}


@pytest.mark.parametrize("write", DEATHS)
def test_claim_that_dies_between_two_writes_is_repeated_by_any_task(
    options, alone, monkeypatch, write
):
    owner, left = DEATHS[write]
    original = getattr(owner, write)

    def die(*arguments, **named):
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return original(*arguments, **named)

    one, other = joined(options, 0), joined(options, 1)
    # The claim of the first trial adds none to the study in memory.
    with monkeypatch.context() as patch:
        patch.setattr(owner, write, die)
        with pytest.raises(KeyboardInterrupt):
            one.claim(0)
    run(other, 2, task=1)
    assert outcomes(other) == alone[:2]


def test_trial_without_heartbeat_goes_to_another_task(options, monkeypatch):
    monkeypatch.setattr(shared_study, "_BEAT_SECONDS", 1)
    monkeypatch.setattr(shared_study, "_LOST_SECONDS", 1)
    silent, other = joined(options, 0), joined(options, 1)
    lost = silent.claim(0)
    taken = other.claim(1)
    while taken.number != lost.number:
        # Waits where the next trial needs the lost one, until its heartbeat is too old.
        assert fit(other, taken)
        taken = other.claim(1)
    assert taken.params == lost.params
    assert not fit(silent, lost)
    assert fit(other, taken)


def test_heartbeats_keep_a_slow_trial(options, monkeypatch):
    beats, enough = [], threading.Event()
    record = shared_study.RDBStorage.record_heartbeat

    def counted(storage, trial_id):
        record(storage, trial_id)
        beats.append(trial_id)
        if len(beats) == 2:
            raise OSError("the database is away")
        if len(beats) == 4:
            enough.set()

    monkeypatch.setattr(shared_study, "_BEAT_SECONDS", 0.01)
    study = joined(options)
    monkeypatch.setattr(shared_study.RDBStorage, "record_heartbeat", counted)
    claim = study.claim(0)
    with study.alive(claim):
        assert enough.wait(300)
    ended = len(beats)
    assert fit(study, claim)
    assert len(beats) == ended


def test_no_trial_starts_when_the_time_is_over(options):
    study = joined(replace(options, budget_seconds=0.0))
    assert fit(study, study.claim(0))
    assert study.claim(0) is None


@pytest.mark.parametrize("tasks", [1, 2])
def test_one_process_needs_no_heartbeats(tmp_path, tasks):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    own = tuple(range(tasks))
    options = SearchOptions(trials=2, storage=storage, study_name="one", tasks=tasks, own=own)
    study = SharedStudy(options, KNOWN_GOOD, warmup_rounds=100)
    with study.alive(study.claim(0)):
        assert not isinstance(study._storage, shared_study.RDBStorage)


def test_number_of_tasks_is_checked(tmp_path):
    with pytest.raises(TrainingError, match="tasks is 0: at least 1 is needed"):
        SearchOptions(tasks=0)
    environ = {"TASADOR_HOME": str(tmp_path), "TASADOR_SEARCH_TASKS": "0"}
    with pytest.raises(ConfigurationError, match="TASADOR_SEARCH_TASKS is 0; a search needs one"):
        Settings.load(environ)
    environ["TASADOR_SEARCH_TASKS"] = "100"
    with pytest.raises(ConfigurationError, match="whole number from 0 to 99"):
        Settings.load(environ)
    environ["TASADOR_SEARCH_TASKS"] = "4"
    assert Settings.load(environ).search_tasks == 4


def test_known_good_parameters_are_in_the_space():
    assert KNOWN_GOOD.keys() == SPACE.keys()
    for name, value in KNOWN_GOOD.items():
        assert SPACE[name]._contains(SPACE[name].to_internal_repr(value))
