"""The valuation report as text: what it says, what it escapes, and what it does without."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser

import pytest

from tasador.valuation.report import Origin, report
from tests.kit.records import make_prediction
from tests.kit.valuation import EXPLANATION, HOSTILE, ORIGIN, PREDICTION, hostile


class Tags(HTMLParser):
    """Collects tags; every one that is opened must be closed."""

    def __init__(self, page):
        super().__init__()
        self.found, self._open = [], []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)
        if tag not in ("meta", "link", "img", "input", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def text_of(page):
    """The visible text, on one line."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_a_report_has_everything_that_its_reader_asks_for():
    page = report(PREDICTION, EXPLANATION, "", ORIGIN)
    Tags(page)
    said = text_of(page)
    for part in (
        "Houston, Texas, 77084",
        "$412,345",
        "$350,000 to $480,000 (80 in 100)",
        "The estimate is what it would be listed at; what it would sell for: $398,765 .",
        "Confidence: medium (score 84 of 100)",
        "37.0 % were estimated within 10 %",
        "21.0 % more than 15 % too low and 26.0 % more than 15 % too high",
        "House size 1,800 sq ft",
        "Not given status, last sold",
        "A typical home across the country $380,000",
        "The estimate $412,345",
        "3 bd, 2 ba, 1,750 sq ft",
        "$405,000 sold",
        "tasador-price@2, digest d2",
        "2026-01-31 12:00 UTC by the gate; run run-1",
        "batch 0123456789ab (2,496 rows, 2026-01-30)",
        PREDICTION.prediction_id,
    ):
        assert part in said, part


def test_the_page_loads_and_runs_nothing():
    page = report(PREDICTION, EXPLANATION, "", ORIGIN)
    assert not {"script", "link", "img", "iframe", "a"} & set(Tags(page).found)
    assert "url(" not in page
    assert "@import" not in page


def test_every_row_of_the_grid_ends_at_the_estimate():
    page = report(PREDICTION, EXPLANATION, "", ORIGIN)
    rows = re.findall(r"<tbody>(.*?)</tbody>", page, flags=re.DOTALL)[0].split("</tr>")[:-1]
    assert len(rows) == 10
    for row in rows:
        cells = re.findall(r"<td[^>]*>(?:<b>)?([+−]?\$[0-9,]+|0)(?: |<)", row)
        amounts = [int(re.sub("[$,+]", "", cell).replace("−", "-")) for cell in cells]
        price, *adjustments, adjusted, remaining = amounts
        assert len(adjustments) == 6
        assert price + sum(adjustments) == adjusted
        assert adjusted + remaining == round(EXPLANATION["price"])


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_markup(text):
    prediction, explanation, origin = hostile(text)
    tags = Tags(report(prediction, explanation, "", origin)).found
    assert set(tags) == set(Tags(report(PREDICTION, EXPLANATION, "", ORIGIN)).found) | {"p"}
    Tags(report(prediction, None, text, None))


def test_what_is_not_known_is_said():
    bare = make_prediction(
        listing={}, prices=None, confidence=None, intervals={}, revision="", correlation_id=""
    )
    said = text_of(report(bare, None, "Version 2 serves now.", None))
    assert "Place not given" in said
    assert "has not measured how much this price can be trusted" in said
    assert "Version 2 serves now." in said
    assert "Comparables" not in said
    assert "Decision none is recorded on this version" in said
    nowhere = report(bare, {**EXPLANATION, "comparables": []}, "", None)
    assert "no home is comparable" in text_of(nowhere)


def test_land_is_said_to_be_priced_as_land():
    said = "Priced as land, since neither the size nor the bedrooms are given."
    for absent, is_land in ((["house_size", "bed"], True), (["house_size"], False), ([], False)):
        listing = {**PREDICTION.listing, **dict.fromkeys(absent)}
        page = text_of(report(replace(PREDICTION, listing=listing), EXPLANATION, "", ORIGIN))
        assert (said in page) == is_land, absent


def test_long_lists_are_cut():
    warned = replace(PREDICTION, warnings=[f"warning {n}" for n in range(100)])
    many = Origin(
        run_id="r",
        decided_at=datetime.now(UTC),
        decided_by="maria",
        batches=[(f"batch-{n}", n, datetime.now(UTC)) for n in range(50)],
    )
    said = text_of(report(warned, {**EXPLANATION, "columns": EXPLANATION["columns"] * 5}, "", many))
    assert "Caution: warning 0. warning 1. warning 2. And 97 more." in said
    assert "and 46 more" in said
    assert "by maria; run r" in said
    assert "Everything else" in said
