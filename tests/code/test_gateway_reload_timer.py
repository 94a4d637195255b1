"""The gateway asks reload at intervals what should serve, whatever the answer was."""

import asyncio
from types import SimpleNamespace

import pytest

from tasador.errors import ConfigurationError
from tasador.local.gateway.answers import Refusal
from tasador.local.gateway.options import Options
from tasador.local.gateway.reload_timer import reconcile_regularly


class Forwarder:
    """Stands for the processes: refuses, breaks off, answers 503 and then 200."""

    def __init__(self):
        self.requests = []

    async def send(self, revision, method, path, headers, body, *, seconds):
        self.requests.append((revision, method, path))
        if len(self.requests) == 1:
            raise Refusal(503, "no process became ready")
        return SimpleNamespace(response=self, close=self.close)

    async def close(self):
        pass

    @property
    def status_code(self):
        return 503 if len(self.requests) == 3 else 200

    async def aread(self):
        if len(self.requests) == 2:
            raise ConnectionError("gone")
        return b"{}"


def ask(seconds, until):
    forwarder = Forwarder()
    services = SimpleNamespace(get=lambda name: SimpleNamespace(pick=lambda: f"{name}-00001"))

    async def run():
        task = asyncio.create_task(reconcile_regularly(services, forwarder, seconds))
        async with asyncio.timeout(20):
            while len(forwarder.requests) < until and not task.done():
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return forwarder.requests


def test_reload_is_asked_again_after_every_kind_of_failure():
    assert ask(0.001, 5)[:5] == [("reload-00001", "POST", "/reconcile")] * 5


def test_zero_seconds_is_never():
    assert ask(0, 1) == []


def test_interval_is_a_setting():
    assert Options.load({}).reconcile_seconds == 300
    assert Options.load({"TASADOR_RECONCILE_SECONDS": "0"}).reconcile_seconds == 0


@pytest.mark.parametrize("text", ["often", "", "nan", "inf", "-1", "1e3", "1_0", "٣", "0.5s"])
@pytest.mark.parametrize("name", ["RECONCILE_SECONDS", "COLD_START_SECONDS", "DELIVERY_RETRIES"])
def test_options_that_no_clock_can_have(name, text):
    with pytest.raises(ConfigurationError, match=f"TASADOR_{name} is '{text}', not a"):
        Options.load({f"TASADOR_{name}": text})
