"""The valuation report in a browser: one A4 page, readable in the dark and on a phone, in both
languages."""

import re

import pytest

from tasador.valuation.languages import LANGUAGES, speaking
from tasador.valuation.report import report
from tests.browser import chromium
from tests.browser.test_accessibility import assert_accessible
from tests.kit.valuation import EXPLANATION, HOSTILE, ORIGIN, PREDICTION, WARNED, hostile

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="Chromium is not installed")


@pytest.fixture
def page(tab):
    """A tab without the web app."""
    page = tab()
    yield page
    page.close()


@pytest.fixture(params=LANGUAGES)
def language(request):
    """The language of the report."""
    with speaking(request.param):
        yield request.param


def shown(page, html, folder):
    file = folder / "report.html"
    file.write_text(html)
    page.open(file.as_uri())
    return page


def pages_of(page):
    """How many pages the report prints to, and their size in points."""
    pdf = page.pdf()
    (count,) = re.findall(rb"/Type /Pages\s*/Count (\d+)", pdf)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    return int(count), {(round(float(w)), round(float(h))) for w, h in boxes}


@pytest.mark.parametrize("text", [None, *HOSTILE])
def test_a_report_prints_to_one_a4_page_whatever_it_says(page, tmp_path, language, text):
    parts = (WARNED, EXPLANATION, ORIGIN) if text is None else hostile(text)
    prediction, explanation, origin = parts
    shown(page, report(prediction, explanation, "", origin), tmp_path)
    assert page.js("document.documentElement.lang") == language
    assert pages_of(page) == (1, {(595, 842)})
    # Nothing is cut off at the right, where a page has no scroll bar.
    page.media("print")
    page.size(726, 1055)
    assert page.js("document.documentElement.scrollWidth") <= 726
    assert page.js("document.querySelector('.grid').getBoundingClientRect().right") <= 726


@pytest.mark.usefixtures("language")
def test_a_report_is_readable_in_the_dark_and_on_a_phone(page, tab, tmp_path):
    shown(page, report(PREDICTION, EXPLANATION, "", ORIGIN), tmp_path)
    colors = "getComputedStyle(document.body)"
    light = page.js(f"[{colors}.backgroundColor, {colors}.color]")
    page.scheme("dark")
    assert page.js(f"[{colors}.backgroundColor, {colors}.color]") != light
    # Paper stays white.
    page.media("print")
    assert page.js(f"{colors}.backgroundColor") == "rgb(255, 255, 255)"
    phone = tab(apart=True, viewport={"width": 360, "height": 740}, is_mobile=True)
    phone.open(page.js("location.href"))
    assert phone.js("document.documentElement.scrollWidth") <= 360
    phone.close()


@pytest.mark.usefixtures("language")
def test_axe_finds_no_serious_fault_in_a_report(page, tmp_path):
    assert_accessible(shown(page, report(WARNED, EXPLANATION, "", ORIGIN), tmp_path))


def test_a_report_loads_and_logs_nothing(page, tmp_path):
    shown(page, report(*hostile(HOSTILE[0])[:2], "", ORIGIN), tmp_path)
    assert {url.partition(":")[0] for url in page.requests} == {"file"}
    assert page.errors == []
