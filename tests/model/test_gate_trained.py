"""The gate on real trainings: a model of a narrow batch never replaces a model of the whole
country.

This could happen with a holdout as narrow as the training data, a holdout dominated by the narrow
batch, or a holdout without the champion's rows.
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
    "expensive houses": lambda frame: frame["price"] > 700_000,
}


@pytest.fixture(scope="module")
def country():
    """A batch of the whole country, which the champion is trained on."""
    return simulated_frame(5_000, seed=11)


@pytest.fixture(scope="module")
def champion(country, tmp_path_factory):
    return train_bundle(country, tmp_path_factory.mktemp("champion") / "bundle", QUICK)


@pytest.fixture(scope="module")
def reference(country, champion):
    """The champion's drift reference, as the train flow writes it."""
    held = country["holdout"].to_numpy(dtype=bool)
    out_of_sample = np.full(len(country), np.nan)
    out_of_sample[held] = champion.predict(columns_of(country[held])).price
    return make_reference(country, out_of_sample)


@pytest.fixture(scope="module")
def later():
    """Later batches of the whole country."""
    parts = [simulated_frame(24_000, seed=11, batch=number) for number in (1, 2, 3)]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module", params=NARROW)
def narrow(later, request):
    """A later batch of one kind of listing, with more rows than the country's batch has."""
    return later[NARROW[request.param](later).to_numpy(dtype=bool)].head(8_000)


@pytest.fixture(scope="module")
def challenger(narrow, tmp_path_factory):
    return train_bundle(narrow, tmp_path_factory.mktemp("challenger") / "bundle", QUICK)


def judged(challenger, champion, rows):
    return judge(evaluate(challenger, rows), evaluate(champion, rows))


def failed(decision):
    return {check.name for check in decision.checks if not check.passed}


def test_narrow_challenger_is_rejected_on_all_batches(champion, challenger, country, narrow):
    decision = judged(challenger, champion, holdout_of([country, narrow]))
    assert not decision.promote
    assert "slices_against_champion" in failed(decision)


def test_narrow_challenger_is_rejected_if_most_rows_are_narrow(
    champion, challenger, country, narrow
):
    few_rows = country[country["holdout"]].head(150)
    decision = judged(challenger, champion, holdout_of([few_rows, narrow]))
    assert not decision.promote
    (slices,) = [c for c in decision.checks if c.name == "slices_against_champion"]
    assert not slices.passed
    assert "Much worse than the champion in" in slices.says


def test_narrow_challenger_is_rejected_with_the_champions_reference(
    champion, challenger, reference, narrow
):
    alone = judged(challenger, champion, holdout_of([narrow]))
    decision = judged(challenger, champion, holdout_of([narrow], reference))
    assert not decision.promote
    assert "slices_against_champion" in failed(decision)
    # The narrow rows alone do not show the loss in the rest of the country.
    assert "slices_against_champion" not in failed(alone)


def test_challenger_with_more_data_is_promoted(champion, country, tmp_path):
    more = [country, simulated_frame(8_000, seed=11, batch=1)]
    challenger = train_bundle(pd.concat(more, ignore_index=True), tmp_path / "bundle", QUICK)
    decision = judged(challenger, champion, holdout_of(more))
    assert decision.promote, decision.reasons


def test_challenger_with_a_loss_in_one_state_is_rejected(country, tmp_path):
    weak = train_bundle(country.head(1_500), tmp_path / "weak", QUICK)
    rows = pd.concat([country, simulated_frame(8_000, seed=11, batch=1)], ignore_index=True)
    # Trained on far more rows, but with wrong prices in one state.
    wrong = rows["state"] == "North Carolina"
    wrong_prices = rows.assign(price=rows["price"].where(~wrong, rows["price"] * 1.7))
    challenger = train_bundle(wrong_prices, tmp_path / "challenger", QUICK)
    decision = judged(challenger, weak, holdout_of([rows]))
    assert "slices_against_champion" in failed(decision)
    against = {"better_than_champion", "log_error_against_champion", "r2_against_champion"}
    assert not against & failed(decision)
    assert any(
        "worse than the champion in North Carolina (" in reason for reason in decision.reasons
    )


def test_holdout_of_takes_each_property_once(country, reference, narrow):
    alone = holdout_of([country])
    assert len(holdout_of([country], reference)) == len(alone) == country["holdout"].sum()
    joined = holdout_of([narrow], reference)
    assert all(in_holdout(key) for key in joined["property_key"])
    added = set(joined["property_key"]) - set(narrow["property_key"])
    assert added == set(alone["property_key"]) - set(narrow["property_key"])
