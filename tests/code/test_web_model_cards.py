"""A version's model card at the web app's address: its files, and the pages that say why not."""

import asyncio
import hashlib
import json
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from tasador.settings import CHECKOUT, Settings

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import client, sign_in
from tasador_web.browser_rules import BrowserRules
from tasador_web.languages import speaking
from tasador_web.model_cards import POLICY, ModelCards, link_of

from tests.kit.bundle_store import URI, store
from tests.kit.http_server import serving
from tests.kit.network import free_port

CARD = b"<!doctype html><title>Card</title>"
FILES = {"model-card.html": CARD, "gate.json": b"{}", "README.md": b"# Card", "plots/a.png": b"P"}


@contextmanager
def record(decision):
    """record's answer about version 3; it knows no other."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path == "/models/3"
            body = decision if known else {"title": "Not Found", "detail": "no decision"}
            content = json.dumps(body).encode()
            self.send_response(200 if known else 404)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield url


@pytest.fixture
def dossier(tmp_path):
    """The folder of a dossier of the model with the digest d3."""
    folder = tmp_path / "dossier"
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    write_index(folder)
    return folder


def write_index(folder, digest="d3", names=tuple(FILES)):
    files = {name: hashlib.sha256(FILES[name]).hexdigest() for name in names}
    (folder / "dossier.json").write_text(json.dumps({"digest": digest, "files": files}))


@pytest.fixture
def platform(monkeypatch, tmp_path, dossier):
    """record and the object store, where the web app finds them; the store's requests."""
    decision = {"version": 3, "digest": "d3", "dossier_uri": URI}
    with record(decision) as url, store(dossier) as (endpoint, requests):
        monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
        monkeypatch.setenv("TASADOR_FUNCTIONS_URL", url)
        monkeypatch.setenv("TASADOR_S3_ENDPOINT", endpoint)
        monkeypatch.setenv("TASADOR_S3_ACCESS_KEY", "web")
        monkeypatch.setenv("TASADOR_S3_SECRET_KEY", "secret")
        monkeypatch.setenv("TASADOR_BUCKET_MLFLOW", "bucket")
        monkeypatch.delenv("TASADOR_WEB_READING", raising=False)
        yield requests


def asked(path, method="GET", around=ModelCards, **headers):
    """(status, headers, body) of the answer; 418 is that of the app behind."""
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    given = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": given}

    async def answered():
        await around(app)(scope, None, send)
        if client._SHARED:
            await client.functions().__aexit__(None, None, None)

    asyncio.run(answered())
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], names, sent[1]["body"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/models"), ("POST", "/model-card/3/"), ("GET", "/model-cards"), ("GET", "/es/x")],
)
def test_everything_else_is_passed_on(method, path):
    assert asked(path, method)[0] == 418


@pytest.mark.parametrize("path", ["/model-card/3/", "/es/model-card/3/"])
def test_card_of_a_version_is_shown_and_runs_nothing(platform, path):
    status, headers, body = asked(path, around=lambda app: BrowserRules(ModelCards(app), "x"))
    assert (status, body) == (200, CARD)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"] == POLICY
    assert POLICY.startswith("default-src 'none'; ")
    assert "script" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"


def test_index_of_the_dossier_is_there_too(platform, dossier):
    status, _, body = asked("/model-card/3/dossier.json")
    assert (status, body) == (200, (dossier / "dossier.json").read_bytes())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gate.json", "application/json"),
        ("README.md", "text/plain; charset=utf-8"),
        ("plots/a.png", "image/png"),
    ],
)
def test_files_that_the_card_links_to_are_there_too(platform, name, kind):
    status, headers, body = asked(f"/model-card/3/{name}")
    assert (status, headers["content-type"], body) == (200, kind, FILES[name])


def test_address_without_a_slash_leads_to_the_card(platform):
    status, headers, _ = asked("/es/model-card/3")
    assert (status, headers["location"]) == (307, "/es/model-card/3/")


def test_browser_that_has_the_card_gets_it_once(platform):
    _, headers, _ = asked("/model-card/3/")
    assert headers["cache-control"] == "private, no-cache"
    platform.clear()
    status, again, body = asked("/model-card/3/", if_none_match=headers["etag"])
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    assert platform == ["dossier.json"]


