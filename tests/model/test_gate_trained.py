"""The gate on real trainings: a model of a narrow batch never replaces one that knows the country.

The ways in which a platform could let it: judged on a holdout that is as narrow as its training,
on one where the narrow batch's rows are the most, or by leaving the champion's rows out.
"""

import numpy as np
import pandas as pd
import pytest

from tasador.drift.reference import make_reference
from tasador.gate.checks import judge
from tasador.listings.listing import in_holdout
from tasador.listings.table import columns_of
from tasador.training.evaluation import evaluate
from tasador.training.holdout import holdout_of
from tests.kit.listings import simulated_frame
from tests.kit.models import QUICK, train_bundle

NARROW = {
    "one state": lambda frame: frame["state"] == "Texas",
    "cheap houses": lambda frame: frame["price"] < 200_000,
    "dear houses": lambda frame: frame["price"] > 700_000,
}


@pytest.fixture(scope="module")
def country():
    """A batch of the whole country, from which the champion learnt."""
    return simulated_frame(5_000, seed=11)


@pytest.fixture(scope="module")
def champion(country, tmp_path_factory):
    return train_bundle(country, tmp_path_factory.mktemp("champion") / "bundle", QUICK)


@pytest.fixture(scope="module")
def reference(country, champion):
    """What lies beside the champion, as the train flow makes it."""
    held = country["holdout"].to_numpy(dtype=bool)
    honest = np.full(len(country), np.nan)
    honest[held] = champion.predict(columns_of(country[held])).price
    return make_reference(country, honest)


@pytest.fixture(scope="module", params=NARROW)
def narrow(request):
    """A later batch of only such listings, with more rows of them than the country's has in all."""
    parts = [simulated_frame(24_000, seed=11, batch=number) for number in (1, 2, 3)]
    frame = pd.concat(parts, ignore_index=True)
    return frame[NARROW[request.param](frame).to_numpy(dtype=bool)].head(8_000)


@pytest.fixture(scope="module")
def challenger(narrow, tmp_path_factory):
    return train_bundle(narrow, tmp_path_factory.mktemp("challenger") / "bundle", QUICK)


def judged(challenger, champion, rows):
    return judge(evaluate(challenger, rows), evaluate(champion, rows))


def failed(decision):
    return {check.name for check in decision.checks if not check.passed}


def test_on_the_rows_of_all_batches(champion, challenger, country, narrow):
    decision = judged(challenger, champion, holdout_of([country, narrow]))
    assert not decision.promote
    assert "slices_against_champion" in failed(decision)


def test_where_most_rows_are_the_narrow_ones(champion, challenger, country, narrow):
    few = country[country["holdout"]].head(150)
    decision = judged(challenger, champion, holdout_of([few, narrow]))
    assert not decision.promote
    (slices,) = [c for c in decision.checks if c.name == "slices_against_champion"]
    assert not slices.passed
    assert "Much worse than the champion in" in slices.says


def test_where_the_platform_knows_the_narrow_batch_alone(champion, challenger, reference, narrow):
    alone = judged(challenger, champion, holdout_of([narrow]))
    decision = judged(challenger, champion, holdout_of([narrow], reference))
    assert not decision.promote
    assert "slices_against_champion" in failed(decision)
    # The narrow rows by themselves do not tell that the country is lost.
    assert "slices_against_champion" not in failed(alone)


def test_one_that_learnt_more_of_the_country_is_promoted(champion, country, tmp_path):
    more = [country, simulated_frame(8_000, seed=11, batch=1)]
    learnt = train_bundle(pd.concat(more, ignore_index=True), tmp_path / "bundle", QUICK)
    decision = judged(learnt, champion, holdout_of(more))
    assert decision.promote, decision.reasons


def test_one_that_wins_overall_but_ruins_a_state_is_rejected_with_its_name(country, tmp_path):
    weak = train_bundle(country.head(1_500), tmp_path / "weak", QUICK)
    rows = pd.concat([country, simulated_frame(8_000, seed=11, batch=1)], ignore_index=True)
    # It learnt from far more rows, but in one state from a feed whose prices were wrong.
    wrong = rows["state"] == "North Carolina"
    spoilt = rows.assign(price=rows["price"].where(~wrong, rows["price"] * 1.7))
    learnt = train_bundle(spoilt, tmp_path / "learnt", QUICK)
    decision = judged(learnt, weak, holdout_of([rows]))
    assert "slices_against_champion" in failed(decision)
    against = {"better_than_champion", "log_error_against_champion", "r2_against_champion"}
    assert not against & failed(decision)
    assert any("worse than the champion in North Carolina (" in why for why in decision.reasons)


def test_the_holdout_takes_each_property_once(country, reference, narrow):
    alone = holdout_of([country])
    assert len(holdout_of([country], reference)) == len(alone) == country["holdout"].sum()
    joined = holdout_of([narrow], reference)
    assert all(in_holdout(key) for key in joined["property_key"])
    brought = set(joined["property_key"]) - set(narrow["property_key"])
    assert brought == set(alone["property_key"]) - set(narrow["property_key"])
