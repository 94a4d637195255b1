"""Degenerate data: trained where that makes sense, else an error as text before any work."""

import numpy as np
import pytest

from tasador.drift.baseline import learn_baseline
from tasador.drift.judge import Judge
from tasador.drift.reference import make_reference
from tasador.errors import TrainingError
from tasador.listings.arrays import arrays_of
from tasador.listings.listing import COLUMNS, INPUTS, Listing, read_row
from tasador.listings.table import columns_of, frame_of
from tasador.model.bundle import Bundle
from tasador.model.contributions import explain
from tasador.source.simulator import generate
from tasador.training import fitting, splits
from tasador.training.from_csv import train_to_folder
from tasador.training.search import KNOWN_GOOD, SearchResult
from tasador.training.search_options import SearchOptions

ROWS = list(generate(3, "steady", 0, 330))
HOUSE = {
    "brokered_by": "7",
    "status": "sold",
    "bed": 3,
    "bath": 2,
    "acre_lot": 0.2,
    "street": "9",
    "city": "Houston",
    "state": "Texas",
    "zip_code": "77084",
    "house_size": 1500,
    "prev_sold_date": "2020-01-01",
}
NUMBERS = ("bed", "bath", "acre_lot", "house_size")


def frame_with(rows=ROWS, **changes):
    read = (read_row({**row, **changes}) for row in rows)
    return frame_of([listing for listing, problems in read if not problems])


def bundle_of(frame, folder):
    """A model of the frame, without a search."""
    result = SearchResult(dict(KNOWN_GOOD), 0.0, [])
    fitting.write(fitting.fit(splits.prepare(frame), result), folder)
    return Bundle.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in INPUTS),
        *({name: HOUSE[name]} for name in ("state", "zip_code", "brokered_by")),
        dict.fromkeys(("state", "city")),
        dict.fromkeys(("state", "city", "zip_code")),
        dict.fromkeys(NUMBERS),
        {name: HOUSE[name] for name in NUMBERS},
        {name: HOUSE[name] for name in INPUTS if name != "street"},
    ],
    ids=lambda changes: " ".join(f"{k}={v}" for k, v in changes.items()),
)
def test_columns_without_values_or_with_one_value_train_and_serve(tmp_path, changes):
    bundle = bundle_of(frame_with(**changes), tmp_path / "bundle")
    # Also where serving gets what training never had.
    listings = [Listing(), Listing(**HOUSE), *(read_row(row)[0] for row in ROWS[:5])]
    prices = bundle.predict(arrays_of(listings)).price
    assert np.isfinite(prices).all()
    assert (prices > 0).all()
    explained = explain(bundle, listings[1])
    assert explained.price == pytest.approx(prices[1], rel=1e-5)


def test_a_holdout_with_one_price_has_no_metrics(tmp_path):
    frame = frame_with()
    frame.loc[frame["holdout"], "price"] = 250_000.0
    assert bundle_of(frame, tmp_path / "bundle").manifest.metrics == {}


@pytest.mark.parametrize("changes", [{}, *({name: None} for name in INPUTS)])
def test_drift_of_a_market_without_a_column(changes):
    class Champion:
        def predict(self, columns):
            rows = len(columns["price"])
            noise = np.random.default_rng(1).normal(0, 0.3, rows)
            return type("Priced", (), {"price": 2e5 * np.exp(noise)})

    known = frame_with(**changes)
    reference = make_reference(known, Champion().predict(columns_of(known)).price)
    judge = Judge(reference, learn_baseline(reference))
    batch = frame_with(list(generate(3, "steady", 1, 300)), **changes)
    assert judge.batch(batch, Champion()).verdict == "no_drift"


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (frame_with(street="9", city="Houston", zip_code="77084"), "are of one property, at least"),
        (frame_with(street=None, city=None, zip_code=None), "no row has a value of street or city"),
        (frame_with(price=250_000), "has the price 250,000: there is nothing to learn"),
        (frame_with(price=1), "330 left out .price outside the market"),
        (frame_with(ROWS[:100]), "100 rows can be trained on, at least 200 are needed: .* holdout"),
        (frame_with([]), "only 0 of 0 rows can be trained on"),
    ],
    ids=["one property", "no property", "one price", "no market price", "few rows", "no row"],
)
def test_data_that_cannot_be_trained_on_is_refused_at_the_start(frame, says):
    with pytest.raises(TrainingError, match=says):
        splits.prepare(frame)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": -1}, "seed is -1: choose a whole number from 0"),
        ({"seed": 2**40}, "seed is 1099511627776"),
        ({"trials": 0}, "trials is 0: at least 1"),
    ],
)
def test_options_that_no_search_can_have(changes, says, tmp_path):
    with pytest.raises(TrainingError, match=says):
        SearchOptions(**changes)
    # Before the file is read, and without a trace of the bundle.
    with pytest.raises(TrainingError, match=says):
        train_to_folder(tmp_path / "none.csv", tmp_path / "bundle", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_csv_without_prices_counts_the_reasons(tmp_path):
    path = tmp_path / "listings.csv"
    lines = [",".join(COLUMNS), *(",".join([str(i), *[""] * 11]) for i in range(250))]
    path.write_text("\n".join(lines))
    with pytest.raises(TrainingError, match=r"listings.csv: only 0 of .*price is missing \(250\)"):
        train_to_folder(path, tmp_path / "bundle", trials=1)