def test_version_that_is_not_recorded_has_no_card(platform):
    for path in ("/model-card/4/", "/model-card/x", "/model-card/", "/model-card/0/"):
        status, headers, body = asked(path)
        assert (status, headers["cache-control"]) == (404, "no-store")
        assert b"<p>There is no such version.</p>" in body
    status, headers, body = asked("/es/model-card/4/")
    assert (status, headers["content-language"]) == (404, "es")
    assert "<p>Esa versión no existe.</p>" in body.decode()


def test_version_without_a_dossier_says_why(platform, dossier):
    (dossier / "dossier.json").unlink()
    status, _, body = asked("/model-card/3/")
    assert (status, b"Version 3 has no model card: the last step" in body) == (404, True)
    # That of another model, whose version had the number before.
    write_index(dossier, digest="d2")
    assert asked("/model-card/3/")[0] == 404


def test_dossier_from_before_cards_were_pages_says_so(platform, dossier):
    write_index(dossier, names=["README.md"])
    status, _, body = asked("/model-card/3/")
    assert (status, "“tasador dossier 3” shows it" in body.decode()) == (404, True)


@pytest.mark.parametrize("name", ["../bundle/model.json", "/etc/passwd", "<b>"])
def test_only_files_of_the_index_are_read(platform, name):
    status, _, body = asked(f"/model-card/3/{name}")
    assert (status, b"has no such file" in body) == (404, True)
    assert platform == ["dossier.json"]


def test_card_elsewhere_than_in_the_registrys_bucket_is_not_read(platform, monkeypatch):
    monkeypatch.setenv("TASADOR_BUCKET_MLFLOW", "other")
    assert asked("/model-card/3/")[0] == 404
    assert platform == []


def test_card_that_was_changed_is_not_shown(platform, dossier):
    (dossier / "model-card.html").write_text("<script>alert(1)</script>")
    status, _, body = asked("/model-card/3/")
    assert (status, b"is not the one that dossier.json names" in body) == (503, True)
    (dossier / "model-card.html").unlink()
    assert b"is missing" in asked("/model-card/3/")[2]
    (dossier / "dossier.json").write_text("[]")
    status, _, body = asked("/model-card/3/")
    assert (status, b"is not the index of a dossier" in body) == (503, True)


def test_part_that_is_away_is_named(platform, monkeypatch):
    monkeypatch.setenv("TASADOR_S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    status, headers, body = asked("/model-card/3/")
    assert (status, headers["cache-control"]) == (503, "no-store")
    assert b"the object store at http://127.0.0.1" in body
    monkeypatch.setenv("TASADOR_FUNCTIONS_URL", f"http://127.0.0.1:{free_port()}")
    status, _, body = asked("/es/model-card/3/")
    assert (status, "record no responde en" in body.decode()) == (503, True)


def test_card_is_for_accounts_where_reading_is(platform, monkeypatch):
    monkeypatch.setenv("TASADOR_WEB_READING", "login")
    monkeypatch.setenv("TASADOR_DATABASE_URL", "postgresql://nowhere/x")

    def around(app):
        return sign_in.SignIn(ModelCards(app), [])

    status, headers, _ = asked("/model-card/3/", around=around, accept="text/html")
    assert (status, headers["location"]) == (303, "/login?next=%2Fmodel-card%2F3%2F")
    assert asked("/model-card/3/gate.json", around=around)[0] == 401
    assert platform == []


def test_link_is_in_the_language_of_the_page_and_where_the_store_is_known(tmp_path):
    known = Settings(home=tmp_path, s3_endpoint="http://127.0.0.1:1", s3_access_key="web")
    assert link_of(3, known) == "/model-card/3/"
    with speaking("es"):
        assert link_of(3, known) == "/es/model-card/3/"
    assert link_of(3, Settings(home=tmp_path, s3_endpoint="http://127.0.0.1:1")) == ""
    assert link_of(0, known) == ""


def test_card_is_read_without_what_the_web_apps_image_lacks():
    absent = ("boto3", "markdown_it", "pandas", "pyarrow", "mlflow", "matplotlib", "scipy")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}));"
        "from tasador.dossier import verbs; verbs.find_stored"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=CHECKOUT)
