"""The simulated market: its dirt, its price rule, and what happens in each scenario."""

import json
import statistics

import numpy as np
import pandas as pd
import pytest

from tasador.errors import ConfigurationError
from tasador.listings.listing import COLUMNS, property_key, read_row
from tasador.listings.rules import STATUSES
from tasador.source.market import NOISE, true_price
from tasador.source.places import known_places, new_places
from tasador.source.scenarios import AS_TEXT, BATCHES, RENAMED, SCENARIOS
from tasador.source.simulator import SQUARE_METRE, generate, true_prices

ROWS = 20_000
# The rates of real listings.
MISSING = {"prev_sold_date": 0.33, "house_size": 0.25, "bath": 0.23, "bed": 0.22, "acre_lot": 0.15}


@pytest.fixture(scope="module")
def steady():
    return generate(7, "steady", 0, ROWS)


def listings(rows):
    return [read_row(row)[0] for row in rows]


def complete(rows):
    """Rows in which no field of the price rule is missing or an outlier, bool [rows]."""
    return np.array(
        [
            bool(row["price"]) and 1000 < row["price"] < 1e8
            and None not in (row["zip_code"], row["bed"], row["bath"], row["house_size"])
            and row["acre_lot"] is not None and row["acre_lot"] < 1e5 and row["bed"] < 99
            for row in rows
        ]
    )  # fmt: skip


def residuals(seed, scenario, batch_number, rows=3_000):
    """log(price / rule at factor 1) of complete rows, computed from the rows alone."""
    batch = generate(seed, scenario, batch_number, rows)
    kept = [listing for listing, ok in zip(listings(batch), complete(batch), strict=True) if ok]
    return np.array([np.log(listing.price / true_price(listing)) for listing in kept])


def test_seed_determines_the_bytes():
    def text(seed, number):
        return json.dumps(generate(seed, "demo", number, 500), allow_nan=False)

    assert text(7, 2) == text(7, 2)
    assert len({text(7, 2), text(8, 2), text(7, 3)}) == 3


def test_rows_have_twelve_columns_of_json_values(steady):
    for row in steady:
        assert tuple(row) == COLUMNS
        assert all(type(value) in (float, str, type(None)) for value in row.values())
        assert row["status"] in STATUSES


def test_missing_rates_match_real_listings(steady):
    frame = pd.DataFrame(steady)
    missing = frame.isna().mean()
    for column, rate in MISSING.items():
        assert missing[column] == pytest.approx(rate, abs=0.02), column
    for column in ("brokered_by", "price", "street", "city"):
        assert 0 < missing[column] < 0.02, column
    assert frame.notna().all(axis=1).mean() == pytest.approx(0.49, abs=0.05)
    # bed, bath and size go together, as land has none of them
    assert frame.bed.isna().corr(frame.house_size.isna()) > 0.7


def test_dirty_values_of_real_listings_occur(steady):
    frame = pd.DataFrame(steady)
    for column, value in [("price", 0.0), ("price", 2.12e8), ("bed", 99.0), ("acre_lot", 1e5)]:
        assert 0.0005 < (frame[column] == value).mean() < 0.002
    zips = frame.zip_code.dropna()
    assert zips.str.fullmatch(r"[1-9]\d{3,4}\.0").all()
    assert (zips.str.len() == 6).any(), "zip codes of the north-east have lost their zero"
    assert frame.street.dropna().str.fullmatch(r"\d+\.0").all()
    assert frame.brokered_by.nunique() > 100


def test_only_rows_without_a_price_are_refused(steady):
    refused = [problem for row in steady for problem in read_row(row)[1]]
    assert {p.field for p in refused} == {"price"}
    assert {p.reason for p in refused} == {"is not above zero", "is missing"}
    assert len(refused) < 0.005 * ROWS


