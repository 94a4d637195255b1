"""docs/listings.md shows the rules of the readers, and all of them read its examples."""

import json
import re
from pathlib import Path

import pytest

from tasador.listings.rules import BLANK, KINDS, MISSING_TEXTS, RULES
from tasador.listings.states import STATE_NAMES, state_name
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
    assert "".join(set(BLANK) - set(spaces)).isprintable() is False


@pytest.mark.parametrize("name", STATE_NAMES)
def test_state_names_in_any_form(name):
    for text in (name, name.upper(), name.lower(), f"{name}.", name.replace(" ", "  ")):
        assert state_name(text) == name


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
        ("New Texas", "New Texas"),
        ("T", "T"),
        (".", "."),
        ("New Brunswick", "New Brunswick"),
    ],
)
def test_spellings_of_states(text, name):
    assert state_name(text) == name


def test_every_state_has_its_code():
    codes = "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV"
    codes += " NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI"
    names = {state_name(code) for code in codes.split()}
    assert len(names) == len(codes.split()) == 56
    assert names <= set(STATE_NAMES)
    for code in codes.split():
        spellings = (code.lower(), f"{code[0]}.{code[1]}.", f"{code[0]}. {code[1]}.", f"us-{code}")
        assert {state_name(text) for text in spellings} == {state_name(code)}
