"""A version's model card, opened from the Models page: the dossier of a real model, with plots."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest

from tasador.dossier.folder import write_folder
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.browser.test_accessibility import assert_accessible
from tests.browser.test_parts import killed
from tests.kit.dossiers import facts_of
from tests.kit.listings import simulated_frame
from tests.kit.models import train_bundle
from tests.kit.records import make_decision

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)
VERSION = 995
PLOTS = "[...document.querySelectorAll('figure img')]"


@pytest.fixture(scope="module")
def dossier(platform, tmp_path_factory):
    """The folder of the dossier of version 995, which the object store has too."""
    folder, market = tmp_path_factory.mktemp("dossier"), simulated_frame(1500)
    facts = facts_of(market, train_bundle(market, folder / "bundle"), version=VERSION, rotations=0)
    write_folder(facts, folder / "dossier")
    uri = f"s3://{platform.bucket_mlflow}/{uuid4().hex}"
    Lake(platform).upload_folder(folder / "dossier", f"{uri}/dossier")
    decided = replace(
        facts.record,
        model_uri=f"{uri}/bundle",
        decision="rejected",
        training_id=uuid4().hex,
        correlation_id=uuid4().hex,
        decided_at=datetime.now(UTC),
    )
    with Warehouse(platform.database_url) as warehouse:
        warehouse.record_decision(decided)
    return folder / "dossier"


def opened(page, web, path="/models"):
    """The card of the version in the page that the link opens; returns its address."""
    page.open(f"{web}{path}?version={VERSION}")
    # A tab shows what it had in the language before, until the page has loaded.
    begins = f"{path.removesuffix('/models')}/model-card/"
    link = f"document.querySelector('#version a[href^=\"{begins}\"]')"
    page.wait(link)
    assert page.js(f"{link}.target") == "_blank"
    address = page.js(f"{link}.href")
    page.open(address)
    page.wait("document.querySelector('figure img')")
    return address


def test_card_of_a_version_opens_with_its_plots(page, web, dossier):
    address = opened(page, web)
    assert address == f"{web}/model-card/{VERSION}/"
    page.wait(f"{PLOTS}.length >= 4 && {PLOTS}.every(i => i.complete && i.naturalWidth > 300)")
    page.shows("The gate")
    # What the card links to is there too.
    names = page.js("[...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))")
    assert "data-contract.json" in names
    with httpx.Client(base_url=address, trust_env=False) as client:
        for name in names:
            if not name.startswith("http"):
                assert client.get(name).content == (dossier / name).read_bytes(), name
    # Nothing came from anywhere else, nor from another page.
    page.open(address)
    assert opened(page, web, "/es/models") == f"{web}/es/model-card/{VERSION}/"


def test_card_is_readable_in_the_dark_and_on_a_phone(page, tab, web, dossier):
    address = opened(page, web)
    assert_accessible(page)
    page.size(1280, 900)
    colours = "(s => [s.backgroundColor, s.color].join())(getComputedStyle(document.body))"
    page.scheme("light")
    light = page.js(colours)
    page.scheme("dark")
    assert page.js(colours) != light
    phone = tab(apart=True, viewport={"width": 390, "height": 844}, is_mobile=True)
    phone.open(address)
    phone.wait(f"{PLOTS}.length >= 4 && {PLOTS}.every(i => i.complete)")
    assert phone.js(f"Math.max(...{PLOTS}.map(i => i.getBoundingClientRect().right))") <= 390
    assert phone.js("document.documentElement.scrollWidth") <= 390
    phone.close()


def test_card_while_a_part_is_down_names_it_and_comes_back(page, web, platform, dossier):
    for part, named in {"objects": "the object store at", "gateway": "record at"}.items():
        with killed(platform, part):
            page.open(f"{web}/model-card/{VERSION}/")
            page.shows("There is no model card")
            page.shows(named)
        opened(page, web)
    # The browser logs each answer 503.
    assert len(page.errors) == 2
    page.errors.clear()


def test_version_without_a_dossier_says_so(web, platform):
    named = {"model_uri": f"s3://{platform.bucket_mlflow}/{uuid4().hex}/bundle"}
    decided = make_decision(version=996, decision="rejected", training_id=uuid4().hex, **named)
    with Warehouse(platform.database_url) as warehouse:
        warehouse.record_decision(decided)
    answer = httpx.get(f"{web}/model-card/996/", trust_env=False)
    assert answer.status_code == 404
    assert "Version 996 has no model card" in answer.text
