"""The gateway's broker delivers predictions to a shadow while its tag exists, and gives up soon."""

import asyncio
from types import SimpleNamespace

import pytest

from tasador.events import build
from tasador.events.comparisons import prediction_compared
from tasador.events.event import PREDICTION_COMPARED, PREDICTION_MADE
from tasador.local.gateway.broker import Broker
from tasador.local.gateway.dead_letters import DeadLetters
from tasador.local.gateway.journal import Journal
from tasador.local.gateway.metrics import GatewayMetrics
from tasador.local.gateway.options import Options
from tasador.local.gateway.services import Services, Target
from tests.code.test_shadow import comparison
from tests.kit.records import make_prediction


class Forwarder:
    """Stands for the processes: record accepts everything, the shadow answers with ``status``."""

    def __init__(self):
        self.sent, self.status = [], 200

    async def send(self, revision, method, path, headers, body, *, seconds):
        kind = dict(headers)[b"ce-type"].decode()
        self.sent.append((revision.name, kind))
        if "shadow" not in revision.name:
            return self.answer(204, {}, b"")
        if self.status != 200:
            return self.answer(self.status, {}, b"no")
        made = build.prediction_made([make_prediction()])
        reply = prediction_compared([comparison()], made)
        return self.answer(200, reply.headers(), reply.body())

    def answer(self, status, headers, body):
        async def read():
            return body

        async def close():
            pass

        response = SimpleNamespace(status_code=status, headers=headers, aread=read)
        return SimpleNamespace(response=response, close=close)


@pytest.fixture
def world(tmp_path):
    services = Services(tmp_path / "gateway.json")
    predict = services.get("predict")
    services.add_revision(predict, "predict-00001", {})
    services.add_revision(predict, "predict-shadow-00002", {})
    journal, forwarder = Journal(tmp_path / "events.sqlite"), Forwarder()
    letters = DeadLetters(tmp_path / "dead-letters.jsonl")
    options = Options(delivery_backoff_seconds=0.01)
    broker = Broker(services, forwarder, journal, letters, options, GatewayMetrics())

    def play(event, tag="shadow", deliveries=None):
        """Publish the event and deliver until nothing is pending; what was sent."""
        services.split(
            predict,
            [
                Target("predict-00001", 100),
                *([Target("predict-shadow-00002", 0, tag)] if tag else []),
            ],
        )

        async def run():
            broker.publish(event)
            work = asyncio.create_task(broker.run())
            for _ in range(500):
                await asyncio.sleep(0.01)
                if not journal.pending():
                    break
            work.cancel()

        asyncio.run(run())
        assert journal.pending() == []
        return forwarder.sent

    yield SimpleNamespace(play=play, forwarder=forwarder, letters=letters)
    journal.close()


MADE = build.prediction_made([make_prediction()])
TO_RECORD = ("record-00001", PREDICTION_MADE)
TO_SHADOW = ("predict-shadow-00002", PREDICTION_MADE)


def test_prediction_reaches_record_and_the_shadow_whose_reply_is_recorded(world):
    sent = world.play(MADE)
    assert sorted(sent) == sorted([TO_RECORD, TO_SHADOW, ("record-00001", PREDICTION_COMPARED)])


@pytest.mark.parametrize("tag", ["", "candidate"])
def test_without_the_tag_nothing_is_mirrored(world, tag):
    assert world.play(MADE, tag) == [TO_RECORD]


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_shadow_that_fails_gets_a_second_attempt_and_no_dead_letter(world, status):
    world.forwarder.status = status
    assert sorted(world.play(MADE)) == sorted([TO_RECORD, TO_SHADOW, TO_SHADOW])
    assert world.letters.all() == []
