"""Explanations add up to the price, exactly, and name what moved it."""

from dataclasses import replace

import numpy as np
import pytest

from tasador.listings.listing import Listing
from tasador.model.contributions import explain
from tasador.model.features import FEATURES, TERMS
from tasador.model.manifest import MODEL
from tasador.training.study import training_engine

HOUSE = Listing(
    brokered_by="352",
    status="for_sale",
    bed=4.0,
    bath=3.0,
    acre_lot=0.4,
    street="7",
    city="Miami",
    state="Florida",
    zip_code="33131",
    house_size=2900.0,
    prev_sold_date="2015-05-01",
)
ASKED = {
    "whole": HOUSE,
    "nothing": Listing(),
    "no size": replace(HOUSE, house_size=None),
    "nowhere": replace(HOUSE, state="Atlantis", city="X", zip_code="00001"),
    "wild": replace(HOUSE, bed=99.0, acre_lot=100_000.0),
}


@pytest.mark.parametrize("asked", ASKED)
def test_base_and_contributions_sum_to_the_price(trained, asked):
    explanation = explain(trained, ASKED[asked])
    price = trained.predict_one(ASKED[asked])["price"]
    assert explanation.price == price
    for parts in (explanation.contributions, explanation.columns):
        assert explanation.base + sum(part.dollars for part in parts) == pytest.approx(
            price, abs=0.01
        )
        sizes = [abs(part.dollars) for part in parts]
        assert sizes == sorted(sizes, reverse=True)
    assert {part.feature for part in explanation.contributions} == {
        *(f.name for f in FEATURES),
        *(f"local_{t.name}" for t in TERMS),
    }


# shap imports matplotlib's colour maps in a way that matplotlib is about to drop.
@pytest.mark.filterwarnings("ignore:The set_(bad|over|under) function:PendingDeprecationWarning")
def test_contributions_are_those_of_shap(trained, trained_folder):
    import shap

    package = training_engine().Booster(model_file=trained_folder / MODEL)
    matrix = trained.encoders.transform_one(HOUSE)
    expected = shap.TreeExplainer(package).shap_values(matrix)[0]
    found, *_ = trained.log_effects(HOUSE)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_base_is_the_same_for_every_listing(trained):
    assert len({explain(trained, listing).base for listing in ASKED.values()}) == 1


def test_the_sentence_names_price_and_what_moved_it_most(trained):
    explanation = explain(trained, HOUSE)
    first = explanation.columns[0]
    assert f"${explanation.price:,.0f}" in explanation.sentence
    assert f"${explanation.base:,.0f}" in explanation.sentence
    assert f"{'adds' if first.dollars > 0 else 'takes off'} ${abs(first.dollars):,.0f}" in (
        explanation.sentence
    )
    assert "2,900 sq ft" in explanation.sentence


def test_a_missing_value_is_said_to_be_missing(trained):
    values = {part.feature: part.value for part in explain(trained, Listing()).columns}
    assert values.pop("comparables") == "nearby"
    assert set(values.values()) == {"not given"}


def test_the_comparables_are_like_the_listing_and_near(trained, market):
    found = explain(trained, HOUSE).comparables
    assert len(found) == 5
    assert [c.alike for c in found] == sorted((c.alike for c in found), reverse=True)
    shown = market[~market["holdout"]]
    for one in found:
        # Each is a listing that the model has learnt from, told as it was given.
        # Log prices are kept in 32 bits.
        same = np.isclose(shown["price"], one.price, rtol=1e-5)
        rows = shown[(shown["zip_code"] == one.zip_code) & same]
        assert len(rows) > 0
        if one.house_size is not None:
            assert (rows["house_size"].round() == one.house_size).any()
        assert one.km < 200
    assert explain(trained, Listing()).comparables == []
