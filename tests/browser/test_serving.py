"""The process that serves the web app, without a browser."""

import re
import socket
from pathlib import Path

import httpx
import psutil
import pytest
import websocket

from tests.kit.waiting import wait_for
from tests.kit.web_app import serving


@pytest.fixture(scope="module")
def served(web_folder):
    with serving(web_folder, "http://127.0.0.1:1") as (address, process):
        yield address, process


def socket_of(address, origin):
    url = address.replace("http", "ws", 1) + "/_event/?EIO=4&transport=websocket"
    return websocket.create_connection(url, origin=origin, timeout=10)


def test_server_answers_pages_assets_and_404(served):
    with httpx.Client(base_url=served[0], trust_env=False, follow_redirects=True) as client:
        for path in (
            "/",
            "/batch",
            "/market",
            "/models",
            "/service",
            "/tasador.css",
            "/tasador.js",
        ):
            assert client.get(path).status_code == 200, path
        assert client.get("/nothing-here").status_code == 404


def test_browsers_keep_scripts_for_ever_and_ask_for_pages_again(served):
    with httpx.Client(base_url=served[0], trust_env=False, follow_redirects=True) as client:
        page = client.get("/models")
        script = re.search(r'"(/assets/entry.client-[^"]+\.js)"', page.text)[1]
        kept = client.get(script, headers={"accept-encoding": "br"})
        assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert kept.headers["content-encoding"] == "br"
        assert page.headers["cache-control"] == "no-cache"
        # The names of these, and of what another build had, say nothing of their content.
        assert client.get("/tasador.js").headers["cache-control"] == "no-cache"
        assert client.get("/assets/gone.js").headers["cache-control"] == "no-cache"


def test_news_are_a_text_or_say_what_does_not_answer(served):
    with httpx.Client(base_url=served[0], trust_env=False) as client:
        answer = client.get("/news")
    assert answer.status_code == 503
    assert answer.text == "record at http://127.0.0.1:1 does not answer. Is it up?"
    assert answer.headers["cache-control"] == "no-store"


def test_other_origins_cannot_open_the_websocket(served):
    socket_of(served[0], served[0]).close()
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        socket_of(served[0], "http://elsewhere.example")


def test_tunnel_to_another_port_of_the_visitors_machine_works(served):
    """As through `ssh -L 9000:127.0.0.1:PORT`: the browser's host and origin have port 9000."""
    url = served[0].replace("http", "ws", 1) + "/_event/?EIO=4&transport=websocket"
    tunnel = {"origin": "http://localhost:9000", "host": "localhost:9000", "timeout": 10}
    websocket.create_connection(url, **tunnel).close()
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        websocket.create_connection(url, **{**tunnel, "host": "evil.example:9000"})


def test_page_at_an_unknown_address_names_the_setting(served):
    with httpx.Client(base_url=served[0], trust_env=False) as client:
        page = {"accept": "text/html", "host": "box.example:9000"}
        refused = client.get("/", headers=page)
        assert refused.status_code == 403
        assert "TASADOR_WEB_ORIGINS=http://box.example:9000" in refused.text
        # A probe names the pod.
        assert client.get("/ping", headers={"host": "10.0.0.7:3000"}).status_code == 200


def test_server_listens_on_loopback_only(served):
    processes = [psutil.Process(served[1].pid)]
    processes += processes[0].children(recursive=True)
    listening = {c.laddr.ip for p in processes for c in p.net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def test_restart_skips_the_build_and_kill_frees_the_port(served, web_folder):
    built = Path(web_folder, "built").stat().st_mtime_ns
    with serving(web_folder, "http://127.0.0.1:1") as (address, process):
        assert Path(web_folder, "built").stat().st_mtime_ns == built
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        psutil.wait_procs(workers, timeout=5)
        port = int(address.rpartition(":")[2])

        def free():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) != 0

        wait_for(free, 5)


def test_sigterm_ends_the_server_with_a_page_open(web_folder):
    with serving(web_folder, "http://127.0.0.1:1") as (address, process):
        page = socket_of(address, address)
        process.terminate()
        assert process.wait(20) == 0
        page.close()
