"""The web app on a cluster, reached by kubectl port-forward."""

import os
import re
import shlex
import subprocess
from contextlib import closing, contextmanager

import httpx
import pytest

from tests.browser import chromium
from tests.kit import cluster as kit
from tests.kit.network import free_port

pytestmark = pytest.mark.timeout(600)


@contextmanager
def forwarded():
    """Yields the web app's address on this machine; its origin is allowed first."""
    port = free_port()
    origins = f"TASADOR_WEB_ORIGINS=http://127.0.0.1:{port}"
    kit.kubectl("-n", kit.NAMESPACE, "set", "env", "deployment/web", origins)
    kit.kubectl("-n", kit.NAMESPACE, "rollout", "status", "deployment/web", "--timeout=180s")
    command = shlex.split(os.environ.get("TASADOR_KUBECTL") or "kubectl")
    command += ["-n", kit.NAMESPACE, "port-forward", "service/web", f"{port}:80"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=kit.ROOT) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            kit.until(
                "the web app",
                lambda: httpx.get(f"{address}/ping", trust_env=False).is_success,
                60,
            )
            yield address
        finally:
            process.terminate()


@kit.long
def test_people_sign_in_with_an_account_from_the_console(loop):
    password = "correct horse battery"
    kit.kubectl(
        *("-n", kit.NAMESPACE, "exec", "-i", "deployment/console", "--"),
        *("tasador", "user", "add", "ana", "--role", "operator"),
        stdin=f"{password}\n",
    )

    def sign_in(given):
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            page = client.get("/login").raise_for_status().text
            token = re.search(r'name="token" value="(\w+)"', page)[1]
            form = {"token": token, "name": "ana", "password": given}
            return client.post("/login", data=form, headers={"origin": address})

    with forwarded() as address:
        assert sign_in("a wrong password").status_code == 401
        signed_in = sign_in(password)
        assert signed_in.status_code == 303
        assert "session" in signed_in.headers["set-cookie"]
    actions = kit.python("report([[a.actor, a.action, a.outcome] for a in warehouse.actions(3)])")
    assert actions == [
        ["ana", "sign in", "done"],
        ["ana", "sign in", "refused"],
        [actions[-1][0], "user add", "done"],
    ]


@pytest.mark.skipif(chromium.find() is None, reason="there is no Chromium on this machine")
def test_web_estimate_with_functions_scaled_to_zero(loop):
    with forwarded() as address, chromium.browser() as tab, closing(tab()) as page:
        page.open(address)
        page.wait("document.querySelector('#listing[data-loaded=true]')", seconds=90)
        page.click("button[type=submit]")
        price = page.wait("document.querySelector('#price')?.innerText", seconds=90)
        assert price.startswith("$")
        page.open(f"{address}/service")
        page.wait("document.querySelector('h1')")
        page.wait("document.body.innerText.includes('tasador-price')", seconds=90)
