"""docs/listings.md shows the rules of the readers, and all of them read its examples."""

import json
import re
import unicodedata
from pathlib import Path

import pytest

from tasador.listings.listing import COLUMNS, Listing
from tasador.listings.rules import BLANK, KINDS, MISSING_TEXTS, RULES
from tasador.listings.states import STATE_NAMES, state_name
from tasador.listings.value_reader import read_value
from tests.kit.readers import CSV_READERS, JSON_READERS, differences, one_by_one, write_csv

PAGE = Path(__file__).resolve().parents[2] / "docs" / "listings.md"


def columns_table():
    lines = ["| column | means | kind | range |", "|---|---|---|---|"]
    for rule in RULES:
        limits = f"{rule.low:g} to {rule.high:,.0f} {rule.unit}".strip()
        shown = limits if rule.kind == "number" else "-"
        lines.append(f"| `{rule.column}` | {rule.means} | {rule.kind} | {shown} |")
    return "\n".join(lines)


def kinds_table():
    lines = ["| kind | accepts | is read as | refuses |", "|---|---|---|---|"]
    for name, kind in KINDS.items():
        lines.append(f"| {name} | {kind.accepts} | {kind.becomes} | {', '.join(kind.refuses)} |")
    return "\n".join(lines)


def missing_list():
    return ", ".join(f"`{text}`" if text else "the empty text" for text in sorted(MISSING_TEXTS))


@pytest.mark.parametrize("part", [columns_table, kinds_table, missing_list])
def test_page_shows_the_rules(part):
    """If this fails, paste the expected text into docs/listings.md."""
    assert part() in PAGE.read_text(), f"docs/listings.md lacks\n{part()}"


def test_a_listing_has_the_columns_of_the_rules_in_their_order():
    assert Listing._fields == COLUMNS


def examples():
    table = PAGE.read_text().split("## Examples")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(.+)` \| (\w+) \| (.+) \|$", table, re.M)
    return [(json.loads(sent), field, outcome) for sent, field, outcome in found]


EXAMPLES = examples()


def test_page_has_examples_of_every_kind():
    kinds = {rule.kind for rule in RULES if rule.column in {field for _, field, _ in EXAMPLES}}
    assert kinds == set(KINDS)
    assert len(EXAMPLES) > 50


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e[1]}-{json.dumps(e[0])}")
def test_example_is_read_as_the_page_says(example, tmp_path):
    sent, field, outcome = example
    rows = [{field: sent}]
    expected = one_by_one(rows)
    values, problems = expected[0]
    if outcome == "missing":
        assert (values[field], problems) == ("None", set())
    elif outcome.startswith("refused: "):
        assert problems == {(field, outcome.removeprefix("refused: "))}
    else:
        assert (values[field], problems) == (repr(json.loads(outcome.strip("`"))), set())
    for name, reader in JSON_READERS.items():
        assert differences(expected, reader(rows)) == [], name
    if isinstance(sent, str) and sent.encode(errors="replace").decode() == sent:
        path = write_csv(rows, tmp_path / "rows.csv")
        for name, reader in CSV_READERS.items():
            assert differences(expected, reader(path, 1)) == [], name


def test_blanks_are_those_of_python_and_the_invisible_ones():
    spaces = "".join(chr(code) for code in range(0x110000) if chr(code).isspace())
    assert set(spaces) <= set(BLANK)
    # Of the characters of format, those before Arabic and Kaithi numbers are visible, and those of
    # the tags of flags belong to the flag.
    visible = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2}
    formats = {chr(c) for c in range(0x10000) if unicodedata.category(chr(c)) == "Cf"}
    fillers = set("\u115f\u1160\u2800\u3164\uffa0")
    assert set(BLANK) - set(spaces) == formats - set(map(chr, visible)) | fillers


@pytest.mark.parametrize("name", STATE_NAMES)
def test_state_names_in_any_form(name):
    spaced = {name.replace(" ", other) for other in (" ", "  ", "-", "_")}
    for text in spaced:
        around = (f"{text}.", f"{text}, USA", f"{text}, United States", f"State of {text}")
        for form in (text, *around, f"{name} ({text})"):
            assert {state_name(case) for case in (form, form.upper(), form.lower())} == {name}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("State of Texas", "Texas"),
        ("Texas, USA", "Texas"),
        ("Washington State", "Washington"),
        ("Washington DC", "District of Columbia"),
        ("Washington, D. C.", "District of Columbia"),
        ("The Commonwealth of Puerto Rico", "Puerto Rico"),
        ("U. S. Virgin Islands", "Virgin Islands"),
        ("USVI", "Virgin Islands"),
        ("N. Dak.", "North Dakota"),
        ("N.Dak.", "North Dakota"),
        ("W.Va.", "West Virginia"),
        ("West  Virginia.", "West Virginia"),
        ("ＴＸ", "Texas"),
        ("Ｎｅｗ　Ｙｏｒｋ", "New York"),
        ("Ｔｅｊａｓ", "Ｔｅｊａｓ"),
        ("new-york", "New York"),
        ("New_York", "New York"),
        ("Texas (TX)", "Texas"),
        ("TX - Texas", "Texas"),
        ("New York, NY", "New York"),
        ("US TX", "Texas"),
        ("Texas, U.S.A.", "Texas"),
        ("TX, United States of America", "Texas"),
        ("Virgin Islands, U.S.", "Virgin Islands"),
        ("Virgin Islands (U.S.)", "Virgin Islands"),
        ("Territory of Guam", "Guam"),
        ("Washington (DC)", "District of Columbia"),
        ("Hawai\u02bbi", "Hawaii"),
        ("Hawai'i", "Hawaii"),
        ("Penn.", "Pennsylvania"),
        ("Miami, FL", "Miami, FL"),
        ("Ohio, Texas", "Ohio, Texas"),
        ("Toronto - ON", "Toronto - ON"),
        ("Baja California", "Baja California"),
        ("USA", "USA"),
        ("New Texas", "New Texas"),
        ("T", "T"),
        (".", "."),
        ("New Brunswick", "New Brunswick"),
    ],
)
def test_spellings_of_states(text, name):
    assert state_name(text) == name


@pytest.mark.parametrize("time", ["10:00", "10:00:00", "10:00:60", "10:00:00.5", "10:00:00,5"])
@pytest.mark.parametrize(
    "zone", ["", "Z", "z", "+00", "-0500", "+05:30", " UTC", " GMT", " -0800", " +00:00"]
)
def test_times_of_day_with_and_without_a_zone(time, zone):
    for between in "Tt ":
        assert read_value("prev_sold_date", f"2022-02-23{between}{time}{zone}")[0] == "2022-02-23"


@pytest.mark.parametrize(
    "text",
    ["2022-02-23T", "2022-02-23 24:00", "2022-02-23 10:00 +24", "2022-02-23T10:00:00 PST",
     "2022-02-23 10:60", "2022-02-23 10:00 PM", "2022-02-2310:00", "2022-W08-3T10:00"],
)  # fmt: skip
def test_times_that_are_refused(text):
    assert read_value("prev_sold_date", text)[1] is not None


def test_every_state_has_its_code():
    codes = "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV"
    codes += " NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI"
    names = {state_name(code) for code in codes.split()}
    assert len(names) == len(codes.split()) == 56
    assert names <= set(STATE_NAMES)
    for code in codes.split():
        spellings = (code.lower(), f"{code[0]}.{code[1]}.", f"{code[0]}. {code[1]}.", f"us-{code}")
        assert {state_name(text) for text in spellings} == {state_name(code)}
