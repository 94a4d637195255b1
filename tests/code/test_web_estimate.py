"""The Estimate page without Reflex: amounts, the search for a place, the waterfall, the map."""

import sys

import pytest

from tasador.listings.value_reader import Refused
from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import comparables_view, estimate_view, map_view, words
from tasador_web.geography import Geography, ZipCode, offset, read_table
from tasador_web.place_search import Place, index_of, is_typo

from tests.kit.records import CONFIDENCE

GEOGRAPHY = Geography(
    {
        z.code: z
        for z in (
            ZipCode("77084", "Houston", "Texas", 29.83, -95.66),
            ZipCode("77095", "Houston", "Texas", 29.92, -95.65),
            ZipCode("63116", "Saint Louis", "Missouri", 38.58, -90.26),
            ZipCode("00926", "San Juan", "Puerto Rico", 18.35, -66.05),
            ZipCode("10001", "New York", "New York", 40.75, -74.0),
        )
    }
)
ANSWER = {
    "states": ["Missouri", "New York", "Puerto Rico", "Texas"],
    "cities": {
        "name": ["Houston", "Saint Louis", "New York", "Mayagüez"],
        "state": ["Texas", "Missouri", "New York", "Puerto Rico"],
        "listings": [90, 40, 70, 10],
        "zip_code": ["77084", "63116", "", ""],
    },
    "zip_codes": {
        "code": ["77084", "77095", "63116"],
        "state": ["Texas", "Texas", "Missouri"],
        "listings": [60, 30, 40],
    },
}
INDEX = index_of(ANSWER, GEOGRAPHY)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("hou", "Houston, Texas"),
        ("Houston, TX", "Houston, Texas"),
        ("HOUSTON tex", "Houston, Texas"),
        ("houson", "Houston, Texas"),
        ("huoston", "Houston, Texas"),
        ("mayaguez", "Mayagüez, Puerto Rico"),
        ("st. louis", "Saint Louis, Missouri"),
        ("St Louis, MO", "Saint Louis, Missouri"),
        ("77084", "Houston, Texas 77084"),
        ("Houston, Texas 77095", "Houston, Texas 77095"),
        ("tx", "Texas"),
        ("Texs", "Texas"),
        ("new york", "New York"),
        ("new york ny", "New York, New York"),
        # Known to the country, not to the model.
        ("10001", "New York, New York 10001"),
    ],
)
def test_place_search_forgives(typed, found):
    assert INDEX.search(typed)[0].label == found
    assert INDEX.find(typed).label == found


@pytest.mark.parametrize("typed", ["", "  ", "zzzz", "houston, missouri", "99999", "?"])
def test_place_search_finds_nothing(typed):
    assert INDEX.search(typed) == []
    assert INDEX.find(typed) is None


def test_cities_are_found_by_their_nicknames():
    cities = {
        "name": ["New York City", "New York", "Los Angeles", "Philadelphia", "Philadelphia"],
        "state": ["New York", "New York", "California", "Pennsylvania", "Mississippi"],
        "listings": [90, 80, 70, 60, 50],
    }
    states = sorted({"Louisiana", *cities["state"]})
    index = index_of({**ANSWER, "states": states, "cities": cities}, GEOGRAPHY)
    for typed in ("NYC", "nyc", "N.Y.C.", "NYC, NY"):
        assert index.find(typed).label == "New York City, New York", typed
    for typed in ("L.A.", "l.a.", "LA, CA", "L.A., California"):
        assert index.find(typed).label == "Los Angeles, California", typed
    for typed in ("philly", "Philly, PA"):
        assert index.find(typed).label == "Philadelphia, Pennsylvania", typed
    # The code of a state is the state first.
    assert [p.label for p in index.search("LA")] == ["Louisiana", "Los Angeles, California"]
    # Not known to this model, or of another state.
    for typed in ("SF", "Vegas", "Philly, Texas"):
        assert index.find(typed) is None, typed


