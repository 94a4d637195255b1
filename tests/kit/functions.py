"""Function processes, each behind an HTTP client."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.kit.checkout import ROOT
from tests.kit.network import free_port
from tests.kit.waiting import wait_for


@contextmanager
def function(
    name,
    home,
    *,
    plain_parliament=False,
    python=(sys.executable,),
    stdout=None,
    metrics_port=0,
    **env,
):
    """Start one function; yields an httpx client with its ``process`` and its ``log`` (a path).

    Its ``metrics()`` are the text that Prometheus scrapes.

    ``stdout``: a file that gets its stdout in place of the log.
    """
    port = 8080 if plain_parliament else free_port()
    metrics_port = metrics_port or free_port()
    module = "parliament" if plain_parliament else "functions.host"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TASADOR_", "MODEL_"))}
    log = (Path(home) / f"{name}-{port}.log").open("w+")
    process = subprocess.Popen(
        [*python, "-m", module, f"functions/{name}"],
        cwd=ROOT,
        env={**inherited, "TASADOR_HOME": str(home), "PORT": str(port), **env}
        | {"METRICS_PORT": str(metrics_port)},
        stdout=log if stdout is None else stdout,
        stderr=log,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            client.process, client.log = process, Path(log.name)
            client.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
            client.metrics = lambda: (
                httpx.get(client.metrics_url, timeout=30, trust_env=False).raise_for_status().text
            )
            path = "/health/liveness" if plain_parliament else "/health"
            wait_for(lambda: _alive(process, log) and client.get(path).status_code == 200)
            yield client
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            log.close()


def _alive(process, log):
    if process.poll() is not None:
        log.seek(0)
        raise AssertionError(f"the process ended with {process.returncode}: {log.read()[-3000:]}")
    return True


def is_ready(client):
    return client.get("/ready").status_code == 200
