"""When monitoring asks for training, and which price belongs to which prediction."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tasador.drift.baseline import Baseline, Clustering
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import Listing
from tasador.monitoring import policy, realised
from tasador.warehouse.predictions import Sale
from tests.kit.records import make_batch, make_decision, make_drift_record, make_monitor_record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUIET = policy.QuietPeriods(after_asking=timedelta(hours=24), undecided=timedelta(days=3))
CHAMPION = 4


def ago(**time):
    return NOW - timedelta(**time)


def asked(when):
    """A look that asked for training."""
    return make_monitor_record(
        champion_version=CHAMPION,
        window_from=when - timedelta(days=1),
        window_to=when,
        looked_at=when,
    )


def decided(when, decision="rejected", batches=("b1",), version=5, champion=CHAMPION):
    return make_decision(
        version=version,
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


# How the champion came to be: trained on b1, promoted ten days ago.
PROMOTED = decided(ago(days=10), "promoted", version=CHAMPION, champion=3)


def answer(*, looks=(), verdicts=(), decisions=(), batches=("b1",), hurts=True, quiet=QUIET):
    past = policy.Past(
        asked=list(looks),
        verdicts=list(verdicts),
        decisions=[*decisions, PROMOTED],
        ready=ready(*batches),
    )
    return policy.answer(CHAMPION, hurts, past, NOW, quiet)


def test_what_hurts_asks_and_what_does_not_hurt_does_not():
    assert answer() == (
        True,
        "training is asked for, though no batch has come since version 4 was trained",
    )
    said = answer(batches=("b1", "b2"))
    assert said == (True, "training is asked for, with 1 new batch to learn from")
    assert answer(hurts=False).ask is False
    assert "no training is asked for" in answer(hurts=False).says


def test_after_asking_it_is_quiet_for_the_quiet_time_whatever_came_of_it():
    before = asked(ago(hours=23))
    for decisions in ([], [decided(ago(hours=22))]):
        said = answer(looks=[before], decisions=decisions, batches=("b1", "b2"))
        assert said == (
            False,
            "training was asked for at 2026-02-28 13:00 UTC: quiet until 2026-03-01 13:00 UTC",
        )
    shorter = replace(QUIET, after_asking=timedelta(hours=1))
    rejected = [decided(ago(hours=22))]
    assert answer(looks=[before], decisions=rejected, batches=("b1", "b2"), quiet=shorter).ask


def test_a_training_on_its_way_is_waited_for():
    said = answer(looks=[asked(ago(hours=30))], batches=("b1", "b2"))
    assert said.ask is False
    assert "monitoring asked for" in said.says
    assert "not decided yet" in said.says


def test_a_training_that_drift_asked_for_is_waited_for_too():
    said = answer(verdicts=[verdict(ago(hours=1))], batches=("b1", "b2"))
    assert said.ask is False
    assert "the verdict on batch batch-of-man asked for" in said.says
    # Decided since, about another champion, or no call for training: nothing is on its way.
    assert answer(
        verdicts=[verdict(ago(hours=2))],
        decisions=[decided(ago(hours=1))],
        batches=("b1", "b2"),
    ).ask
    assert answer(verdicts=[verdict(ago(hours=1), champion=3)]).ask
    assert answer(verdicts=[verdict(ago(hours=1), "no_drift")]).ask


def test_a_training_that_never_was_decided_is_lost_after_a_time():
    said = answer(looks=[asked(ago(days=4))])
    assert said.ask is True
    assert "was never decided" in said.says
    assert answer(verdicts=[verdict(ago(days=4))]).ask


def test_after_a_rejection_only_new_data_asks_again():
    looks, rejected = [asked(ago(hours=40))], [decided(ago(hours=39))]
    said = answer(looks=looks, decisions=rejected)
    assert said.ask is False
    assert said.says.startswith("version 5 was rejected against version 4")
    assert said.says.endswith("no batch has come since")
    said = answer(looks=looks, decisions=rejected, batches=("b1", "b2", "b3"))
    assert said == (True, "training is asked for, with 2 new batches to learn from")


def test_a_rejection_that_drift_led_to_counts_as_well():
    assert answer(decisions=[decided(ago(hours=5))]).ask is False
    # Against an earlier champion it says nothing of this one.
    assert answer(decisions=[decided(ago(days=11), champion=3)]).ask is True


def test_after_a_rollback_the_same_data_is_not_trained_on_again():
    # Version 5 was asked for and promoted; then a person went back to version 4.
    decisions = [
        decided(ago(hours=20), "rolled_back", version=CHAMPION, champion=5),
        decided(ago(hours=39), "promoted"),
    ]
    looks = [asked(ago(hours=40))]
    said = answer(looks=looks, decisions=decisions)
    assert said.ask is False
    assert "ended with version 5, and no batch has come since" in said.says
    assert answer(looks=looks, decisions=decisions, batches=("b1", "b2")).ask


def test_before_anything_was_decided_it_may_ask():
    past = policy.Past(asked=[], verdicts=[], decisions=[], ready=ready("b1"))
    assert policy.answer(1, True, past, NOW, QUIET).ask


# -- realised error ---------------------------------------------------------------------------


def test_a_property_without_street_city_or_zip_is_no_property():
    whole = Listing(street="1", city="Houston", zip_code="77084")
    assert realised.key_of(whole) == "1|houston|77084"
    for field in ("street", "city", "zip_code"):
        assert realised.key_of(replace(whole, **{field: None})) == ""


def test_a_price_belongs_to_the_last_prediction_before_it_once_a_property():
    predictions = [
        ("a", ago(hours=9), 100.0),
        ("a", ago(hours=7), 110.0),
        ("a", ago(hours=1), 120.0),  # after the price: no forecast of it
        ("b", ago(hours=9), 200.0),
        ("c", ago(hours=1), 300.0),
        ("", ago(hours=9), 400.0),
    ]
    sales = [
        Sale("c", 310.0, ago(hours=6)),  # came before the prediction
        Sale("a", 105.0, ago(hours=5)),
        Sale("a", 500.0, ago(hours=4)),  # only the first price after the prediction counts
        Sale("b", 210.0, ago(hours=3)),
        Sale("", 1.0, ago(hours=3)),
    ]
    assert realised.pair(predictions, sales) == [(110.0, 105.0), (200.0, 210.0)]
    assert realised.pair([], sales) == []


@pytest.fixture
def reference():
    """Two thousand honest predictions with errors of some 15 %, and rows without one."""
    noise = np.random.default_rng(0).normal(0, 0.2, 3_000)
    predicted = np.full(3_000, 300_000.0)
    predicted[2_000:] = np.nan
    return pd.DataFrame({"price": 300_000 * np.exp(noise), "predicted": predicted})


def sold(n, factor=1.0, seed=1):
    noise = np.random.default_rng(seed).normal(0, 0.2, n)
    return [(250_000.0, float(250_000 * factor * np.exp(e))) for e in noise]


def judge(pairs, reference, baseline=None):
    return realised.judge(pairs, reference, baseline, Thresholds())


def test_the_same_market_realises_the_usual_error(reference):
    for seed in range(20):
        found = judge(sold(200, seed=seed), reference)
        assert found.error == pytest.approx(found.usual, rel=0.2)
        assert [f.name for f in found.findings if f.exceeded] == []


def test_a_market_that_rose_is_told_with_its_rise(reference):
    found = judge(sold(300, factor=1.3), reference)
    exceeded = {f.name: f.message for f in found.findings if f.exceeded}
    assert set(exceeded) == {"price_level", "realised_error"}
    assert "above what was predicted" in exceeded["price_level"]
    assert "300 properties" in exceeded["realised_error"]
    assert [f.effect for f in found.findings] == ["both", "hurts"]
    # Where months alone move the level as far, as the champion's data says, it is nothing new.
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


def test_a_few_prices_are_measured_but_raise_no_alarm(reference):
    found = judge(sold(29, factor=3.0), reference)
    assert found.error > 1
    assert found.findings == []
    none = judge([], reference)
    assert (none.error, none.findings, len(none.ratios)) == (None, [], 0)
    # Prices outside the market are no market prices.
    odd = judge([(250_000.0, 1.0)] * 50, reference)
    assert odd.error is None
