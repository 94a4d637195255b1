"""Promotions on a real Knative: good ones, broken ones, twice, out of order, and under load."""

import asyncio
import os
import time

import httpx
import pytest

from tests.kit import cluster as kit

pytestmark = pytest.mark.timeout(1200)

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}

# A decision for a version, under the next number; told to the broker with what is changed.
DECIDE = """
from dataclasses import replace
from tasador.events import announce, build
from tasador.clock import now
newest = warehouse.decision(VERSION)
made = warehouse.record_decision(
    replace(newest, decision="rolled_back", decided_at=now(), promotion=None)
)
event = build.model_promoted(made)
event = replace(event, data={**event.data, **CHANGES})
for _ in range(TIMES):
    announce.announce(event, settings)
told(made.promotion)
"""


def promote(times=1, which=1, **changes):
    """Promote version ``which`` by hand; the promotion's number. ``changes`` are of the event."""
    code = DECIDE.replace("VERSION", str(which)).replace("TIMES", str(times))
    return kit.python(code.replace("CHANGES", repr(changes)))


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


def test_repeated_promotion_event_rolls_out_once(served, told):
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


def test_older_promotion_after_newer_is_ignored(served):
    before = traffic()
    number = int(before["predict"][0][0].rpartition("-")[2])
    kit.python(
        "from dataclasses import replace\n"
        "from tasador.events import announce, build\n"
        f"older = replace(warehouse.latest_promotion(), promotion={number - 1})\n"
        "announce.announce(build.model_promoted(older), settings)\n"
        "told(1)"
    )
    kit.until(
        "the older one is superseded",
        lambda: "superseded" in [o for _, o, _ in outcomes(number - 1)],
        60,
    )
    assert traffic() == before


def test_broken_bundle_keeps_the_old_model_serving(served):
    before, there = traffic(), revisions()
    found, _ = dealt_with(promote(digest="0" * 64))
    assert {(service, outcome) for service, outcome, _ in found} == {
        ("predict", "failed"),
        ("explain", "failed"),
    }
    assert "digest" in found[0][2]
    assert (traffic(), revisions()) == (before, there)


@kit.long
def test_candidate_that_never_becomes_ready_is_removed(served, told):
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


def test_no_request_fails_during_three_promotions_and_a_rollback(served, told):
    def newest():
        return kit.python("told(warehouse.latest_promotion().promotion)")

    async def both():
        over = asyncio.Event()
        asked = asyncio.create_task(load(1 / 50, over))
        # The second version is the one that the gate had rejected: a person may think otherwise.
        for which in (1, 2, 2):
            number = await asyncio.to_thread(promote, 1, which)
            found, _ = await asyncio.to_thread(dealt_with, number)
            assert {o for _, o, _ in found} == {"serving"}, found
        said = await asyncio.to_thread(kit.console, "python", "-m", "tasador", "rollback")
        assert "version 1 is champion again" in said
        found, seconds = await asyncio.to_thread(dealt_with, await asyncio.to_thread(newest))
        assert {o for _, o, _ in found} == {"serving"}, found
        told["a rollback in service, after the command"] = f"{seconds:.0f} s"
        over.set()
        return await asked

    statuses = asyncio.run(both())
    failed = [status for status in statuses if status != 200]
    told["requests at 50 a second during three promotions and a rollback"] = (
        f"{len(statuses)}, {len(failed)} failed"
    )
    assert len(statuses) > 500
    assert failed == []
    assert kit.ask("POST", "/predict", LISTING).json()["model"]["version"] == 1
    # The newest few that no longer serve are kept, and no more.
    assert len([name for name in revisions() if name.startswith("predict-")]) <= 4


@kit.long
def test_lost_promotion_event_is_made_up_by_reconcile(served, told):
    number = kit.python(
        DECIDE.replace("VERSION", "1").replace("TIMES", "0").replace("CHANGES", "{}")
    )
    found, seconds = dealt_with(number)
    assert {o for _, o, _ in found} == {"serving"}, found
    told["a promotion that no event told of, in service after"] = f"{seconds:.0f} s"


@kit.long
def test_canary_steps_shift_traffic_gradually(served, told):
    def say(steps):
        kit.patch("secret", "tasador-endpoints", {"stringData": {"TASADOR_CANARY": steps}})
        kit.kill(*kit.pods("reload"))
        kit.until("reload is back", lambda: len(kit.pods("reload")) == 1, 60)
        reload = ("-n", kit.NAMESPACE, "wait", "--for=condition=Ready", "pod")
        label = "serving.knative.dev/service=reload"
        kit.kubectl(*reload, "-l", label, "--timeout=120s")

    async def both():
        over = asyncio.Event()
        asked = asyncio.create_task(load(1 / 20, over))
        number = await asyncio.to_thread(promote)
        found, seconds = await asyncio.to_thread(dealt_with, number)
        over.set()
        return number, found, seconds, await asked

    say("10:10,50:10")
    try:
        number, found, seconds, statuses = asyncio.run(both())
    finally:
        say("")
    assert {outcome for _, outcome, _ in found} == {"serving"}, found
    steps = kit.python(
        "told([[s['step'], s['says']] for r in warehouse.rollout_history(limit=100)"
        f" if r.promotion == {number} and r.outcome == 'serving' for s in r.steps])"
    )
    given = [says for step, says in steps if "% of the traffic" in step]
    assert len(given) == 4
    told["a promotion with two canary steps of 10 s in service after"] = f"{seconds:.0f} s"
    told["its first canary step"] = given[0]
    assert set(statuses) == {200}
