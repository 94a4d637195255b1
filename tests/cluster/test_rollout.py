"""Promotions on a real Knative: good ones, broken ones, twice, out of order, and under load."""

import asyncio
import os
import time

import httpx
import pytest

from tests.cluster import kit

pytestmark = pytest.mark.timeout(1200)

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}

# A decision like the newest, under the next number; told to the broker with what is changed.
DECIDE = """
from dataclasses import replace
from tasador import events
from tasador.records import now
newest = warehouse.latest_promotion()
made = warehouse.record_decision(
    replace(newest, decision="rolled_back", decided_at=now(), promotion=None)
)
event = events.model_promoted(made)
event = replace(event, data={**event.data, **CHANGES})
for _ in range(TIMES):
    events.publish(event, settings.broker_url)
told(made.promotion)
"""


def promote(times=1, **changes):
    """Promote the newest version once more; the promotion's number."""
    return kit.python(DECIDE.replace("CHANGES", repr(changes)).replace("TIMES", str(times)))


def outcomes(promotion):
    """(service, outcome, reason) of every rollout of a promotion."""
    return kit.python(
        "told([[r.service, r.outcome, r.reason] for r in warehouse.rollout_history(limit=100)"
        f" if r.promotion == {promotion}])"
    )


def dealt_with(promotion, count=2):
    found, seconds = kit.until(
        f"promotion {promotion} dealt with",
        lambda: (o := outcomes(promotion)) and len(o) >= count and o,
        180,
        pause=2,
    )
    return found, seconds


def traffic():
    """service -> [(revision, percent, tag)], as the ingress has it."""
    return {
        name: [
            (t["revisionName"], t["percent"], t.get("tag", ""))
            for t in kit.get("services.serving.knative.dev", name)["status"]["traffic"]
        ]
        for name in ("predict", "explain")
    }


def revisions():
    found = kit.get("revision.serving.knative.dev")
    return sorted(
        each["metadata"]["name"]
        for each in found
        if each["metadata"]["labels"]["serving.knative.dev/service"] in ("predict", "explain")
    )


@pytest.fixture(scope="module")
def served(loop):
    """Something is in service already (test_loop.py comes first)."""
    assert kit.python("told(bool(warehouse.latest_promotion()))"), "run test_loop.py first"


def test_the_same_event_twice_is_one_rollout(served, told):
    number = promote(times=2)
    _, seconds = dealt_with(number)
    told["a promotion in service, after its event"] = f"{seconds:.0f} s"
    kit.until(
        "the second of the two",
        lambda: sorted(o for _, o, _ in outcomes(number)).count("unchanged") == 2,
        60,
    )
    assert [o for _, o, _ in outcomes(number)].count("serving") == 2
    name = f"{number:05d}"
    assert traffic() == {
        "predict": [(f"predict-{name}", 100, "")],
        "explain": [(f"explain-{name}", 100, "")],
    }


def test_an_older_promotion_after_a_newer_one_changes_nothing(served):
    before = traffic()
    number = int(before["predict"][0][0].rpartition("-")[2])
    kit.python(
        "from dataclasses import replace\n"
        "from tasador import events\n"
        f"older = replace(warehouse.latest_promotion(), promotion={number - 1})\n"
        "events.publish(events.model_promoted(older), settings.broker_url)\n"
        "told(1)"
    )
    kit.until(
        "the older one is superseded",
        lambda: "superseded" in [o for _, o, _ in outcomes(number - 1)],
        60,
    )
    assert traffic() == before


def test_a_broken_bundle_leaves_everything_as_it_was(served):
    before, there = traffic(), revisions()
    found, _ = dealt_with(promote(digest="0" * 64))
    assert {(service, outcome) for service, outcome, _ in found} == {
        ("predict", "failed"),
        ("explain", "failed"),
    }
    assert "digest" in found[0][2]
    assert (traffic(), revisions()) == (before, there)


def test_a_candidate_that_never_gets_ready_leaves_everything_as_it_was(served, told):
    before, there = traffic(), revisions()
    # The bundle is whole, but names another version than the promotion.
    found, seconds = dealt_with(promote(version=77))
    told["a candidate that never gets ready is given up"] = f"{seconds:.0f} s"
    assert {outcome for _, outcome, _ in found} == {"failed"}
    assert "did not become ready" in found[0][2]
    assert traffic() == before
    kit.until("the candidate is gone", lambda: revisions() == there, 30)


async def load(seconds_between, until):
    """Requests at a steady pace through the ingress; every status that came."""
    url, domain = os.environ["TASADOR_INGRESS_URL"], os.environ["TASADOR_INGRESS_DOMAIN"]
    headers = {"host": f"predict.{kit.NAMESPACE}.{domain}"}
    statuses, going = [], set()
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=30, trust_env=False
    ) as client:

        async def one():
            try:
                answer = await client.post("/predict", json=LISTING)
                statuses.append(answer.status_code)
            except httpx.HTTPError as error:
                statuses.append(repr(error))

        began, number = time.monotonic(), 0
        while not until.is_set():
            task = asyncio.create_task(one())
            going.add(task)
            task.add_done_callback(going.discard)
            number += 1
            await asyncio.sleep(max(0, began + number * seconds_between - time.monotonic()))
        await asyncio.gather(*going)
    return statuses


def test_no_request_fails_during_three_promotions(served, told):
    async def both():
        over = asyncio.Event()
        asked = asyncio.create_task(load(1 / 50, over))
        for _ in range(3):
            number = await asyncio.to_thread(promote)
            found, _ = await asyncio.to_thread(dealt_with, number)
            assert {o for _, o, _ in found} == {"serving"}, found
        over.set()
        return await asked

    statuses = asyncio.run(both())
    told["requests during three rollouts"] = f"{len(statuses)}, none failed"
    assert len(statuses) > 500
    assert set(statuses) == {200}
    # The newest few that no longer serve are kept, and no more.
    assert len([name for name in revisions() if name.startswith("predict-")]) <= 4
