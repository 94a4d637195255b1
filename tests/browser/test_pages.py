"""The pages, used as a person uses them."""

import httpx
import pytest

from tests.browser import chromium
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)

FORM = {
    "city": "Springfield",
    "zip_code": "01101",
    "street": "1744",
    "house_size": "1850",
    "acre_lot": "0.25",
    "bed": "3",
    "bath": "2",
    "brokered_by": "88",
    "prev_sold_date": "2019-05-17",
}


@pytest.fixture
def without_model(services):
    services.serve(None)


def money(text):
    return float(text.replace("−", "-").replace("$", "").replace(",", "").replace("+", ""))


def opened(page, web, route="/"):
    page.open(f"{web}{route}")
    page.wait("document.querySelector('h1')")
    return page


def ready(page, web):
    """The Estimate page, once it has loaded the states."""
    opened(page, web)
    page.wait("document.querySelectorAll('#state option').length > 1")
    return page


def estimate(page):
    page.click("button[type=submit]")
    return money(page.wait("document.querySelector('#price')?.innerText"))


def fact(page, name):
    """The value next to a name in a list of facts."""
    return page.js(
        "[...document.querySelectorAll('dt')].find(e => e.innerText === "
        f"'{name}')?.nextElementSibling.innerText"
    )


def recorded(platform, identity):
    """The recorded prediction, once it is there."""
    url = f"{platform.functions_url}/predictions/{identity}"

    def fetch():
        answer = httpx.get(url, trust_env=False, timeout=60)
        return answer.json() if answer.is_success else None

    return wait_for(fetch)


def test_empty_form_is_priced_explained_and_recorded(page, web, platform, model):
    ready(page, web)
    price = estimate(page)
    levels = page.texts("table.bars:first-of-type tbody th")
    assert levels[:3] == ["80\xa0%", "90\xa0%", "95\xa0%"]
    ends = [money(t) for t in page.texts("td.number")[:6]]
    lows, highs = ends[0::2], ends[1::2]
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs)
    assert lows[0] < price < highs[0]
    assert len(page.texts("#missing .rt-Badge")) == 11
    prediction = recorded(platform, fact(page, "Prediction"))
    assert round(prediction["price"]) == price
    assert fact(page, "Model") == "tasador-price@3"
    assert fact(page, "Revision") == prediction["revision"] == "predict-00003"
    assert fact(page, "Digest") == prediction["model_digest"]
    assert fact(page, "Correlation") == "c-3"


def test_waterfall_adds_up_to_the_price(page, web, model):
    ready(page, web)
    page.fill("house_size", "3200")
    price = estimate(page)
    page.wait("document.querySelector('td.number.total')")
    steps = [money(t) for t in page.texts("td.number.base, td.number.up, td.number.down")]
    assert len(steps) == 10
    # Each step is rounded to whole dollars.
    assert sum(steps) == pytest.approx(price, abs=len(steps))
    assert money(page.text("td.number.total")) == price
    bars = page.js(
        """[...document.querySelectorAll('.bar.up, .bar.down, table:has(.total) .bar.base')].map(
           e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right, e.className])"""
    )
    at = bars[0][1]
    for left, right, kinds in bars[1:]:
        begin, end = (left, right) if "up" in kinds else (right, left)
        # A step of zero dollars is two pixels wide, to be visible.
        assert begin == pytest.approx(at, abs=2.5)
        at = end
    assert at == pytest.approx(
        page.js("document.querySelector('.bar.total').getBoundingClientRect().right"), abs=2.5
    )
    assert page.text("#sentence").startswith("Priced at $")


def test_form_values_are_sent_to_predict(page, web, platform, model):
    ready(page, web)
    state = page.js("document.querySelector('#state option:nth-child(2)').value")
    page.choose("state", state)
    page.choose("status", "sold")
    for name, value in FORM.items():
        if name == "prev_sold_date":
            page.js(f"document.getElementById('{name}').value = '{value}'")
        else:
            page.fill(name, value)
    estimate(page)
    listing = recorded(platform, fact(page, "Prediction"))["listing"]
    assert {k: v for k, v in listing.items() if isinstance(v, str)} == {
        **{k: FORM[k] for k in ("city", "zip_code", "street", "brokered_by", "prev_sold_date")},
        "state": state,
        "status": "sold",
    }
    numbers = ("house_size", "acre_lot", "bed", "bath")
    assert [listing[n] for n in numbers] == [float(FORM[n]) for n in numbers]
    assert page.texts("#missing .rt-Badge") == []


