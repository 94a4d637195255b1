"""The web app as the platform runs it, and models in service behind it."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.kit.checkout import ROOT
from tests.kit.network import free_port
from tests.kit.waiting import wait_for


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