def test_places_are_real_combinations_with_price_levels(steady):
    by_zip = {p.zip_code: p for p in known_places() + new_places()}
    assert len(by_zip) == len(known_places()) + len(new_places())
    for listing in listings(steady):
        if listing.zip_code:
            assert by_zip[listing.zip_code].state == listing.state
            assert listing.city in (by_zip[listing.zip_code].city, None)
    assert {row["state"] for row in steady} == {p.state for p in known_places()}
    assert len({p.state for p in known_places()}) >= 25
    levels = [p.level for p in known_places()]
    assert max(levels) > 5 * min(levels)


def test_some_properties_recur_with_another_price(steady):
    keys = [property_key(listing) for listing in listings(steady)]
    assert 0.01 < 1 - len(set(keys)) / ROWS < 0.1
    later = {property_key(listing) for listing in listings(generate(7, "steady", 1, ROWS))}
    assert 0.005 < len(later & set(keys)) / ROWS < 0.05

    first = {}
    pairs = []
    for key, listing in zip(keys, listings(steady), strict=True):
        if listing.street and key in first:
            pairs.append((first[key], listing))
        first.setdefault(key, listing)
    sized = [(a, b) for a, b in pairs if a.house_size and b.house_size]
    assert len(sized) > 100
    # Two properties may share a street code and a zip code by chance.
    assert sum(a.house_size == b.house_size for a, b in sized) > 0.99 * len(sized)
    assert sum(a.price == b.price for a, b in sized) < 0.1 * len(sized)


def test_prices_follow_the_documented_rule(steady):
    truth, whole = true_prices(7, "steady", 0, ROWS), complete(steady)
    for row in np.flatnonzero(whole)[:500]:
        assert true_price(read_row(steady[row])[0]) == pytest.approx(truth[row])
    price = np.array([row["price"] or np.nan for row in steady])
    error = np.log(price / truth)[whole]
    assert abs(error.mean()) < 4 * NOISE / whole.sum() ** 0.5
    assert error.std() == pytest.approx(NOISE, rel=0.05)
    # Land has only a lot.
    land = np.array([r["house_size"] is None and r["bed"] is None for r in steady])
    assert np.nanmedian(np.abs(np.log(price / truth)[land])) < NOISE


def test_price_rule_of_one_listing():
    listing, _ = read_row(
        {"state": "Ohio", "zip_code": "44120", "status": "for_sale", "price": 1,
         "house_size": 1700, "bed": 3, "bath": 2, "acre_lot": None}
    )  # fmt: skip
    level = next(p.level for p in known_places() if p.zip_code == "44120")
    assert true_price(listing) == pytest.approx(1700 * level)
    assert true_price(listing, 1.3) == pytest.approx(1.3 * 1700 * level)
    land, _ = read_row(
        {"state": "Ohio", "zip_code": "44120", "status": "sold", "price": 1, "acre_lot": 1.0}
    )
    assert true_price(land) == pytest.approx(0.97 * 450 * level)
    with pytest.raises(ValueError, match="Ohio, 99999"):
        true_price(read_row({"state": "Ohio", "zip_code": "99999", "price": 1})[0])
    with pytest.raises(ValueError, match="neither a house nor land"):
        true_price(read_row({"state": "Ohio", "zip_code": "44120", "price": 1})[0])


def test_steady_scenario_is_one_market():
    for number in range(BATCHES):
        assert abs(residuals(7, "steady", number).mean()) < 0.015
    sizes = [
        statistics.median(r["house_size"] for r in generate(7, "steady", n) if r["house_size"])
        for n in range(BATCHES)
    ]
    assert max(sizes) / min(sizes) < 1.06


def test_price_shift_scenario_raises_prices_by_a_quarter():
    for number in range(BATCHES):
        factor = 1.25 if number >= 2 else 1.0
        plain, moved = (true_prices(7, name, number, 500) for name in ("steady", "price-shift"))
        assert np.allclose(moved, factor * plain)
        assert residuals(7, "price-shift", number).mean() == pytest.approx(
            np.log(factor), abs=0.015
        )
    before, after = (generate(7, name, 2, 500) for name in ("steady", "price-shift"))
    assert [r | {"price": 0} for r in before] == [r | {"price": 0} for r in after]


