"""The Compare page: a home in every state, and two homes with what makes the difference."""

import pytest

from tests.browser import chromium
from tests.browser.test_pages import money, place_of

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)


def opened(page, web, query=""):
    page.open(f"{web}/compare{query}")
    page.wait("document.querySelector('main[data-loaded=true]')")


def test_home_is_priced_in_every_state_and_in_the_cities_of_one(page, web, platform, model):
    opened(page, web, "?house_size=1850&bed=3")
    page.wait("document.getElementById('house_size').value === '1850'")
    # The home of a link is priced at once.
    page.wait("document.querySelectorAll('.ranked tbody tr').length > 1")
    page.fill("house_size", "2,100")
    page.press("Enter")
    page.wait("location.search === '?house_size=2100&bed=3'")
    prices = [money(t) for t in page.texts(".ranked td.number:not(.hint)")]
    assert prices == sorted(prices, reverse=True)
    page.shows("times what it costs in", "#sentence")
    city, state = place_of(web, platform)
    page.choose("where", state)
    page.click("#places-form button[type=submit]")
    page.wait(f"document.querySelector('.ranked tbody').innerText.includes({city!r})")
    page.fill("house_size", "big")
    page.press("Enter")
    page.wait("document.querySelector('.notice.red')")
    page.shows("House size is not a number.", ".notice.red", exactly=True)


def test_home_that_is_sent_during_an_answer_is_priced_after_it(page, web, model):
    opened(page, web)
    for size in ("1,200", "1,500", "1,850"):
        page.fill("house_size", size)
        page.press("Enter")
    page.wait("location.search === '?house_size=1850'")


def test_both_homes_begin_as_that_of_a_link(page, web, model):
    opened(page, web, "?house_size=1850&bed=3")
    page.wait("document.getElementById('house_size').value === '1850'")
    page.click(".choices button:nth-child(2)")
    page.wait("document.getElementById('homes-form')")
    for name, value in {"house_size_a": "1850", "house_size_b": "1850", "bed_b": "3"}.items():
        page.wait(f"document.getElementById('{name}').value === '{value}'")
    page.fill("bed_b", "4")
    page.press("Enter")
    page.wait("document.querySelector('#differences tbody tr')")
    page.shows("3 → 4", "#differences")


def test_differences_of_two_homes_add_up_by_the_keyboard(page, web, platform, model):
    city, _ = place_of(web, platform)
    opened(page, web)
    page.js("document.querySelectorAll('.choices button')[1].focus()")
    page.press("Enter")
    page.wait("document.getElementById('homes-form')")
    page.fill("place_a", city)
    page.fill("house_size_a", "1,200")
    page.fill("house_size_b", "3,400")
    page.fill("bath_b", "3")
    page.press("Enter")
    page.wait("document.querySelectorAll('#differences tbody tr').length > 1")
    first, second = (money(t) for t in page.texts(".ranked:not(#differences) td.number:not(.hint)"))
    parts = [money(t) for t in page.texts("#differences td.number")]
    assert sum(parts) == second - first
    page.shows("than home A", "#difference")
    page.fill("place_b", "qqqqq")
    page.press("Enter")
    page.wait("document.querySelector('.notice.red')")
    page.shows("no place like “qqqqq” (home B)", ".notice.red")
