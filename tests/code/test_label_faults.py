"""Doubtful prices: planted ones in simulated listings are found, and a clean market has none."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasador.ingestion.labels import chasing_sentence, doubtful, table_of
from tasador.listings.listing import read_row
from tasador.listings.table import frame_of
from tasador.source.simulator import generate


@pytest.fixture(scope="module")
def market():
    """Simulated listings, each property once: the simulator offers some of them again."""
    read = (read_row(row) for row in generate(5, "steady", 0, 6_000))
    frame = frame_of([listing for listing, problems in read if not problems])
    return frame[~frame["property_key"].duplicated()].reset_index(drop=True)


def found(frame):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    # In two blocks, as they come from a Parquet file: codes must agree between them.
    half = len(frame) // 2
    return doubtful([table.slice(0, half), table.slice(half)])


@pytest.fixture(scope="module")
def comparable(market):
    """The homes that have at least ten others of about their size in their zip code.

    Where prices lie within a factor of ten, so that no odd one hides another.
    """
    sized = market[market["house_size"].notna() & market["zip_code"].notna()]
    rows = []
    for _, homes in sized.groupby("zip_code"):
        size = homes["house_size"].to_numpy()
        near = np.abs(np.log(size[:, None] / size)) < np.log(1.4)
        if homes["price"].max() < 10 * homes["price"].min():
            rows += list(homes.index[near.sum(axis=1) > 10])
    assert len(rows) > 100
    return market.loc[rows]


def test_clean_listings_have_no_doubtful_price(market):
    faults = found(market)
    for name in ("repeated", "disagreeing", "echoed", "paired"):
        assert not getattr(faults, name).any(), name
    # The simulated market has no outliers by a factor of five of all its neighbours in size.
    assert faults.out_of_line.mean() < 0.002
    assert chasing_sentence(faults) == ""


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.sampled_from([1 / 100, 1 / 60, 60.0, 100.0]))
def test_planted_prices_out_of_line_are_found(market, comparable, seed, factor):
    # One in a zip code: two faults next to each other hide one another.
    rows = comparable.sample(frac=1, random_state=seed).drop_duplicates("zip_code").index[:8]
    planted = market.copy()
    planted.loc[rows, "price"] *= factor
    hit, before = found(planted).out_of_line, found(market).out_of_line
    assert hit[rows].all()
    # Nothing else is accused because of them.
    assert not (hit & ~before)[market.index.difference(rows)].any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), repeats=st.integers(8, 40))
def test_planted_repeats_are_found_and_plots_are_not(market, seed, repeats):
    rng = np.random.default_rng(seed)
    rows = rng.choice(market.index[market["house_size"].notna()], repeats, replace=False)
    planted = market.copy()
    planted.loc[rows, ["brokered_by", "price"]] = ["4711", 123_456.0]
    hit = found(planted).repeated
    assert hit[rows].all()
    assert hit.sum() == repeats
    plan = planted.copy()
    plan.loc[rows, "house_size"] = 1_480.0
    assert not found(plan).repeated.any()
    plots = planted.copy()
    plots.loc[rows, "house_size"] = np.nan
    assert not found(plots).repeated.any()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_planted_pairs_are_counted_by_how_their_prices_agree(market, seed):
    rng = np.random.default_rng(seed)
    rows = rng.choice(market.index[market["street"].notna()], 60, replace=False)
    offers = market.loc[rows].assign(status="for_sale")
    market = market.drop(index=rows)
    sales = offers.assign(status="sold")
    echoed, apart = rows[:40], rows[40:45]
    others = sales.index.difference([*echoed, *apart])
    sales.loc[apart, "price"] *= 9
    sales.loc[others, "price"] *= rng.uniform(0.8, 1.2, len(others))
    faults = found(pd.concat([market, offers, sales], ignore_index=True))
    assert faults.paired.sum() == 120
    assert faults.echoed.sum() == 80
    assert faults.disagreeing.sum() == 10
    assert len(faults.ratio) == 60
    assert "homes that are both offered and sold" in chasing_sentence(faults)


def test_sales_that_differ_from_their_offers_are_no_chasing(market):
    rows = market.index[market["street"].notna()][:200]
    offers = market.loc[rows].assign(status="for_sale")
    sales = offers.assign(status="sold")
    sales["price"] *= np.exp(np.random.default_rng(1).normal(0, 0.08, len(rows)))
    assert chasing_sentence(found(pd.concat([offers, sales], ignore_index=True))) == ""


def test_a_home_without_a_street_is_no_pair(market):
    rows = market.head(100).assign(street=None, property_key="|houston|77084", price=2e5)
    both = [rows.assign(status="sold"), rows.assign(status="for_sale")]
    assert not found(pd.concat(both, ignore_index=True)).paired.any()


def test_tables_without_a_row_have_no_fault(market):
    faults = found(market.head(0))
    assert [row[1:] for row in table_of(faults)] == [["0", "0.00%"]] * 5
    assert chasing_sentence(faults) == ""
    assert len(table_of(found(market.head(1)))) == 5