def test_field_errors_are_shown_at_their_fields(page, web, model):
    ready(page, web)
    page.fill("bed", "three")
    page.fill("house_size", "-5")
    page.click("button[type=submit]")
    page.wait("document.querySelector('#bed-error')")
    assert page.text("#bed-error") == "is not a number"
    assert page.text("#house_size-error") == "is negative"
    for name, wrong in (("bed", "true"), ("house_size", "true"), ("bath", "false")):
        assert page.js(f"document.getElementById('{name}').ariaInvalid") == wrong
    assert page.js("document.querySelector('#bed').getAttribute('aria-describedby')") == "bed-error"
    assert not page.text("#price")
    page.wait("document.activeElement.id === 'house_size'")
    page.fill("bed", "3")
    page.fill("house_size", "")
    assert estimate(page) > 0
    assert not page.texts(".error")


def test_warnings_are_shown_with_the_price(page, web, model):
    ready(page, web)
    page.fill("house_size", "90000")
    assert estimate(page) > 0
    assert "house_size" in " ".join(page.texts(".rt-CalloutText"))
    assert "no home like this one" in page.text("#trust")


def test_clear_button_empties_form_and_answer(page, web, model):
    ready(page, web)
    page.fill("bed", "4")
    estimate(page)
    page.click("button[type=reset]")
    page.wait("!document.querySelector('#price')")
    assert page.js("document.getElementById('bed').value") == ""


def test_pages_without_a_model_in_service(page, web, without_model):
    for route in ("/", "/service"):
        opened(page, web, route)
        page.wait("document.body.innerText.includes('No model is in service yet')")
        assert page.js("document.querySelectorAll('[role=alert]').length") == 0
    opened(page, web)
    page.wait("document.body.innerText.includes('No model is in service yet')")
    page.js(
        """new MutationObserver(m => { window.wasBusy ||= m.some(e => e.target.disabled) })
           .observe(document.querySelector('button[type=submit]'), {attributes: true}), 0"""
    )
    page.click("button[type=submit]")
    page.wait("window.wasBusy && !document.querySelector('button[type=submit]').disabled")
    assert "No model is in service yet" in page.text()
    assert not page.text("#price")


def test_service_page_shows_model_and_predictions(page, web, platform, model):
    ready(page, web)
    price = estimate(page)
    identity = fact(page, "Prediction")
    recorded(platform, identity)
    page.js("document.querySelector('nav a[href=\"/service\"]').click()")
    page.wait("document.querySelector('h1')?.innerText === 'Service'")
    page.wait(f"document.body.innerText.includes('{identity}')")
    row = page.js(
        f"[...document.querySelectorAll('tr')].find(r => r.innerText.includes('{identity}'))"
        ".innerText"
    )
    assert f"${price:,.0f}" in row
    assert "tasador-price@3" in row
    assert fact(page, "Model") == "tasador-price@3"
    assert int(fact(page, "Predictions")) >= 1
    assert page.js("document.title") == "Service · Tasador"


def test_form_works_with_the_keyboard_alone(page, web, model):
    ready(page, web)
    page.press("Tab")
    assert page.focused() == "Skip to the content"
    for _ in range(30):
        if page.focused() == "house_size":
            break
        page.press("Tab")
    page.type("2100")
    page.press("Enter")
    page.wait("document.querySelector('#price')?.innerText")
    assert "House size" not in page.texts("#missing .rt-Badge")


def test_accessible_names_of_all_controls(page, web, model):
    ready(page, web)
    estimate(page)
    nodes = page.accessible()
    controls = [name for role, name in nodes if role in ("textbox", "combobox", "Date", "button")]
    assert len(controls) >= 14
    assert all(controls)
    assert {"main", "navigation", "banner"} <= {role for role, _ in nodes}
    assert {"State", "City", "Zip code five digits", "Last sold"} <= {name for _, name in nodes}


def test_color_mode_button_switches_light_and_dark(page, web, model):
    def colours():
        return page.js(
            "(s => [s.backgroundColor, s.color])(getComputedStyle(document.querySelector("
            "'.radix-themes')))"
        )

    seen = {}
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        ready(page, web)
        seen[scheme] = colours()
    assert seen["light"] != seen["dark"]
    page.click("button[aria-label='Switch between light and dark']")
    page.wait(
        f"getComputedStyle(document.querySelector('.radix-themes')).color !== '{seen['dark'][1]}'"
    )
    assert colours() == seen["light"]
