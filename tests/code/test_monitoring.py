"""When monitoring requests training, and which price belongs to which prediction."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tasador.drift.baseline import Baseline, Clustering
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import Listing, address_key
from tasador.monitoring import policy, realised
from tasador.warehouse.predictions import Sale
from tests.kit.records import make_batch, make_decision, make_drift_record, make_monitor_record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUIET = policy.QuietPeriods(after_request=timedelta(hours=24), undecided=timedelta(days=3))
CHAMPION = 4


def ago(**time):
    return NOW - timedelta(**time)


def requested(when):
    """A check that requested training."""
    return make_monitor_record(
        champion_version=CHAMPION,
        window_from=when - timedelta(days=1),
        window_to=when,
        looked_at=when,
    )


def decided(when, decision="rejected", batches=("b1",), version=5, champion=CHAMPION):
    return make_decision(
        version=version,
        digest=f"d{version}",
        decision=decision,
        batch_ids=list(batches),
        champion_version=champion,
        decided_at=when,
    )


def verdict(when, verdict="drift", champion=CHAMPION):
    return make_drift_record(
        batch_id="batch-of-many-letters",
        champion_version=champion,
        verdict=verdict,
        decided_at=when,
    )


def ready(*names):
    return [make_batch(batch_id=name, status="ready") for name in names]


# The champion: trained on b1, promoted ten days ago.
PROMOTED = decided(ago(days=10), "promoted", version=CHAMPION, champion=3)


def decide(*, checks=(), verdicts=(), decisions=(), batches=("b1",), hurts=True, quiet=QUIET):
    history = policy.History(
        requests=list(checks),
        verdicts=list(verdicts),
        decisions=[*decisions, PROMOTED],
        ready=ready(*batches),
    )
    return policy.decide(PROMOTED.model, hurts, history, NOW, quiet)


def test_decide_requests_training_only_if_requests_hurt():
    assert decide() == (
        True,
        "training is requested, although no batch has arrived since version 4 was trained",
    )
    decision = decide(batches=("b1", "b2"))
    assert decision == (True, "training is requested, with 1 new batch to learn from")
    assert decide(hurts=False).request is False
    assert "no training is requested" in decide(hurts=False).reason


def test_decide_waits_for_the_quiet_period_after_a_request():
    before = requested(ago(hours=23))
    for decisions in ([], [decided(ago(hours=22))]):
        decision = decide(checks=[before], decisions=decisions, batches=("b1", "b2"))
        assert decision == (
            False,
            "training was requested at 2026-02-28 13:00 UTC: no new request before "
            "2026-03-01 13:00 UTC",
        )
    shorter = replace(QUIET, after_request=timedelta(hours=1))
    rejected = [decided(ago(hours=22))]
    assert decide(checks=[before], decisions=rejected, batches=("b1", "b2"), quiet=shorter).request


def test_decide_waits_for_an_undecided_training():
    decision = decide(checks=[requested(ago(hours=30))], batches=("b1", "b2"))
    assert decision.request is False
    assert "monitoring requested" in decision.reason
    assert "not decided yet" in decision.reason


def test_decide_waits_for_a_training_requested_by_drift():
    decision = decide(verdicts=[verdict(ago(hours=1))], batches=("b1", "b2"))
    assert decision.request is False
    assert "the verdict on batch batch-of-man requested" in decision.reason
    # Decided since, another champion, or no request for training: nothing is undecided.
    assert decide(
        verdicts=[verdict(ago(hours=2))],
        decisions=[decided(ago(hours=1))],
        batches=("b1", "b2"),
    ).request
    assert decide(verdicts=[verdict(ago(hours=1), champion=3)]).request
    assert decide(verdicts=[verdict(ago(hours=1), "no_drift")]).request


def test_decide_gives_up_on_a_training_that_was_never_decided():
    decision = decide(checks=[requested(ago(days=4))])
    assert decision.request is True
    assert "was never decided" in decision.reason
    assert decide(verdicts=[verdict(ago(days=4))]).request


def test_decide_after_a_rejection_needs_new_batches():
    checks, rejected = [requested(ago(hours=40))], [decided(ago(hours=39))]
    decision = decide(checks=checks, decisions=rejected)
    assert decision.request is False
    assert decision.reason.startswith("version 5 was rejected against version 4")
    assert decision.reason.endswith("no batch has arrived since")
    decision = decide(checks=checks, decisions=rejected, batches=("b1", "b2", "b3"))
    assert decision == (True, "training is requested, with 2 new batches to learn from")


def test_decide_counts_rejections_of_trainings_requested_by_drift():
    assert decide(decisions=[decided(ago(hours=5))]).request is False
    # A rejection against an earlier champion does not count.
    assert decide(decisions=[decided(ago(days=11), champion=3)]).request is True


def test_decide_after_a_rollback_needs_new_batches():
    # Version 5 was requested and promoted; then somebody rolled back to version 4.
    decisions = [
        decided(ago(hours=20), "rolled_back", version=CHAMPION, champion=5),
        decided(ago(hours=39), "promoted"),
    ]
    checks = [requested(ago(hours=40))]
    decision = decide(checks=checks, decisions=decisions)
    assert decision.request is False
    assert "ended with version 5, and no batch has arrived since" in decision.reason
    assert decide(checks=checks, decisions=decisions, batches=("b1", "b2")).request


def test_decide_without_any_history_requests_training():
    history = policy.History(requests=[], verdicts=[], decisions=[], ready=ready("b1"))
    assert policy.decide(1, True, history, NOW, QUIET).request


# -- realised error ---------------------------------------------------------------------------


def test_key_of_an_incomplete_address_is_empty():
    whole = Listing(street="1", city="Houston", zip_code="77084")
    assert address_key(whole) == "1|houston|77084"
    for field in ("street", "city", "zip_code"):
        assert address_key(whole._replace(**{field: None})) == ""


def test_pair_matches_a_price_with_the_last_prediction_before_it():
    predictions = [
        ("a", ago(hours=9), 100.0),
        ("a", ago(hours=7), 110.0),
        ("a", ago(hours=1), 120.0),  # after the price, so not a forecast of it
        ("b", ago(hours=9), 200.0),
        ("c", ago(hours=1), 300.0),
        ("", ago(hours=9), 400.0),
    ]
    sales = [
        Sale("c", 310.0, ago(hours=6)),  # arrived before the prediction
        Sale("a", 105.0, ago(hours=5)),
        Sale("a", 500.0, ago(hours=4)),  # only the first price after the prediction counts
        Sale("b", 210.0, ago(hours=3)),
        Sale("", 1.0, ago(hours=3)),
    ]
    assert realised.pair(predictions, sales) == [(110.0, 105.0), (200.0, 210.0)]
    assert realised.pair([], sales) == []


@pytest.fixture
def reference():
    """Two thousand out-of-sample predictions with errors of some 15 %, and rows without one."""
    noise = np.random.default_rng(0).normal(0, 0.2, 3_000)
    predicted = np.full(3_000, 300_000.0)
    predicted[2_000:] = np.nan
    return pd.DataFrame({"price": 300_000 * np.exp(noise), "predicted": predicted})


def sold(n, factor=1.0, seed=1):
    noise = np.random.default_rng(seed).normal(0, 0.2, n)
    return [(250_000.0, float(250_000 * factor * np.exp(e))) for e in noise]


def judge(pairs, reference, baseline=None):
    return realised.judge(pairs, reference, baseline, Thresholds())


def test_judge_realised_error_of_the_same_market(reference):
    for seed in range(20):
        result = judge(sold(200, seed=seed), reference)
        assert result.error == pytest.approx(result.usual, rel=0.2)
        assert [f.name for f in result.findings if f.exceeded] == []


def test_judge_realised_error_of_a_market_that_rose(reference):
    result = judge(sold(300, factor=1.3), reference)
    exceeded = {f.name: f.message for f in result.findings if f.exceeded}
    assert set(exceeded) == {"price_level", "realised_error"}
    assert "above the predictions" in exceeded["price_level"]
    assert "300 properties" in exceeded["realised_error"]
    assert [f.effect for f in result.findings] == ["both", "hurts"]
    # If the level moves as much between months of the champion's data, it is nothing new.
    months = Baseline(
        rows=3_000,
        drawn=750,
        draws=100,
        clustering={
            "price_level/price": Clustering(between=0.3),
            "error/": Clustering(between=1.0),
        },
    )
    calm = judge(sold(300, factor=1.3), reference, months)
    assert [f.exceeded for f in calm.findings] == [False, False]


def test_judge_with_few_prices_measures_without_findings(reference):
    result = judge(sold(29, factor=3.0), reference)
    assert result.error > 1
    assert result.findings == []
    none = judge([], reference)
    assert (none.error, none.findings, len(none.ratios)) == (None, [], 0)
    # Prices outside the market range are ignored.
    odd = judge([(250_000.0, 1.0)] * 50, reference)
    assert odd.error is None
