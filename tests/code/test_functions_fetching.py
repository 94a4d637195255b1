"""A bundle's bytes are fetched while the process still imports the rest."""

import threading

import pytest

from functions import fetching
from tasador.errors import ConfigurationError, StoreUnavailable


@pytest.fixture
def store(monkeypatch, tmp_path):
    """What is asked of a store, and what it answers, one after the other."""
    asked, answers = [], []

    def fetch_bundle(uri, digest, into, settings):
        asked.append((uri, digest, threading.current_thread().name))
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(fetching, "fetch_bundle", fetch_bundle)
    env = {"MODEL_URI": "s3://b/m", "MODEL_DIGEST": "d", "TASADOR_HOME": str(tmp_path)}
    return asked, answers, env


def test_what_was_begun_is_the_first_try_and_no_other(store):
    asked, answers, env = store
    answers += [StoreUnavailable("away"), "the bundle"]
    fetching.begin(env)
    with pytest.raises(StoreUnavailable, match="away"):
        fetching.fetched(env)
    assert asked == [("s3://b/m", "d", "fetch")]
    assert fetching.fetched(env) == "the bundle"
    assert asked[1:] == [("s3://b/m", "d", threading.current_thread().name)]


def test_a_function_without_a_model_fetches_none_and_one_with_a_wrong_setting_says_it_later(store):
    asked, _, env = store
    fetching.begin({})
    with pytest.raises(ConfigurationError, match="MODEL_URI is not set"):
        fetching.fetched({})
    wrong = {**env, "TASADOR_PLATFORM": "moon"}
    fetching.begin(wrong)
    with pytest.raises(ConfigurationError, match="TASADOR_PLATFORM"):
        fetching.fetched(wrong)
    assert asked == []
