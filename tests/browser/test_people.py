"""People who sign in and act: by the keyboard, by forged messages, and against the rules."""

import json
import re
from datetime import UTC, datetime
from html import unescape
from uuid import uuid4

import httpx
import pytest
import websocket

from tasador.accounts import passwords, verbs
from tasador.operations.next_batch import is_ingesting
from tasador.stores.lake import Lake
from tasador.stores.registry import Registry
from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.kit.broker import recording_broker
from tests.kit.models import make_bundle
from tests.kit.records import make_decision
from tests.kit.source import served
from tests.kit.web_app import serving

needs_chromium = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)
PASSWORD = "correct horse battery"
STATE = "reflex___state____state.tasador_web___action_state____action_state"


@pytest.fixture(scope="module")
def warehouse(platform):
    with Warehouse(platform.database_url) as warehouse:
        yield warehouse


@pytest.fixture(scope="module", autouse=True)
def accounts(warehouse):
    """ana, an operator, and vera, a viewer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", (4, 8, 1))
        verbs.add_account(warehouse, "ana", "operator", PASSWORD, "root")
        verbs.add_account(warehouse, "vera", "viewer", PASSWORD, "root")


def decide(warehouse, version, kind="promoted", **changes):
    """Record a decision that promotes nothing else."""
    return warehouse.record_decision(
        make_decision(
            **{
                "version": version,
                "digest": f"d{version}-{uuid4().hex}",
                "decision": kind,
                "training_id": uuid4().hex,
                "champion_version": 0,
                "champion_digest": "",
                "decided_at": datetime.now(UTC),
                **changes,
            }
        )
    )


@pytest.fixture(scope="module")
def earlier(platform, warehouse, tmp_path_factory):
    """A version in MLflow and in the object store, which was champion before another one."""
    registry, training_id = Registry(platform), uuid4().hex
    run_id = registry.open_run(training_id, "c")
    reserved = registry.reserve_version(run_id, training_id, "c")
    folder = tmp_path_factory.mktemp("earlier")
    manifest = make_bundle(folder, version=reserved.version, rows=600)
    Lake(platform).upload_folder(folder, reserved.uri)
    registry.confirm_version(reserved.version, manifest.digest)
    named = {"model_uri": reserved.uri, "run_id": run_id, "training_id": training_id}
    decide(warehouse, reserved.version, digest=manifest.digest, **named)
    decide(warehouse, 990)
    yield reserved.version
    # The newest promotion cannot serve, so reload leaves the services of other tests alone.
    decide(warehouse, 991)


def sign_in(web, name, password=PASSWORD):
    """The cookies of a new session, as the form gives them."""
    with httpx.Client(base_url=web, trust_env=False) as client:
        html = client.get("/login").text
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
        form = {n: unescape(v) for n, v in fields.items()} | {"name": name, "password": password}
        answer = client.post("/login", data=form, headers={"origin": web})
        assert answer.status_code == 303, answer.text
        return "; ".join(f"{c.name}={c.value}" for c in client.cookies.jar)


def tab_to(page, text):
    """Press Tab until the focused element has that text."""
    for _ in range(120):
        page.press("Tab")
        if page.js("document.activeElement.innerText?.trim()") == text:
            return
    raise AssertionError(f"Tab never reached {text!r}:\n{page.text()}")


def type_password(page, web, route, name="ana"):
    """Sign in by the keyboard, and come back to ``route``."""
    page.open(f"{web}/login?next={route}")
    page.wait("document.activeElement.id === 'name'")
    page.type(name)
    page.press("Tab")
    page.type(PASSWORD)
    page.press("Enter")
    page.wait(f"location.pathname.startsWith('/models') && '{route}'.endsWith(location.search)")
    page.wait(f"document.querySelector('.who')?.innerText.includes('{name}')")


@needs_chromium
def test_operator_rolls_back_by_the_keyboard_alone(page, web, warehouse, earlier):
    type_password(page, web, f"/models?version={earlier}")
    page.wait(f"document.querySelector('#version h2')?.innerText === 'Version {earlier}'")
    tab_to(page, "Roll back to this version…")
    page.press("Enter")
    page.wait("document.querySelector('dialog[open]')")
    page.shows("Return to version", "dialog[open]")
    tab_to(page, "Roll back")
    page.press("Enter")
    page.wait("document.querySelector('#outcome')")
    page.shows(f"Version {earlier} is champion again.", "#outcome")
    page.wait("document.querySelector('dialog[open]') === null")
    newest = warehouse.model_history(1)[0]
    assert (newest.version, newest.decision, newest.decided_by) == (earlier, "rolled_back", "ana")
    done = warehouse.actions(1)[0]
    assert (done.actor, done.action, done.outcome) == ("ana", "roll back", "done")
    assert done.note == ""
    # The page that is open shows it, without a reload.
    page.wait(
        "[...document.querySelectorAll('tbody tr')]"
        f".some(r => r.innerText.includes('Version {earlier}') && r.innerText.includes('rolled'))"
    )
    # What was done is said on this page, until another one opens.
    page.js("document.querySelector('.who a').click()")
    page.wait("document.querySelector('h1')?.innerText === 'Activity'")
    page.wait("document.querySelector('tbody') && !document.querySelector('#outcome')")


@needs_chromium
def test_notice_of_a_begun_batch_leaves_when_it_has_ended(page, platform, warehouse, web_folder):
    with served([]) as source, recording_broker() as (broker, _):
        settings = {"TASADOR_BROKER_URL": broker, "TASADOR_SOURCE_URL": source}
        with serving(web_folder, platform.functions_url, **settings) as (web, _):
            type_password(page, web, "/models")
            page.open(f"{web}/pipeline")
            tab_to(page, "Ingest the next batch…")
            page.press("Enter")
            page.wait("document.querySelector('dialog[open]')")
            tab_to(page, "Ingest it")
            page.press("Enter")
            page.shows("The next batch is being ingested", "#outcome")
            page.wait("!document.querySelector('#outcome')", 120)
            log = platform.home / "log" / "next-batch.log"
            assert log.read_text()
            assert not is_ingesting(platform)
            # A page without its server logs an error.
            page.open("about:blank")


@needs_chromium
def test_viewer_is_offered_no_action(page, web, warehouse, earlier):
    decide(warehouse, 994, "waiting")
    type_password(page, web, "/models?version=994", "vera")
    page.wait("document.querySelector('#version h2')?.innerText === 'Version 994'")
    page.shows("tasador approve 994", "#version")
    assert not [text for text in page.texts("button") if "…" in text]


@needs_chromium
def test_approval_is_refused_for_who_started_the_training(page, web, warehouse):
    waiting = decide(warehouse, 992, "waiting", started_by="ANA", reasons=["R² is fine."])
    type_password(page, web, "/models?version=992")
    page.wait("document.querySelector('#version h2')?.innerText === 'Version 992'")
    tab_to(page, "Approve…")
    page.press("Enter")
    page.wait("document.querySelector('dialog[open] #note')")
    tab_to(page, "Approve")
    page.press("Enter")
    page.wait("document.querySelector('#refusal')")
    page.shows("ana started the training of version 992", "#refusal")
    page.press("Escape")
    page.wait("document.querySelector('dialog[open]') === null")
    assert warehouse.model_history(1)[0].training_id == waiting.training_id
    page.js("document.querySelector('[data-submit]').click()")
    page.wait("document.querySelector('[data-return]')")


class Visitor:
    """A websocket as a page opens it, which sends whatever it likes."""

    def __init__(self, web, cookies):
        url = web.replace("http", "ws", 1)
        self._socket = websocket.create_connection(
            f"{url}/_event/?token={uuid4()}&EIO=4&transport=websocket",
            origin=web,
            cookie=cookies,
            timeout=20,
        )
        self._socket.send("40/_event,")

    def send(self, handler, **payload):
        """Send an event of the state of actions."""
        route = {"pathname": "/models", "asPath": "/models", "query": {}}
        event = {"name": f"{STATE}.{handler}", "payload": payload, "router_data": route}
        self._socket.send(f"42/_event,{json.dumps(['event', event])}")

    def problem(self):
        """What the dialog says next."""
        while True:
            found = re.search(r'"problem[^"]*":\s?"([^"]+)"', self._socket.recv())
            if found:
                return found[1]

    def close(self):
        self._socket.close()


def cookie_of_nobody(web):
    """A forged session: a token that the server never made."""
    return f"tasador-session-{web.rpartition(':')[2]}={'A' * 43}"


@pytest.mark.parametrize("who", ["viewer", "stranger", "forged"])
def test_nobody_else_acts_by_websocket(web, warehouse, earlier, who):
    cookies = {
        "viewer": lambda: sign_in(web, "vera"),
        "stranger": lambda: "",
        "forged": lambda: cookie_of_nobody(web),
    }[who]()
    before, known = warehouse.model_history(1)[0].promotion, warehouse.actions(1)[0].action_id
    visitor = Visitor(web, cookies)
    visitor.send("propose", kind="roll_back", target=f"{earlier} ")
    visitor.send("confirm", form={"note": ""})
    says = "Only operators may do this." if who == "viewer" else "Sign in to do this."
    assert visitor.problem() == says
    visitor.close()
    assert warehouse.model_history(1)[0].promotion == before
    newest = warehouse.actions(1)[0]
    if who == "viewer":
        assert (newest.actor, newest.action, newest.outcome) == ("vera", "roll back", "refused")
    else:
        assert newest.action_id == known


def test_session_that_has_ended_acts_no_more(web, warehouse, earlier):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_COST", (4, 8, 1))
        verbs.add_account(warehouse, "olga", "operator", PASSWORD, "root")
    visitor = Visitor(web, sign_in(web, "olga"))
    visitor.send("propose", kind="roll_back", target=f"{earlier} ")
    verbs.remove_account(warehouse, "olga", "root")
    before = warehouse.model_history(1)[0].promotion
    visitor.send("confirm", form={})
    assert visitor.problem() == "Sign in to do this."
    visitor.close()
    assert warehouse.model_history(1)[0].promotion == before


def test_pages_forbid_browsers_what_they_do_not_need(web):
    answer = httpx.get(f"{web}/models", trust_env=False, follow_redirects=True)
    script = re.search(r"script-src ([^;]*)", answer.headers["content-security-policy"])[1]
    assert script.count("sha256-") > 5
    assert "unsafe-inline" not in script
    assert "unsafe-eval" not in script
    assert answer.headers["x-frame-options"] == "DENY"
    forged = httpx.post(f"{web}/login", data={"name": "ana"}, trust_env=False)
    assert forged.status_code == 403
    assert forged.headers["x-content-type-options"] == "nosniff"
