"""The web app in a real browser, on the real platform with a real model."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser import chromium
from tests.kit.broker import recording_broker
from tests.kit.models import make_bundle
from tests.kit.platform import homes, running_platform
from tests.kit.web_app import Services, serving


@pytest.fixture(scope="session")
def platform():
    """Postgres, S3, MLflow and the gateway."""
    with homes() as make, running_platform(make()) as settings:
        yield settings


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
