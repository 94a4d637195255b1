"""Training: its rows, its determinism, and resuming an interrupted search."""

import itertools
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace

import numpy as np
import pytest

from tasador.errors import TrainingError
from tasador.listings.listing import in_holdout
from tasador.listings.table import columns_of
from tasador.training import fitting, search, splits
from tasador.training.search_options import SearchOptions
from tasador.training.shared_study import SharedStudy
from tests.kit.listings import simulated_frame
from tests.kit.models import QUICK, train_bundle


def keys_of_rows(columns):
    parts = zip(columns["street"], columns["city"], columns["zip_code"], strict=True)
    return np.array(["|".join((part or "").casefold() for part in row) for row in parts])


def test_prepare_never_trains_on_the_holdout(market):
    prepared = splits.prepare(market)
    trained_on = keys_of_rows(prepared.columns)
    assert not any(in_holdout(key) for key in set(trained_on))
    assert set(prepared.holdout["property_key"]).isdisjoint(trained_on)
    within = market["price"].between(10_000, 5_000_000)
    assert len(trained_on) == int((within & ~market["holdout"]).sum())
    assert prepared.left_out["price outside the market"] == int((~within).sum()) > 0


def test_holdout_prices_do_not_change_the_digest(market, tmp_path):
    market = market.head(1500)
    doubled = market.copy()
    doubled.loc[doubled["holdout"], "price"] *= 2
    one = train_bundle(market, tmp_path / "one")
    other = train_bundle(doubled, tmp_path / "other")
    assert one.manifest.digest == other.manifest.digest
    assert one.manifest.metrics["r2"] != other.manifest.metrics["r2"]


def test_splits_keep_a_property_together(market):
    prepared = splits.prepare(market)
    keys = keys_of_rows(prepared.columns)
    assert len(set(keys)) < len(keys), "some properties occur twice"
    for split in (prepared.slices, prepared.second_half, prepared.folds):
        pairs = set(zip(keys.tolist(), split.tolist(), strict=True))
        assert len(pairs) == len(set(keys))
    assert set(prepared.slices) == set(range(5))
    assert 0.16 < prepared.calibration.mean() < 0.24


def test_row_order_does_not_change_the_digest(market, tmp_path):
    frame = market.head(1500)
    one = train_bundle(frame, tmp_path / "one")
    other = train_bundle(frame.sample(frac=1, random_state=5), tmp_path / "other")
    assert one.manifest.digest == other.manifest.digest


def test_digest_depends_on_the_seed_only(market, tmp_path):
    digests = []
    for number, seed in enumerate((1, 1, 2)):
        model = fitting.train(splits.prepare(market.head(1200)), SearchOptions(trials=3, seed=seed))
        digests.append(fitting.write(model, tmp_path / str(number)).digest)
    assert digests[0] == digests[1] != digests[2]
    unmeasured = fitting.write(model, tmp_path / "unmeasured", measured=False)
    assert (unmeasured.digest, unmeasured.metrics) == (digests[2], {})


def test_a_fit_has_one_thread_on_any_number_of_cores(market):
    model = fitting.fit(splits.prepare(market.head(1200)), QUICK)
    for booster in (model.booster, model.intervals.spread):
        learner = json.loads(booster.save_config())["learner"]
        assert learner["generic_param"]["nthread"] == "1"


def test_search_resumes_after_an_interruption(market, tmp_path):
    prepared = splits.prepare(market.head(1200))
    whole = fitting.search(prepared, SearchOptions(trials=5, seed=4))

    class Killed(BaseException):
        pass

    def kill(number, params, value, seconds):
        if number == 2:
            raise Killed

    storage = f"sqlite:///{tmp_path / 'study.db'}"
    options = SearchOptions(trials=5, seed=4, storage=storage, study_name="one")
    with pytest.raises(Killed):
        fitting.search(prepared, replace(options, on_trial=kill))
    ran = []
    counted = replace(options, on_trial=lambda *trial: ran.append(trial[0]))
    resumed = fitting.search(prepared, counted)
    assert ran == [3, 4]
    assert resumed.params == whole.params
    assert [t.params for t in resumed.trials] == [t.params for t in whole.trials]
    ran.clear()
    assert fitting.search(prepared, counted).params == whole.params
    assert ran == []


def test_search_repeats_a_killed_trial(market, tmp_path, monkeypatch):
    prepared = splits.prepare(market.head(1200))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    options = SearchOptions(trials=2, seed=4, storage=storage, study_name="one")
    fit = search.boost

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "boost", killed)
    with pytest.raises(KeyboardInterrupt):
        fitting.search(prepared, options)
    monkeypatch.setattr(search, "boost", fit)
    resumed = fitting.search(prepared, options)
    whole = fitting.search(prepared, SearchOptions(trials=2, seed=4))
    assert [t.params for t in resumed.trials] == [t.params for t in whole.trials]
    assert resumed.trials[0].params == search.KNOWN_GOOD