def test_places_with_more_listings_come_first():
    labels = [place.label for place in INDEX.search("texas")]
    assert labels == ["Texas", "Houston, Texas", "Houston, Texas 77084", "Houston, Texas 77095"]
    assert INDEX.search("770", limit=1) == [Place("Texas", "Houston", "77084", 60)]
    assert INDEX.find("63116").fields == {
        "state": "Missouri",
        "city": "Saint Louis",
        "zip_code": "63116",
    }


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("denver", "denver", True),
        ("denvre", "denver", True),
        ("dener", "denver", True),
        ("dennver", "denver", True),
        ("denvar", "denver", True),
        ("devner", "denver", True),
        ("dever", "denverx", False),
        ("danvor", "denver", False),
        ("", "d", True),
    ],
)
def test_typo_is_one_edit(a, b, expected):
    assert is_typo(a, b) is is_typo(b, a) is expected


@pytest.mark.parametrize(
    ("name", "typed", "read"),
    [
        ("house_size", "1,850", "1850"),
        ("house_size", "1.850", "1850"),
        ("house_size", "1 850", "1850"),
        ("house_size", "12,345,678", "12345678"),
        ("house_size", "1850.5", "1850.5"),
        ("house_size", "1,850.5", "1850.5"),
        ("house_size", "1.850,5", "1850.5"),
        ("house_size", "1.850,000", "1850.000"),
        ("house_size", "1,850.000", "1850.000"),
        ("house_size", "1850,250", "1850.250"),
        ("house_size", "1,85,000", "1,85,000"),
        ("acre_lot", "1.250", "1.250"),
        ("acre_lot", "0,125", "0.125"),
        ("acre_lot", "1.250.000", "1250000"),
        ("house_size", "1.85", "1.85"),
        ("acre_lot", "0.250", "0.250"),
        ("acre_lot", "0,25", "0.25"),
        ("acre_lot", "1,250", "1250"),
        ("bath", "2,5", "2.5"),
        ("bed", "three", "three"),
        ("bed", "-3", "-3"),
    ],
)
def test_numbers_are_read_as_people_write_them(name, typed, read):
    assert words.read_number(name, typed) == read


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("house_size", "1,850", "1850"),
        ("house_size", "1.850", "1850"),
        ("house_size", "99.500", "99500"),
        ("house_size", "1850.000", "1850.000"),
        ("acre_lot", "0,25", "0.25"),
        ("acre_lot", "0.250", "0.250"),
        ("acre_lot", "1,250,000", "1250000"),
        ("bath", "2,5", "2.5"),
        ("bath", "lots", "lots"),
        ("house_size", "850.000", Refused("may be 850 or 850000")),
        ("acre_lot", "1,250", Refused("may be 1.25 or 1250")),
        ("bed", "3,000", Refused("may be 3 or 3000")),
    ],
)
def test_numbers_of_a_file_are_read_where_they_mean_one_thing(name, written, read):
    if isinstance(read, Refused):
        with pytest.raises(Refused, match=f"^{read}$"):
            words.number_in_file(name, written)
    else:
        assert words.number_in_file(name, written) == read


@pytest.mark.parametrize(
    ("amount", "written", "changed", "rounded", "short"),
    [
        (1234.5, "$1,234", "+$1,234", "$1,230", "$1k"),
        (-0.4, "$0", "$0", "$0", "$0"),
        (-1e6, "−$1,000,000", "−$1,000,000", "−$1,000,000", "−$1M"),
        (342_893, "$342,893", "+$342,893", "$343,000", "$343k"),
        (1_254_000, "$1,254,000", "+$1,254,000", "$1,250,000", "$1.25M"),
    ],
)
def test_dollars(amount, written, changed, rounded, short):
    assert words.dollars(amount) == written
    assert words.change(amount) == changed
    assert words.rounded_dollars(amount) == rounded
    assert words.short_dollars(amount) == short


