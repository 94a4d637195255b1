"""The history of predictions: which are chosen, and the prices that arrived for them later."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.http import HttpProblem
from functions.paging import read_chosen
from functions.predictions import realised
from tasador.warehouse.predictions import EVERY, Chosen, Sale
from tests.kit.records import WHEN, make_prediction

HOME = {"street": "1", "city": "Houston", "zip_code": "77084"}
KEY = "1|houston|77084"


def test_choice_of_predictions_is_read():
    assert read_chosen({}) == EVERY
    assert read_chosen({"since": "2026-01-31T12:00:00Z", "version": "07", "state": "tx"}) == (
        Chosen(datetime(2026, 1, 31, 12, tzinfo=UTC), 7, "Texas")
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("since", "yesterday"),
        ("since", ""),
        ("version", "0"),
        ("version", "-1"),
        ("version", "x"),
        ("version", "1234567890"),
        ("version", "٣"),
        ("state", ""),
        ("state", "x" * 300),
    ],
)
def test_wrong_choices_are_named(name, value):
    with pytest.raises(HttpProblem) as problem:
        read_chosen({name: value})
    assert problem.value.status == 422
    assert [error.field for error in problem.value.errors] == [name]


class Sold:
    """A warehouse that knows these sales; ``asked`` are the questions."""

    def __init__(self, *sales):
        self._sales, self.asked = sales, []

    def sales(self, keys, since):
        self.asked.append((keys, since))
        return [s for s in self._sales if s.property_key in keys and s.fetched_at > since]


def test_the_first_price_after_a_prediction_is_its_own():
    early, late = (
        make_prediction(listing=HOME, price=price, predicted_at=WHEN + timedelta(hours=hour))
        for hour, price in ((0, 110.0), (4, 90.0))
    )
    incomplete = make_prediction()
    sold = Sold(
        Sale(KEY, 100.0, WHEN + timedelta(hours=2)),
        Sale("other", 5.0, WHEN + timedelta(hours=3)),
        Sale(KEY, 120.0, WHEN + timedelta(hours=6)),
    )
    found = realised(sold, [late, incomplete, early])
    assert sold.asked == [([KEY], WHEN)]
    assert {i: (f["price"], round(f["error"], 3)) for i, f in found.items()} == {
        early.prediction_id: (100.0, 0.1),
        late.prediction_id: (120.0, -0.25),
    }
    assert found[early.prediction_id]["fetched_at"] == "2026-01-31T14:00:00+00:00"


def test_predictions_without_an_address_ask_for_no_sales():
    sold = Sold()
    assert realised(sold, [make_prediction()]) == realised(sold, []) == {}
    assert sold.asked == []