def test_new_states_scenario_starts_in_batch_3():
    ordinary = {p.state for p in known_places()}
    for number in range(BATCHES):
        states = [row["state"] for row in generate(7, "new-states", number)]
        share = sum(state not in ordinary for state in states) / len(states)
        assert share == pytest.approx(0.4 if number >= 3 else 0.0, abs=0.03)
    assert abs(residuals(7, "new-states", 4).mean()) < 0.015


def test_mix_change_scenario_brings_small_cheap_houses():
    def medians(number):
        frame = pd.DataFrame(generate(7, "mix-change", number))
        return frame.house_size.median(), frame.price.median(), frame

    size, price, before = medians(1)
    for number in (2, 5):
        smaller, cheaper, after = medians(number)
        assert smaller < 0.7 * size
        assert cheaper < 0.65 * price
        assert set(after.state) <= {p.state for p in known_places()}
        assert abs(residuals(7, "mix-change", number).mean()) < 0.015
    assert before.status.value_counts(normalize=True)["sold"] == pytest.approx(
        after.status.value_counts(normalize=True)["sold"], abs=0.05
    )


def test_broken_schema_scenario_breaks_batch_2():
    for number in (0, 1, 3, 4, 5):
        assert generate(7, "broken-schema", number) == generate(7, "steady", number)
    sound, broken = generate(7, "steady", 2, 6_000), generate(7, "broken-schema", 2, 6_000)
    renamed = as_text = 0
    for was, row in zip(sound, broken, strict=True):
        if was["house_size"] is not None:
            assert row["house_size"] == pytest.approx(was["house_size"] / SQUARE_METRE, abs=0.06)
        renamed += "bedrooms" in row
        as_text += isinstance(row["price"], str)
        fields = {problem.field for problem in read_row(row)[1]}
        assert ("bedrooms" in fields) == ("bedrooms" in row)
        assert not isinstance(row["price"], str) or "price" in fields
        assert not isinstance(row["bath"], str) or "bath" in fields
    assert renamed / 6_000 == pytest.approx(RENAMED, abs=0.02)
    assert as_text / 6_000 == pytest.approx(AS_TEXT, abs=0.02)


def test_demo_scenario():
    factors = [1.0, 1.0, 1.0, 1.0, 1.3]
    for number, factor in enumerate(factors):
        assert residuals(7, "demo", number).mean() == pytest.approx(np.log(factor), abs=0.015)
        refused = [row for row in generate(7, "demo", number) if read_row(row)[1]]
        assert len(refused) < 20
    fresh = {p.state for p in new_places()}
    shares = [
        statistics.mean(row["state"] in fresh for row in generate(7, "demo", n)) for n in range(6)
    ]
    assert shares[4] == pytest.approx(0.45, abs=0.03)
    assert max(shares[:4] + shares[5:]) < 0.03
    garbage = [{p.field for p in read_row(row)[1]} for row in generate(7, "demo", 5)]
    assert 0.85 < statistics.mean(map(bool, garbage)) < 0.95
    assert {field for fields in garbage for field in fields} == {"price", "house_size"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_six_batches(name):
    assert len(SCENARIOS[name].phases) == BATCHES
    for number in range(BATCHES):
        assert len(generate(1, name, number)) == SCENARIOS[name].rows
        assert len(true_prices(1, name, number, 30)) == 30
    assert len(generate(1, name, 1, 1)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((1, "boom", 0, 10), "no scenario 'boom'; there are steady, price-shift"),
        ((1, "steady", 6, 10), "no batch 6"),
        ((1, "steady", -1, 10), "no batch -1"),
        ((-1, "steady", 0, 10), "seed -1"),
        ((1, "steady", 0, 0), "rows 0"),
    ],
)
def test_unknown_scenario_and_batch_are_refused(arguments, says):
    with pytest.raises(ConfigurationError, match=says):
        generate(*arguments)