@pytest.mark.parametrize(
    ("seconds", "written"), [(4.23, "4.2 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations(seconds, written):
    assert words.duration(seconds) == written


def test_warnings_are_in_a_buyers_words():
    listing = {"brokered_by": "88", "zip_code": "99999", "state": "Guam", "city": "Yigo"}
    texts = [
        "house_size 90,000 is outside the training range (400 to 8,000): priced as 8,000",
        "brokered_by '88' is not in the training data",
        "zip_code '99999' is not in the training data",
        "state 'Guam' is not in the training data",
        "city 'Yigo' of Guam is not in the training data",
        "house_size 9,000 and bed 15 together are beyond the listings around it: "
        "priced as house_size 5,000 and bed 7",
        "zip_code '34482' is in Florida, not in New York",
        "prev_sold_date 1700-01-01 is outside the training range (1965 to 2023)",
    ]
    shown = [words.warning(text, listing) for text in texts]
    assert shown[0] == (
        "A house size of 90,000 square feet is unusual: the homes that we know have 400 to 8,000."
    )
    assert shown[1] == "We know no broker with the code 88."
    assert shown[5] == (
        "Few homes nearby are like this one in house size and bedrooms, "
        "so its price is less certain."
    )
    assert shown[6] == "Zip code 34482 is in Florida, not in New York."
    assert shown[7].startswith("A last sale on 1700-01-01 is unusual")
    assert not any("_" in text or "training" in text for text in shown)
    assert words.warning("something else", listing) == "something else"


def column(feature, dollars, value="given"):
    return {"feature": feature, "value": value, "dollars": dollars}


def explanation(*columns, base=100_000.0):
    price = base + sum(c["dollars"] for c in columns)
    return {"base": base, "price": price, "columns": list(columns), "comparables": []}


def amount(text):
    return float(text.replace("−", "-").replace("$", "").replace(",", "").replace("+", ""))


def test_waterfall_adds_up_folds_small_effects_and_shows_no_zero():
    answer = explanation(
        column("place", 60_000.0),
        column("comparables", -20_000.0, "nearby"),
        column("bed", 300.0),
        column("bath", -100.0),
        column("acre_lot", 5_000.0, "not given"),
        column("status", 0.2, "not given"),
    )
    steps = estimate_view.steps_of(answer)
    assert [s.name for s in steps] == [
        "A typical home",
        "Location",
        "Homes like it nearby",
        "Smaller effects",
        "What you left out",
        "Your estimate",
    ]
    assert steps[3].value == "bedrooms and bathrooms"
    assert steps[4].value == "lot size and status"
    assert amount(steps[-1].dollars) == sum(amount(s.dollars) for s in steps[:-1]) == 145_200
    assert "$0" not in [s.dollars for s in steps]
    assert [s.kind for s in steps] == ["base", "up", "down", "up", "up", "total"]


@pytest.mark.parametrize("base", [100.0, 100_000.0])
def test_steps_join_each_other_on_one_scale(base):
    answer = explanation(
        column("place", -300.0 * base), column("house_size", 400.0 * base), base=base
    )
    steps = estimate_view.steps_of(answer)
    assert all(0 <= s.left <= s.left + s.width <= 100.01 for s in steps)
    right = [s.left + s.width for s in steps]
    # Each begins where the one before it ended.
    assert right[0] == pytest.approx(right[1])
    assert steps[1].left == pytest.approx(steps[2].left)
    assert right[2] == pytest.approx(right[3])
    # 400 to 300, as the amounts are.
    assert steps[2].width / steps[1].width == pytest.approx(4 / 3, rel=1e-3)


def test_waterfall_without_any_effect():
    assert [s.width for s in estimate_view.steps_of(explanation())] == [100, 100]


def test_sentence_has_the_largest_given_reasons():
    answer = explanation(
        column("comparables", 52_300.0, "nearby"),
        column("acre_lot", -30_000.0, "not given"),
        column("place", -20_000.0),
    )
    assert estimate_view.sentence_of(answer) == (
        "Compared with a typical home, homes like it nearby add $52,300 and "
        "location takes off $20,000."
    )
    assert "Nothing" in estimate_view.sentence_of(explanation())


INTERVALS = {
    "80": {"low": 90_000.0, "high": 110_000.0},
    "90": {"low": 80_000.0, "high": 125_000.0},
    "95": {"low": 70_000.0, "high": 150_000.0},
}
PREDICTION = {
    "model": {"name": "tasador-price", "version": 3, "digest": "d"},
    "revision": "predict-00003",
    "prediction_id": "p",
    "correlation_id": "c",
}


# What a model of an older release does not say.
UNKNOWN = {"confidence": None, "prices": None}


def test_price_lies_in_its_bands_on_one_scale():
    bands = estimate_view.bands_of(INTERVALS)
    assert [band.level for band in bands] == ["95", "90", "80"]
    answer = {"price": 101_000.0, "intervals": INTERVALS, "warnings": [], **UNKNOWN}
    shown = estimate_view.estimate_of(answer, {"house_size": "1000"}, PREDICTION)
    assert (shown.low, shown.high, shown.price) == ("$90,000", "$110,000", "$101,000")
    assert [(a.name, a.dollars) for a in shown.amounts] == [("Per square foot", "$101")]
    for band in bands:
        assert band.left < shown.mark < band.left + band.width
    assert bands[0].left > 0
    assert bands[0].left + bands[0].width < 100


def test_confidence_is_said_in_words_if_it_was_measured():
    answer = {"price": 101_000.0, "intervals": INTERVALS, "warnings": [], **UNKNOWN}
    answer["confidence"] = CONFIDENCE
    shown = estimate_view.estimate_of(answer, {}, PREDICTION)
    assert (shown.confidence, shown.confidence_color) == ("Medium confidence", "blue")
    said = shown.confidence_text.replace("\N{NO-BREAK SPACE}", " ")
    assert "2 in 3 homes like this one is within 16 % of the estimate" in said
    assert "with medium confidence, 37 % were estimated within 10 %" in said
    unknown = {**CONFIDENCE, "ppe10": None}
    said = estimate_view.estimate_of({**answer, "confidence": unknown}, {}, PREDICTION)
    assert "Of the homes" not in said.confidence_text
    older = estimate_view.estimate_of({**answer, "confidence": None}, {}, PREDICTION)
    assert (older.confidence, older.confidence_text) == ("", "")


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        (None, ""),
        ({"headline": "sold", "sold": 9e5}, "The estimate is what it would sell for."),
        ({"headline": "for_sale", "for_sale": 9e5}, "The estimate is what it would be listed at."),
        ({"headline": "for_sale", "for_sale": 412_345.0, "sold": 398_765.0}, ""),
    ],
)
def test_the_estimate_says_which_price_it_is(prices, said):
    answer = {"price": 101_000.0, "intervals": INTERVALS, "warnings": [], **UNKNOWN}
    assert estimate_view.estimate_of({**answer, "prices": prices}, {}, PREDICTION).prices == said


def test_amounts_are_asked_paid_and_per_square_foot():
    answer = {"price": 412_345.0, "intervals": INTERVALS, "warnings": [], **UNKNOWN}
    both = {"headline": "for_sale", "for_sale": 412_345.0, "sold": 398_765.0}
    shown = estimate_view.estimate_of(
        {**answer, "prices": both}, {"house_size": "2000"}, PREDICTION
    )
    assert [(a.name, a.dollars) for a in shown.amounts] == [
        ("Asking price, about", "$412,000"),
        ("Sale price, about", "$399,000"),
        ("Per square foot", "$206"),
    ]
    one = {"headline": "sold", "sold": 412_345.0}
    assert estimate_view.estimate_of({**answer, "prices": one}, {}, PREDICTION).amounts == []
    assert estimate_view.estimate_of(answer, {}, PREDICTION).amounts == []


def test_no_probability_is_promised_above_a_warning():
    answer = {"price": 101_000.0, "intervals": INTERVALS, "warnings": [], **UNKNOWN}
    assert "8 in 10" in estimate_view.estimate_of(answer, {}, PREDICTION).trust
    warned = {**answer, "warnings": ["state 'Guam' is not in the training data"]}
    trust = estimate_view.estimate_of(warned, {}, PREDICTION).trust
    assert "may lie outside" in trust
    assert " in 10" not in trust


HOME = {
    "price": 350_000,
    "bed": 3.0,
    "bath": 2.5,
    "house_size": 1_750,
    "acre_lot": None,
    "zip_code": "77084",
    "km": 0.0,
    "alike": 0.9,
    "sold": True,
    "adjustments": {"place": -25_000, "status": 0, "house_size": 5_000, "bed": 0},
    "adjusted": 330_000,
    "remaining": 12_000.4,
}


def test_cards_of_comparables():
    other = {**HOME, "house_size": None, "bed": None, "bath": None, "zip_code": "00001", "km": 8.0}
    shown = comparables_view.comparables_of(
        {"comparables": [HOME, other]}, {"zip_code": "77084"}, GEOGRAPHY
    )
    plain = shown[0].facts.replace("\N{NO-BREAK SPACE}", " ")
    assert plain == "3 bed · 2.5 bath · 1,750 sq ft"
    assert shown[0].where == "$200 per sq ft · Houston 77084 · same zip code"
    assert (shown[0].adjusted, shown[0].adjustment) == ("$330,000", "−$20,000")
    assert shown[0].price == "$350,000 sold"
    assert shown[0].grid == [
        "location −$25,000",
        "house size +$5,000",
        "+$12,000 remains to your estimate",
    ]
    near = {**HOME, "adjustments": {"place": 5, "house_size": 5_000}}
    [small] = comparables_view.comparables_of({"comparables": [near]}, {}, GEOGRAPHY)
    assert small.grid == ["house size +$5,000", "+$12,005 remains to your estimate"]
    assert shown[1].facts == "no details known"
    assert shown[1].where == "Zip code 00001 · 5.0 mi"


def test_no_zip_code_is_named_as_that_of_a_home_without_one():
    other = {**HOME, "zip_code": "77095", "km": 10.0}
    of_city = {"city": "Houston", "state": "Texas"}
    shown = comparables_view.comparables_of({"comparables": [HOME, other]}, of_city, GEOGRAPHY)
    assert [home.where.split(" · ")[1:] for home in shown] == [
        ["Houston 77084", "in the middle of Houston"],
        ["Houston 77095", "6.2 mi"],
    ]
    drawn = map_view.map_of([HOME, other], of_city, GEOGRAPHY)
    assert drawn.place == "the middle of Houston, Texas"


def test_what_was_not_given_names_all_that_moves_a_price():
    missing = ["brokered_by", "acre_lot", "street", "zip_code"]
    assert estimate_view.left_out(missing) == ["broker code", "lot size", "zip code"]
    missing = ["bed", "street", "city", "state", "zip_code"]
    assert estimate_view.left_out(missing) == ["location", "bedrooms"]
    assert estimate_view.left_out(["street"]) == []


def test_a_listing_without_size_and_bedrooms_is_said_to_be_priced_as_land():
    for listing in ({}, {"city": "Houston", "state": "Texas", "acre_lot": "0.2", "bath": "2"}):
        assert estimate_view.as_land(listing).startswith("Priced as land, since")
    # A home without bedrooms is no land: the model has been given their number.
    for listing in ({"house_size": "1850"}, {"bed": "3"}, {"bed": 0.0}):
        assert estimate_view.as_land(listing) == ""


def test_map_has_the_home_in_the_middle_and_every_pin_apart():
    homes = [{**HOME, "km": km, "zip_code": z} for km, z in [(0.0, "77084")] * 6 + [(10, "77095")]]
    drawn = map_view.map_of(homes, {"zip_code": "77084"}, GEOGRAPHY)
    assert drawn.place == "Houston, Texas 77084"
    assert [pin.number for pin in drawn.pins] == list("1234567")
    spots = {(pin.x, pin.y) for pin in drawn.pins}
    assert len(spots) == 7
    assert all(max(abs(x), abs(y)) <= map_view.HALF for x, y in spots)
    assert all(x**2 + y**2 > 90**2 for x, y in spots)
    # 77095 lies to the north.
    assert drawn.pins[-1].y < -300
    assert drawn.rings


@pytest.mark.parametrize("homes", [[], [{**HOME, "zip_code": "99999"}]])
def test_no_map_where_no_place_is_known(homes):
    assert map_view.map_of(homes, {}, GEOGRAPHY) == map_view.Map()


def test_offset_is_in_miles():
    east, south = offset(GEOGRAPHY.by_code["77084"], 29.92, -95.65)
    assert (east, south) == (pytest.approx(0.6, abs=0.05), pytest.approx(-6.2, abs=0.1))


def test_without_a_build_no_zip_code_is_known(tmp_path):
    assert read_table(tmp_path / "none.csv").by_code == {}


def test_sliders_reach_the_given_value():
    sliders = {s.name: s for s in estimate_view.sliders_of({"house_size": "9000", "bed": "3"})}
    assert sliders["house_size"].high == sliders["house_size"].value == 9_000
    assert sliders["house_size"].shown == "9,000 sq ft"
    assert (sliders["bath"].shown, sliders["bath"].value) == ("not given", 2)
