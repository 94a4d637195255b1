"""Explanations add up to the price exactly and name the largest contributions."""

import numpy as np
import pytest

from tasador.listings.listing import Listing
from tasador.model.contributions import explain
from tasador.model.features import FEATURES, TERMS
from tasador.model.manifest import MODEL
from tasador.training.boosting import import_xgboost

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
LISTINGS = {
    "whole": HOUSE,
    "nothing": Listing(),
    "no size": HOUSE._replace(house_size=None),
    "nowhere": HOUSE._replace(state="Atlantis", city="X", zip_code="00001"),
    "wild": HOUSE._replace(bed=99.0, acre_lot=100_000.0),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_explain_adds_up_to_the_price(trained, name):
    explanation = explain(trained, LISTINGS[name])
    price = trained.predict_one(LISTINGS[name])["price"]
    assert explanation.price == price
    for contributions in (explanation.contributions, explanation.columns):
        assert explanation.base + sum(c.dollars for c in contributions) == pytest.approx(
            price, abs=0.01
        )
        sizes = [abs(c.dollars) for c in contributions]
        assert sizes == sorted(sizes, reverse=True)
    assert {c.feature for c in explanation.contributions} == {
        *(f.name for f in FEATURES),
        *(f"local_{t.name}" for t in TERMS),
        "surroundings",
    }


# shap imports matplotlib's colour maps in a way that matplotlib is about to drop.
@pytest.mark.filterwarnings("ignore:The set_(bad|over|under) function:PendingDeprecationWarning")
def test_log_effects_equal_shap(trained, trained_folder):
    import shap

    package = import_xgboost().Booster(model_file=trained_folder / MODEL)
    matrix = trained.encoders.encode(HOUSE).matrix
    expected = shap.TreeExplainer(package).shap_values(matrix)[0]
    np.testing.assert_allclose(trained.log_effects(HOUSE).of_trees, expected, atol=1e-5)


def test_explain_has_one_base_for_all_listings(trained):
    assert len({explain(trained, listing).base for listing in LISTINGS.values()}) == 1


def test_sentence_names_price_and_largest_contribution(trained):
    explanation = explain(trained, HOUSE)
    first = explanation.columns[0]
    assert f"${explanation.price:,.0f}" in explanation.sentence
    assert f"${explanation.base:,.0f}" in explanation.sentence
    assert f"{'adds' if first.dollars > 0 else 'takes off'} ${abs(first.dollars):,.0f}" in (
        explanation.sentence
    )
    assert "2,900 sq ft" in explanation.sentence


def test_explain_shows_missing_values(trained):
    values = {c.feature: c.value for c in explain(trained, Listing()).columns}
    assert values.pop("comparables") == "nearby"
    assert set(values.values()) == {"not given"}


def test_explain_lists_similar_nearby_comparables(trained, market):
    comparables = explain(trained, HOUSE).comparables
    assert len(comparables) == 10
    similarities = [c.alike for c in comparables]
    assert similarities == sorted(similarities, reverse=True)
    shown = market[~market["holdout"]]
    for one in comparables:
        # Each is a training listing with its original values; log prices are stored in 32 bits.
        same = np.isclose(shown["price"], one.price, rtol=1e-5)
        rows = shown[(shown["zip_code"] == one.zip_code) & same]
        assert len(rows) > 0
        if one.house_size is not None:
            assert (rows["house_size"].round() == one.house_size).any()
        assert one.km < 200
    assert explain(trained, Listing()).comparables == []