@pytest.mark.parametrize("stored", [True, False])
def test_threads_of_a_search_run_the_trials_that_one_would_run(
    market, tmp_path, monkeypatch, stored
):
    prepared = splits.prepare(market.head(1200))
    options = SearchOptions(trials=8, seed=4, tasks=2)
    by_one = fitting.search(prepared, options)
    if stored:
        options = replace(options, storage=f"sqlite:///{tmp_path / 'study.db'}", study_name="one")
    correlation: ContextVar[str] = ContextVar("correlation", default="")
    correlation.set("a1")
    seen = []

    def on_trial(number, params, value, seconds):
        seen.append((number, correlation.get()))

    both, fit, fits = threading.Barrier(2, timeout=60), search.boost, itertools.count()

    def together(*args, **kwargs):
        assert sys.getswitchinterval() == pytest.approx(search.SWITCH_SECONDS)
        # The first two fits wait for each other: they run at the same time.
        if next(fits) < 2:
            both.wait()
        return fit(*args, **kwargs)

    monkeypatch.setattr(search, "boost", together)
    interval = sys.getswitchinterval()
    by_threads = fitting.search(prepared, replace(options, own=(0, 1), on_trial=on_trial))
    assert [replace(trial, seconds=0) for trial in by_threads.trials] == [
        replace(trial, seconds=0) for trial in by_one.trials
    ]
    assert sorted(seen) == [(number, "a1") for number in range(8)]
    assert sys.getswitchinterval() == interval


def test_thread_that_fails_ends_the_search(market, tmp_path, monkeypatch):
    prepared = splits.prepare(market.head(1200))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    options = SearchOptions(
        trials=6, seed=4, tasks=2, own=(0, 1), storage=storage, study_name="one"
    )
    fit, fits, stopped = search.boost, itertools.count(), threading.Event()
    stop = SharedStudy.stop

    def failing(*args, **kwargs):
        if next(fits):
            raise KeyboardInterrupt
        stopped.wait(60)
        return fit(*args, **kwargs)

    def recorded(study):
        stop(study)
        stopped.set()

    with monkeypatch.context() as patch:
        patch.setattr(search, "boost", failing)
        patch.setattr(SharedStudy, "stop", recorded)
        with pytest.raises(KeyboardInterrupt):
            fitting.search(prepared, options)
    assert stopped.is_set()
    assert next(fits) == 2, "no trial started after the failure"
    resumed = fitting.search(prepared, options)
    by_one = fitting.search(prepared, SearchOptions(trials=6, seed=4, tasks=2))
    assert [(t.params, t.value) for t in resumed.trials] == [
        (t.params, t.value) for t in by_one.trials
    ]


def test_interrupt_while_threads_are_started_ends_the_search(market, monkeypatch):
    class Executor(ThreadPoolExecutor):
        def submit(self, call, /, *args, **kwargs):
            if next(submitted) == 2:
                raise KeyboardInterrupt
            return super().submit(call, *args, **kwargs)

    fit, fits, submitted = search.boost, itertools.count(), itertools.count()

    def counted(*args, **kwargs):
        next(fits)
        return fit(*args, **kwargs)

    monkeypatch.setattr(search, "boost", counted)
    monkeypatch.setattr(search, "ThreadPoolExecutor", Executor)
    options = SearchOptions(trials=12, seed=4, tasks=2, own=(0, 1))
    with pytest.raises(KeyboardInterrupt):
        fitting.search(splits.prepare(market.head(1200)), options)
    assert next(fits) < 4, "the thread that was started ended after the trial that it ran"


def test_search_stops_when_the_time_budget_is_spent(market):
    options = SearchOptions(trials=50, budget_seconds=0.0)
    result = fitting.search(splits.prepare(market.head(1200)), options)
    assert [trial.params for trial in result.trials] == [search.KNOWN_GOOD]


def test_search_prunes_trials(market):
    errors = []
    options = SearchOptions(
        trials=12, seed=1, on_trial=lambda number, params, value, seconds: errors.append(value)
    )
    result = fitting.search(splits.prepare(market.head(2500)), options)
    assert None in errors
    assert result.value == min(error for error in errors if error is not None)


def test_prepare_refuses_too_few_rows():
    with pytest.raises(TrainingError, match=r"only \d+ of \d+ rows .* at least 200"):
        splits.prepare(simulated_frame(150))


def test_training_on_a_parquet_file_gives_the_same_model(market, tmp_path):
    import pandas as pd

    frame = market.head(1200)
    frame.assign(batch_id="b1").to_parquet(tmp_path / "clean.parquet")
    one = fitting.fit(splits.prepare(frame), QUICK)
    stored = splits.prepare(pd.read_parquet(tmp_path / "clean.parquet"))
    other = fitting.fit(stored, QUICK)
    assert stored.data["batch_ids"] == ["b1"]
    assert stored.data["fingerprint"] == one.prepared.data["fingerprint"]
    columns = columns_of(frame)
    np.testing.assert_array_equal(
        one.booster.inplace_predict(one.encoders.transform(columns)),
        other.booster.inplace_predict(other.encoders.transform(columns)),
    )


def test_manifest_describes_the_training_data(trained, market):
    manifest = trained.manifest
    assert manifest.data["rows"] == int(
        (market["price"].between(10_000, 5_000_000) & ~market["holdout"]).sum()
    )
    assert set(manifest.categories["state"]) <= set(market["state"].dropna())
    assert manifest.metrics["rows"] > 300
    assert manifest.metrics["r2"] > 0.6
    assert trained.check_golden() <= 1e-6
