"""A champion whose bundle is gone or damaged: the loop goes on, and a rollback works."""

import uuid
from dataclasses import replace

import pytest

from tasador.clock import now
from tasador.drift import verbs as drift
from tasador.errors import BundleError, RolloutError
from tasador.monitoring import verbs as monitoring
from tasador.operations.doctor import diagnose
from tasador.rollout.rollback import roll_back
from tasador.stores.lake import Lake, split
from tasador.stores.registry import CHAMPION, Registry
from tasador.training import verbs as training
from tasador.training.search_options import SearchOptions
from tasador.warehouse.warehouse import Warehouse
from tests.kit.broker import recording_broker
from tests.kit.training import ready_to_train


@pytest.fixture(scope="module")
def world(platform):
    """Two promoted versions; the second one is champion. Yields the settings and both decisions."""
    with ready_to_train(platform) as settings, recording_broker() as (broker, _):
        own = settings._replace(broker_url=broker)
        planned = training.plan(own)
        result = training.search(own, planned, SearchOptions(trials=1, seed=0))
        first = training.judge(own, planned, training.fit(own, planned, result, seed=0)).record
        again = replace(planned, training_id=uuid.uuid4().hex)
        candidate = training.fit(own, again, result, seed=1)
        with Warehouse(own.database_url) as warehouse:
            second = warehouse.record_decision(
                replace(
                    first,
                    version=candidate.model.version,
                    digest=candidate.model.digest,
                    model_uri=candidate.model.uri,
                    run_id=candidate.run_id,
                    training_id=again.training_id,
                    champion_version=first.version,
                    champion_digest=first.digest,
                    decided_at=now(),
                    promotion=None,
                )
            )
        yield own, first, second, result


def spoil(settings, uri):
    """Replace an object of the champion by something else; returns how to undo it."""
    lake = Lake(settings)
    content = lake.get_bytes(uri)
    bucket, key = split(uri)
    lake.put_bytes(bucket, key, b"damaged")
    return lambda: lake.put_bytes(bucket, key, content)


def test_drift_requests_a_successor_of_a_champion_that_cannot_be_read(world):
    settings, _, second, _ = world
    case = drift.choose(settings)
    assert case.champion.model.key == second.model.key
    for uri in (f"{second.model_uri}/model.ubj", case.champion.reference_uri):
        mend = spoil(settings, uri)
        try:
            report = drift.judge(settings, case, lambda _: None)
        finally:
            mend()
        assert report.verdict == "train"
        assert f"the champion {second.model} cannot be read" in report.reasons[0]
        assert "tasador rollback" in report.reasons[0]


def test_monitoring_requests_a_successor_of_a_champion_without_reference(world):
    settings, _, second, _ = world
    case = monitoring.choose(settings)
    mend = spoil(settings, case.champion.reference_uri)
    try:
        result = monitoring.check(settings, case, lambda _: None)
    finally:
        mend()
    assert result.causes == ["champion_lost"]
    recorded = monitoring.record(settings, case, result)
    assert (recorded.verdict, recorded.requested_training) == ("hurts", True)
    assert f"{second.model} cannot be read" in recorded.reasons[0]


def test_successor_is_judged_by_the_absolute_checks_and_rollback_returns(world):
    settings, first, second, result = world
    mend = spoil(settings, f"{second.model_uri}/model.ubj")
    with pytest.raises(BundleError):
        Lake(settings).load_bundle(second.model)
    (champion,) = [d for d in diagnose(settings) if d.part == "champion"]
    assert not champion.healthy
    assert "cannot be read" in champion.message
    # The event of a run that nothing recorded starts no training.
    planned = replace(training.plan(settings), training_id=uuid.uuid4().hex)
    judgement = training.judge(settings, planned, training.fit(settings, planned, result, seed=2))
    assert judgement.champion is None
    reasons = " ".join(judgement.record.reasons)
    checks = {check["name"]: check["says"] for check in judgement.record.checks}
    assert "only the absolute checks judge" in checks["better_than_champion"]
    assert judgement.record.decision == "promoted", reasons
    assert judgement.record.champion.key == second.model.key
    # The lost version cannot be rolled back to, and nothing is recorded; the first one can.
    with Warehouse(settings.database_url) as warehouse:
        before = warehouse.model_history()
        with pytest.raises(RolloutError, match="cannot serve, so nothing was changed"):
            roll_back(settings, second.version)
        assert warehouse.model_history() == before
    back, announce_error = roll_back(settings, first.version)
    assert (back.version, back.digest, announce_error) == (first.version, first.digest, "")
    assert Registry(settings).aliased(CHAMPION).version == first.version
    mend()


def test_rollback_to_a_version_that_mlflow_lacks_records_nothing(world):
    from mlflow import MlflowClient  # imported for seconds

    settings, _, second, _ = world
    MlflowClient(settings.mlflow_url).delete_model_version(settings.model_name, str(second.version))
    with Warehouse(settings.database_url) as warehouse:
        before = warehouse.model_history()
        with pytest.raises(Exception, match=f"has no version {second.version}"):
            roll_back(settings, second.version)
        assert warehouse.model_history() == before


def test_events_of_nothing_that_is_recorded_start_nothing(world):
    settings, *_ = world
    with pytest.raises(Exception, match="has the correlation id forged"):
        training.plan(settings, "forged")
    with pytest.raises(Exception, match="there is no batch forged"):
        drift.choose(settings, "forged")
    with pytest.raises(Exception, match="has correlation id"):
        drift.choose(settings, "", "forged")
