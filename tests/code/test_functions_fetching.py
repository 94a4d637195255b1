"""functions.fetching: the bundle is fetched while the process still imports its modules."""

import threading
from pathlib import Path

import numpy as np
import pytest

from functions import fetching
from tasador.errors import ConfigurationError, StoreUnavailable
from tasador.model.manifest import MODEL, SPREAD, Verified
from tasador.training.boosting import import_xgboost


def verified(contents):
    return Verified(Path("model"), None, {MODEL: b"", SPREAD: b"no model", **contents})


@pytest.fixture
def store(monkeypatch, tmp_path):
    """The requests to a store, its answers in their order, and the environment."""
    requests, answers = [], []

    def fetch_bundle(uri, digest, into, settings):
        requests.append((uri, digest, threading.current_thread().name))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(fetching, "fetch_bundle", fetch_bundle)
    env = {"MODEL_URI": "s3://b/m", "MODEL_DIGEST": "d", "TASADOR_HOME": str(tmp_path)}
    return requests, answers, env


def test_first_fetched_waits_for_start_and_later_calls_fetch_again(store):
    requests, answers, env = store
    bundle = verified({})
    answers += [StoreUnavailable("away"), bundle]
    fetching.start(env)
    with pytest.raises(StoreUnavailable, match="away"):
        fetching.fetched(env)
    assert requests == [("s3://b/m", "d", "fetch")]
    assert fetching.fetched(env) == (bundle, {})
    assert requests[1:] == [("s3://b/m", "d", threading.current_thread().name)]


def test_start_never_raises_and_fetched_reports_wrong_settings(store):
    requests, _, env = store
    fetching.start({})
    with pytest.raises(ConfigurationError, match="MODEL_URI is not set"):
        fetching.fetched({})
    wrong = {**env, "TASADOR_PLATFORM": "moon"}
    fetching.start(wrong)
    with pytest.raises(ConfigurationError, match="TASADOR_PLATFORM"):
        fetching.fetched(wrong)
    assert requests == []


def test_start_loads_valid_models_and_skips_damaged_ones(store):
    _, answers, env = store
    xgboost = import_xgboost()
    matrix = np.arange(30.0).reshape(10, 3)
    package = xgboost.train({"nthread": 1}, xgboost.DMatrix(matrix, matrix[:, 0]), 2)
    bundle = verified({MODEL: bytes(package.save_raw("ubj"))})
    answers += [bundle]
    fetching.start(env)
    fetched = fetching.fetched(env)
    assert fetched.verified == bundle
    assert {name: model.features for name, model in fetched.models.items()} == {MODEL: 3}
