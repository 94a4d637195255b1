"""operations.steps: a step that is tried again waits for its stores."""

import sys
import types

import pytest

from tasador import clock
from tasador.errors import StoreRefused, StoreUnavailable
from tasador.operations import steps
from tasador.stores import lake
from tasador.warehouse import connection


@pytest.fixture
def stores(monkeypatch, tmp_path):
    """The errors that the stores raise, one for each check, and the pauses between the checks."""
    errors, pauses = [], []

    def log_in(url):
        assert url == "postgresql://x"
        if errors:
            raise errors.pop(0)

    class Lake:
        def __init__(self, settings):
            self.key = settings.s3_secret_key

        def exists(self, uri):
            if self.key == "refused":
                raise StoreRefused("the object store refused the keys")
            return False

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 4:
            monkeypatch.setenv("TASADOR_S3_SECRET_KEY", "rotated")

    monkeypatch.setattr(connection, "log_in", log_in)
    monkeypatch.setattr(lake, "Lake", Lake)
    monkeypatch.setattr(clock.time, "sleep", pause)
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    monkeypatch.setenv("TASADOR_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("TASADOR_S3_ENDPOINT", "http://x")
    monkeypatch.setenv("TASADOR_S3_SECRET_KEY", "refused")
    return errors, pauses


def attempt(monkeypatch, retry_count):
    """Stands for Metaflow, whose import takes long and warns."""
    current = types.SimpleNamespace(retry_count=retry_count)
    monkeypatch.setitem(sys.modules, "metaflow", types.SimpleNamespace(current=current))


def test_step_that_is_tried_again_waits_for_its_stores(stores, monkeypatch, capsys):
    errors, pauses = stores
    errors += [StoreUnavailable("the database does not answer")] * 2
    attempt(monkeypatch, 1)
    settings = steps.load_settings("c-1")
    # The settings of the moment when the stores accepted them.
    assert settings.s3_secret_key == "rotated"
    assert pauses == [1, 2, 4, 8]
    output = capsys.readouterr().out
    assert "waiting: the database does not answer" in output
    assert "waiting: the object store refused the keys" in output


def test_first_attempt_of_a_step_does_not_check_its_stores(stores, monkeypatch):
    errors, pauses = stores
    errors.append(StoreUnavailable("the database does not answer"))
    attempt(monkeypatch, 0)
    steps.load_settings()
    assert len(errors) == 1
    assert pauses == []


def test_stores_that_stay_away_fail_the_step(stores):
    errors, _ = stores
    errors += [StoreUnavailable("the database does not answer")] * 9
    with pytest.raises(StoreUnavailable, match="does not answer"):
        steps.await_stores(seconds=0)
