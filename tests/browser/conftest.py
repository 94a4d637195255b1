"""The web app in a real browser, on the real platform with a real model."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tasador.local.platform import Platform
from tasador.settings import Settings
from tests.browser import chromium
from tests.kit.broker import recording_broker
from tests.kit.checkout import ROOT
from tests.kit.models import make_bundle
from tests.kit.network import free_port
from tests.kit.waiting import wait_for


@pytest.fixture(scope="session")
def platform():
    """Postgres, S3, MLflow and the gateway."""
    # Not in pytest's folders: for root, Postgres runs as another account that cannot enter them.
    home = Path(tempfile.mkdtemp(prefix="tasador-browser-"))
    with pytest.MonkeyPatch.context() as patch:
        for field in fields(Settings):
            patch.delenv(f"TASADOR_{field.name.upper()}", raising=False)
        patch.setenv("TASADOR_HOME", str(home))
        whole = Platform(home)
        try:
            settings = whole.up(web=False)
            yield settings
        finally:
            whole.down()
            shutil.rmtree(home)


class Services:
    """Puts models into service as the reload function does."""

    def __init__(self, settings, bundles):
        self._bundles = bundles
        self._http = httpx.Client(
            base_url=settings.gateway_admin_url,
            headers={"authorization": f"Bearer {settings.gateway_token}"},
            timeout=60,
            trust_env=False,
        )

    def serve(self, version):
        """Give all traffic to a version; None takes the model out of service."""
        for service in ("predict", "explain"):
            targets = []
            if version is not None:
                manifest, folder = self._bundles[version]
                revision = f"{service}-{version:05}"
                env = {
                    "MODEL_URI": str(folder),
                    "MODEL_VERSION": str(version),
                    "MODEL_DIGEST": manifest.digest,
                    "MODEL_CORRELATION_ID": f"c-{version}",
                }
                self._request("POST", f"{service}/revisions", {"revision": revision, "env": env})
                targets = [{"revision": revision, "percent": 100, "tag": ""}]
            self._request("PUT", f"{service}/traffic", targets)

    def close(self):
        self._http.close()

    def _request(self, method, path, body):
        answer = self._http.request(method, f"/services/{path}", json=body)
        assert answer.is_success, answer.text


@pytest.fixture(scope="session")
def services(platform, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "3"
    services = Services(platform, {3: (make_bundle(folder, version=3, rows=600), folder)})
    yield services
    services.close()


@pytest.fixture
def model(services):
    """Version 3 of the model in service."""
    services.serve(3)


@contextmanager
def serving(folder, functions_url, port=None, **environment):
    """The web app as the platform runs it; yields its address and its process."""
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    env = {
        **os.environ,
        "TASADOR_WEB_DIR": str(folder),
        "TASADOR_WEB_PORT": str(port),
        "TASADOR_FUNCTIONS_URL": functions_url,
        **environment,
    }
    with (Path(folder) / f"web-{port}.log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "web" / "run.py")], env=env, stdout=log, stderr=log
        )
        try:
            wait_for(lambda: _answers(process, address, log), 300)
            yield address, process
        finally:
            process.terminate()
            process.wait(20)


def _answers(process, address, log):
    log.seek(0)
    assert process.poll() is None, log.read()
    return httpx.get(f"{address}/ping", trust_env=False).is_success


@pytest.fixture(scope="session")
def web_folder(pytestconfig):
    """The folder of the build; kept between runs, because changed sources are rebuilt anyway."""
    return pytestconfig.cache.mkdir("tasador-web")


class _Echo(BaseHTTPRequestHandler):
    """Answers with the path."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!doctype html><title>Card</title><p>{self.path}".encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def card_server():
    """The address of what answers in place of the card server of ingest, which needs a flow."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def web(platform, web_folder, card_server):
    # What an operator does must not roll out a version in the middle of another test.
    with recording_broker() as (broker, _):
        settings = {"TASADOR_BROKER_URL": broker, "TASADOR_CARDS_INGEST_URL": card_server}
        with serving(web_folder, platform.functions_url, **settings) as (address, _):
            yield address


@pytest.fixture(scope="session")
def tab():
    """A function that opens a tab of one Chromium."""
    with chromium.browser() as opened:
        yield opened


@pytest.fixture
def page(tab, web):
    """A new tab; fails if it requests another host or logs an error."""
    page = tab()
    page.call("Storage.clearDataForOrigin", origin=web, storageTypes="all")
    yield page
    requests, errors = page.requests, page.errors
    page.close()
    local = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "about:", "blob:")
    assert [r for r in requests if not r.startswith(local)] == []
    assert errors == []
