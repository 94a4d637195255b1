"""The Compare page without Reflex: places by price, and what makes the difference of two homes."""

import sys

import pytest

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import compare_view
from tasador_web.client import ApiError
from tasador_web.place_search import Place, PlaceIndex

OHIO, TEXAS = Place("Ohio"), Place("Texas")
DAYTON, LIMA = Place("Ohio", "Dayton", "", 5), Place("Ohio", "Lima", "", 9)
INDEX = PlaceIndex((TEXAS, OHIO, DAYTON, LIMA, Place("Ohio", "Lima", "45801", 3)), None)


def priced(prices, warnings=()):
    return {
        "rows": len(prices),
        "price": prices,
        "intervals": {"80": {"low": [p * 0.8 for p in prices], "high": [p * 1.2 for p in prices]}},
        "warnings": [{"row": row, "warnings": texts} for row, texts in warnings],
    }


def explained(price, **dollars):
    columns = [
        {"feature": name, "value": value, "dollars": amount}
        for name, (value, amount) in dollars.items()
    ]
    return {
        "price": price,
        "base": price - sum(amount for _, amount in dollars.values()),
        "columns": columns,
        "warnings": [],
        "intervals": {"80": {"low": price * 0.8, "high": price * 1.2}},
    }


def money(text):
    return int(text.replace("−", "-").replace("$", "").replace(",", "").replace("+", ""))


def test_places_are_the_states_or_the_largest_cities_of_one():
    assert compare_view.places_of(INDEX, "") == [TEXAS, OHIO]
    assert compare_view.places_of(INDEX, "Ohio") == [LIMA, DAYTON]
    assert compare_view.columns_of({"bed": "3"}, [OHIO, DAYTON]) == {
        "bed": ["3", "3"],
        "state": ["Ohio", "Ohio"],
        "city": [None, "Dayton"],
    }


def test_places_are_ranked_on_one_scale():
    answer = priced([100_000.0, 300_000.0], [(0, ["state 'Ohio' is not in the training data"])])
    bars = compare_view.place_bars([OHIO, TEXAS], answer)
    assert [(b.name, b.price, b.likely) for b in bars] == [
        ("Texas", "$300,000", "$240k – $360k"),
        ("Ohio", "$100,000", "$80k – $120k"),
    ]
    assert [b.remark for b in bars] == ["", "not known to the model"]
    for bar in bars:
        assert 0 <= bar.left < bar.mark < bar.left + bar.width <= 100
    assert (
        compare_view.sentence_of([OHIO, TEXAS], answer)
    ) == "In Texas this home costs 3.0 times what it costs in Ohio."
    assert compare_view.sentence_of([OHIO], priced([1.0])) == ""


def test_warnings_of_every_place_are_said_once():
    odd = "bed 90 is outside the training range (1 to 12)"
    answer = priced([1.0, 2.0], [(0, [odd, "state 'x' is not in the training data"]), (1, [odd])])
    [text] = compare_view.common_warnings(answer, {"bed": "90"})
    assert text.startswith("90 bedrooms are unusual")
    assert compare_view.common_warnings(priced([1.0, 2.0], [(0, [odd])]), {}) == []


def test_parts_of_a_difference_add_up_as_shown():
    first = explained(
        200_000.4,
        bed=("3", 10_000.4),
        state=("Texas", 5.3),
        bath=("not given", 7.1),
        comparables=("nearby", 1.2),
    )
    second = explained(
        251_000.5, bed=("4", 40_000.7), state=("Ohio", -900.2), comparables=("nearby", 21_912.4)
    )
    second["base"] = first["base"]
    second["price"] = first["base"] + sum(c["dollars"] for c in second["columns"])
    parts = compare_view.differences_of(first, second)
    assert sum(money(p.dollars) for p in parts) == round(second["price"]) - round(first["price"])
    assert [p.name for p in parts] == [
        "Bedrooms",
        "Homes like it nearby",
        "State",
        "What you left out",
    ]
    assert [p.given for p in parts] == ["3 → 4", "", "Texas → Ohio", "bathrooms"]
    assert [p.kind for p in parts] == ["up", "up", "down", "down"]
    assert (parts[0].left, parts[0].width) == (50, 50)
    assert parts[2].left + parts[2].width == pytest.approx(50)


def test_another_typical_home_is_a_part_of_its_own():
    first, second = explained(100.0, bed=("3", 0.0)), explained(150.0, bed=("3", 0.0))
    [part] = compare_view.differences_of(first, second)
    assert (part.name, part.dollars) == ("A typical home", "+$50")


@pytest.mark.parametrize("parts", [[], [0.5, 0.5, 0.5], [-0.5, -0.4, 1.9], [1e6 + 0.49, -3.51]])
@pytest.mark.parametrize("off", [0, 1, -1])
def test_whole_parts_keep_the_total(parts, off):
    total = round(sum(parts)) + off
    whole = compare_view.whole_parts(parts, total)
    assert sum(whole) == (total if parts else 0)
    assert all(abs(w - p) < 2 for w, p in zip(whole, parts, strict=True))


def test_difference_is_a_sentence():
    cheap, dear = explained(100_000.0), explained(150_000.0)
    assert compare_view.difference_sentence(cheap, dear) == (
        "Home B costs $50,000 (50\N{NO-BREAK SPACE}%) more than home A."
    )
    assert "less than home A" in compare_view.difference_sentence(dear, cheap)
    assert compare_view.difference_sentence(dear, dear) == "Both homes cost the same."
    bars = compare_view.home_bars([{"state": "Ohio"}, {}], (cheap, dear))
    assert [(b.name, b.place) for b in bars] == [("Home A", "Ohio"), ("Home B", "anywhere")]


def test_problems_name_their_fields():
    errors = {f"columns.bed[{n}]": "is not a number" for n in range(50)}
    assert compare_view.problem_text(ApiError("no", 422, errors)) == "Bedrooms is not a number."
    assert compare_view.problem_text(ApiError("no", 422, {"bath": "is negative"})) == (
        "Bathrooms is negative."
    )
    assert compare_view.problem_text(ApiError("broken")) == "broken"
