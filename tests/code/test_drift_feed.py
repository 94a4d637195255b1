"""A feed that broke is no market that moved: refused rows, compared with the batches before."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.drift.feed import ALL, Refusals, refused
from tasador.drift.garbled import garbled
from tasador.drift.judge import judge_batch
from tasador.drift.measures import expected_missing
from tasador.listings.listing import COLUMNS, read_row
from tasador.listings.table import frame_of
from tasador.source.simulator import generate

SOUND = [Refusals(rows=2_500, refused={ALL: count, "price": count}) for count in (4, 4, 2, 3)]


def batch(rows=2_500, **fields):
    return Refusals(
        rows=rows,
        refused={ALL: max(fields.values(), default=0), **fields},
        reasons=dict.fromkeys(fields, "is not a number"),
    )


def broken(one, earlier=SOUND):
    return [f.column for f in refused(one, earlier).findings if f.exceeded]


def test_garbage_is_a_broken_feed_that_names_fields_and_reasons():
    garbage = batch(house_size=2_100, price=1_500, bed=3)
    assert broken(garbage) == [ALL, "house_size", "price"]
    whole, size, _ = (f.message for f in refused(garbage, SOUND).findings)
    assert whole == (
        "2,100 of 2,500 rows (84%) were refused, compared with 0.1% in the batches before; the "
        "fields are house_size (2,100), price (1,500), bed (3)"
    )
    assert size == (
        "house_size was refused in 84% of the rows, compared with 0% in the batches before: it is "
        "not a number"
    )


@pytest.mark.parametrize("rows", [0, 3, 25, 125, 200])
def test_a_few_more_refused_rows_are_no_broken_feed(rows):
    assert broken(batch(price=rows)) == []


def test_many_fields_that_each_break_a_little_are_one_broken_feed():
    little = Refusals(rows=1_000, refused={ALL: 600, **dict.fromkeys(COLUMNS, 80)})
    assert broken(little) == [ALL]


def test_a_first_batch_is_broken_if_most_of_it_is_refused():
    assert broken(batch(price=1_200), []) == []
    assert broken(batch(price=1_300), []) == [ALL, "price"]
    assert "compared with" not in refused(batch(price=1_300), []).findings[0].message
    assert broken(Refusals(rows=0, refused={}), SOUND) == []
    assert broken(batch(price=2_500), [Refusals(rows=0, refused={})]) == [ALL, "price"]


def test_what_a_person_accepted_once_is_usual_for_that_field():
    accepted = Refusals(rows=2_500, refused={ALL: 1_000, "status": 1_000}, accepted=True)
    assert broken(batch(status=1_000)) == [ALL, "status"]
    assert broken(batch(status=1_100), [*SOUND, accepted]) == []
    assert broken(batch(status=2_000), [*SOUND, accepted]) == [ALL, "status"]
    assert broken(batch(price=1_000), [*SOUND, accepted]) == ["price"]


def test_a_source_whose_batches_differ_may_differ():
    shares = [0.02, 0.3, 0.1, 0.25, 0.05]
    earlier = [batch(price=int(2_500 * share)) for share in shares]
    assert broken(batch(price=600), earlier) == []
    assert broken(batch(price=2_200), earlier) == [ALL, "price"]


@given(
    share=st.floats(0, 0.4),
    sizes=st.lists(st.integers(20, 5_000), min_size=1, max_size=8),
    seed=st.integers(0, 1_000),
)
def test_batches_of_one_feed_are_never_broken(share, sizes, seed):
    rng = np.random.default_rng(seed)
    earlier = [batch(rows, price=int(rng.binomial(rows, share))) for rows in sizes]
    assert broken(batch(2_500, price=int(rng.binomial(2_500, share))), earlier) == [] or (
        sum(sizes) < 100
    )


def frame(number=0, rows=600):
    read = (read_row(row) for row in generate(3, "steady", number, rows))
    return frame_of([listing for listing, problems in read if not problems])


def test_a_broken_feed_is_judged_before_everything_else():
    garbage, clean = batch(house_size=2_200), frame()
    for rows in (clean, clean.head(3), clean.head(0)):
        report = judge_batch(rows, None, None, refusals=garbage, earlier=SOUND)
        assert report.verdict == "broken_feed"
        assert report.scores["broken_fields"] == ["house_size"]
        assert (report.moved, report.hurts) == (False, False)
    accepted = judge_batch(clean, None, None, refusals=garbage, earlier=SOUND, accepted=True)
    assert accepted.verdict == "train"
    sound = judge_batch(clean, None, None, refusals=batch(price=3), earlier=SOUND)
    assert sound.verdict == "train"


def test_expected_missing_follows_the_mix_of_statuses():
    reference = frame(rows=3_000)
    for status in ("sold", "for_sale"):
        rows = reference[reference["status"] == status]
        expected = expected_missing(reference, rows)
        for column in ("prev_sold_date", "bed", "city"):
            assert expected[column] == pytest.approx(rows[column].isna().mean())
    unknown = reference.assign(status="unknown")
    usual = reference["bed"].isna().mean()
    assert expected_missing(reference, unknown)["bed"] == pytest.approx(usual)
    assert expected_missing(reference, reference.assign(status=None))["bed"] == pytest.approx(usual)


def test_expected_missing_of_land():
    reference = frame(rows=3_000)
    land = reference[["bed", "bath", "house_size"]].isna().all(axis=1)
    expected = expected_missing(reference, reference[land], given_land=True)
    assert expected["bed"] == pytest.approx(1.0, abs=0.02)
    lost = reference.assign(bed=np.nan)
    assert expected_missing(reference, lost, given_land=True)["bed"] == pytest.approx(
        reference["bed"].isna().mean(), abs=0.02
    )


ROOMS = dict.fromkeys(("bed", "bath", "house_size"), np.nan)


@pytest.mark.parametrize("prices", [1.0, 1.5, 0.5])
def test_homes_that_lost_their_rooms_are_no_land(prices):
    reference, other = frame(rows=3_000), frame(1, rows=2_500)
    land = other[["bed", "bath", "house_size"]].isna().all(axis=1)
    other["price"] *= prices

    def expected(rows):
        return expected_missing(reference, rows, given_land=True)["bed"]

    assert expected(other[land]) > 0.95
    assert expected(other) == pytest.approx(other["bed"].isna().mean(), abs=0.05)
    assert expected(other.assign(**ROOMS)) < 0.5
    # What cannot be compared counts as land.
    assert expected(other.assign(**ROOMS, price=np.nan, acre_lot=np.nan)) > 0.9
    assert expected(other.assign(**ROOMS).head(20)) > 0.9


def swapped(rows, one, other):
    return rows.assign(**{one: rows[other], other: rows[one]})


BREAKS = {
    "price constant": (lambda f: f.assign(price=250_000.0), "price", "price is 250,000 in 100%"),
    "size zero": (lambda f: f.assign(house_size=0.0), "house_size", "house_size is 0 in 100%"),
    "size often zero": (
        lambda f: f.assign(house_size=f["house_size"].where(f.index % 5 < 2, 0.0)),
        "house_size",
        "house_size is 0 in",
    ),
    "size constant": (lambda f: f.assign(house_size=999_999.0), "house_size", "is 999,999 in 100%"),
    "lot zero": (lambda f: f.assign(acre_lot=0.0), "acre_lot", "acre_lot is 0 in 100%"),
    "lot constant": (lambda f: f.assign(acre_lot=0.25), "acre_lot", "acre_lot is 0.25 in 100%"),
    "rooms zero": (lambda f: f.assign(bed=0.0), "bed", "bed is 0 in 100%"),
    "rooms constant": (lambda f: f.assign(bath=1.0), "bath", "bath is 1 in 100%"),
    "street constant": (lambda f: f.assign(street="0"), "street", "street is 0 in 100%"),
    "city unknown": (lambda f: f.assign(city="Unknown"), "city", "city is Unknown in 100%"),
    "zip constant": (lambda f: f.assign(zip_code="00000"), "zip_code", "zip_code is 00000 in"),
    "city and state": (lambda f: swapped(f, "city", "state"), "state", "state is not a state ("),
    "one state": (
        lambda f: f.assign(state="Texas"),
        "zip_code",
        "zip_code lies in another state than state says in",
    ),
    "zips of others": (
        lambda f: f.assign(zip_code=np.roll(f["zip_code"], 7)),
        "zip_code",
        "zip_code lies in another state than state says in",
    ),
    "rows doubled": (
        lambda f: pd.concat([f, f], ignore_index=True),
        "",
        "a row is there more than once in",
    ),
    "state and zip": (lambda f: swapped(f, "zip_code", "state"), "state", "state is not a state ("),
    **{
        day: (lambda f, day=day: f.assign(prev_sold_date=day), "prev_sold_date", "in the future or")
        for day in ("0001-01-01", "1753-01-01", "1899-12-30", "1900-01-01", "1970-01-01")
    },
    "dates shifted": (
        lambda f: f.assign(
            prev_sold_date=f["prev_sold_date"].str.replace("^(19|20)", "22", regex=True)
        ),
        "prev_sold_date",
        "prev_sold_date is in the future or stands for an unknown day in 100% of the listings",
    ),
}


@pytest.mark.parametrize(("spoil", "field", "message"), BREAKS.values(), ids=BREAKS)
def test_what_no_market_has_is_a_broken_feed(spoil, field, message):
    reference, rows = frame(rows=3_000), frame(1, rows=2_500)
    (found,) = [one for one in garbled(reference, spoil(rows)).findings if one.exceeded]
    assert (found.column, found.effect) == (field, "broken")
    assert message in found.message
    # A feed that always was so, or too few listings to tell.
    assert not any(one.exceeded for one in garbled(spoil(reference), spoil(rows)).findings)
    assert not any(one.exceeded for one in garbled(reference, spoil(rows).head(60)).findings)


def test_doubled_rows_are_found_in_the_whole_batch_of_a_sample():
    reference, once = frame(rows=3_000), frame(1, rows=2_000)
    whole = pd.concat([once, once], ignore_index=True)
    sample = whole.sample(300, random_state=1)
    assert [f.message for f in garbled(reference, sample).findings if f.exceeded] == []
    (found,) = [f for f in garbled(reference, sample, whole=whole).findings if f.exceeded]
    assert found.message.startswith("a row is there more than once in 99% of the listings,")
    # A second delivery of a part of the batch, and homes without a street, are no broken feed.
    part = pd.concat([once, once.head(400)], ignore_index=True)
    unnamed = whole.assign(street=None)
    for rows in (part, unnamed):
        assert [f.message for f in garbled(reference, rows).findings if f.exceeded] == []


def test_no_market_is_garbled():
    reference = frame(rows=3_000)
    market = pd.concat([frame(number, rows=3_000) for number in (1, 2)], ignore_index=True)
    batches = [market, reference]
    for column in ("state", "status", "brokered_by", "city", "zip_code"):
        batches += [rows for _, rows in market.groupby(column) if len(rows) >= 100]
    day = market.assign(prev_sold_date="2022-03-31")  # a feed of each day's sales
    new_city = market[market["state"] == "Texas"].assign(city="New City", zip_code="73999")
    development = market.assign(acre_lot=market["acre_lot"].where(market.index % 10 < 1, 0.23))
    for rows in (*batches, day, new_city, development):
        assert [f.message for f in garbled(reference, rows).findings if f.exceeded] == []
