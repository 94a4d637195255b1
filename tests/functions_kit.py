"""Real bundles and real function processes for the tests."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

from tasador.listings.listing import read_row
from tasador.listings.table import frame_of
from tasador.model import bundle_writer
from tasador.source import simulator
from tasador.training import fitting, splits, study

ROOT = Path(__file__).parents[1]


def simulated(rows=900, seed=7):
    """Good listings of a simulated batch."""
    read = [read_row(row) for row in simulator.generate(seed, "steady", 0, rows)]
    return [listing for listing, problems in read if not problems]


def make_bundle(folder, *, version=3, rows=900, seed=7):
    """Train a small real model and write it as the registered ``version``; its manifest."""
    prepared = splits.prepare(frame_of(simulated(rows, seed)))
    # A study of its own is the training's business; here any fair model does.
    params = {**study.KNOWN_GOOD, "max_depth": 4, "eta": 0.3}
    found = study.Search(params=params, value=0.0, trials=[])
    fitting.write(fitting.fit(prepared, found, seed=seed), folder)
    return bundle_writer.stamp_version(folder, "tasador-price", version)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(check, seconds=30.0):
    """Call ``check`` until it returns something true (which is returned) or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := check():
                return found
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} seconds: {check}")


@contextmanager
def function(name, home, *, plain_parliament=False, python=(sys.executable,), **env):
    """A process of one function; yields an httpx client whose ``process`` it is."""
    port = 8080 if plain_parliament else free_port()
    module = "parliament" if plain_parliament else "functions.host"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TASADOR_", "MODEL_"))}
    log = (Path(home) / f"{name}-{port}.log").open("w+")
    process = subprocess.Popen(
        [*python, "-m", module, f"functions/{name}"],
        cwd=ROOT,
        env={**inherited, "TASADOR_HOME": str(home), "PORT": str(port), **env},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            client.process, client.log = process, Path(log.name)
            path = "/health/liveness" if plain_parliament else "/health"
            until(lambda: _alive(process, log) and client.get(path).status_code == 200)
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
