"""A champion that cannot be read stops neither drift, monitoring nor the judgement of a successor.

tests/embedded/test_lost_champion.py does the same with objects that are gone from the real store.
"""

from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tasador.drift import verbs as drift
from tasador.errors import BundleError, ObjectLost, SignatureError, StoreUnavailable
from tasador.gate.checks import judge as judge_challenger
from tasador.monitoring import verbs as monitoring
from tasador.settings import Settings
from tasador.stores.model_version import ModelVersion
from tasador.training import inputs
from tests.code.test_gate import evaluation
from tests.kit.listings import simulated_frame
from tests.kit.records import WHEN, make_batch, make_decision

SETTINGS = Settings(home=Path("/nowhere"), database_url="postgresql://")
CHAMPION = ModelVersion.of_decision(make_decision(promotion=7))
BATCH = make_batch(status="ready", clean_uri="s3://clean/b1")


class Lake:
    """A store that holds the batch, and of the champion what ``lost`` does not name."""

    def __init__(self, lost, error):
        self.lost, self.error = lost, error

    def read_parquet(self, uri, **_):
        if uri != BATCH.clean_uri and "reference" in self.lost:
            raise self.error
        return simulated_frame(200)

    def exists(self, uri):
        return False

    def load_bundle(self, model, *, signed=True):
        if "bundle" in self.lost:
            raise self.error
        return "a bundle"


class Warehouse:
    @contextmanager
    def open(self):
        yield self

    def refused_rows(self, batch_ids):
        return {}

    def usable_batches(self):
        return []

    def prediction_statistics(self, *_):
        return 0, {}

    def request_samples(self, *_):
        return []

    def sales(self, *_):
        return []


def lose(patch, module, lost, error):
    patch.setattr(module, "Lake", lambda settings: Lake(lost, error))
    patch.setattr(module, "Warehouse", lambda url: Warehouse().open())


@pytest.mark.parametrize(
    ("lost", "error"),
    [
        ("bundle", BundleError("model.ubj is damaged")),
        ("reference", ObjectLost("reference.parquet does not exist")),
    ],
)
def test_drift_asks_for_a_successor_and_says_why(monkeypatch, lost, error):
    lose(monkeypatch, drift, lost, error)
    said = []
    case = drift.Case(batch=BATCH, champion=CHAMPION, correlation_id="c-1")
    report = drift.judge(SETTINGS, case, said.append)
    assert report.verdict == "train"
    (reason,) = report.reasons
    assert reason.startswith("the champion tasador-price@2 cannot be read")
    assert str(error) in reason
    assert "tasador rollback VERSION" in reason
    assert str(error) in said[0]


def test_drift_does_not_take_a_store_that_is_down_for_a_lost_champion(monkeypatch):
    lose(monkeypatch, drift, "bundle", StoreUnavailable("no answer"))
    case = drift.Case(batch=BATCH, champion=CHAMPION, correlation_id="c-1")
    with pytest.raises(StoreUnavailable):
        drift.judge(SETTINGS, case, lambda _: None)


def test_champion_that_somebody_else_signed_stops_drift_and_judgement(monkeypatch):
    lose(monkeypatch, drift, "bundle", SignatureError("it was changed"))
    case = drift.Case(batch=BATCH, champion=CHAMPION, correlation_id="c-1")
    with pytest.raises(SignatureError):
        drift.judge(SETTINGS, case, lambda _: None)
    lake = Lake("bundle", SignatureError("it was changed"))
    with pytest.raises(SignatureError):
        inputs.champion_bundle(lake, CHAMPION)


def test_monitoring_names_the_lost_reference_as_the_cause(monkeypatch):
    lose(monkeypatch, monitoring, "reference", ObjectLost("it does not exist"))
    case = monitoring.Case(
        champion=CHAMPION, since=WHEN - timedelta(days=1), until=WHEN, correlation_id="c"
    )
    result = monitoring.check(SETTINGS, case, lambda _: None)
    assert (result.causes, result.hurts, result.report) == (["champion_lost"], True, None)
    assert "it does not exist" in result.reasons[0]


def test_challenger_of_a_lost_champion_is_judged_by_the_absolute_checks():
    lake = Lake("bundle", BundleError("model.ubj is damaged"))
    bundle, lost = inputs.champion_bundle(lake, CHAMPION)
    assert bundle is None
    decision = judge_challenger(evaluation(), None, without=lost)
    says = {check.name: check.says for check in decision.checks}
    assert "The champion tasador-price@2 cannot be read" in says["better_than_champion"]
    assert "model.ubj is damaged" in decision.reasons[0]
    assert decision.promote


def test_rows_of_a_lost_reference_are_left_out(monkeypatch):
    monkeypatch.setattr(inputs, "Lake", lambda settings: Lake("reference", ObjectLost("gone")))
    monkeypatch.setattr("tasador.training.holdout.holdout_of", lambda frames, kept: kept)
    assert inputs.judged_rows(SETTINGS, [BATCH], CHAMPION) is None
