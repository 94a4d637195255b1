"""Promotions on a real Knative: good, broken, repeated, out of order, and under load."""

import asyncio
import os
import time

import httpx
import pytest

from tests.kit import cluster as kit

pytestmark = pytest.mark.timeout(1200)

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}

# Records a decision for a version with CHANGES under the next number, and publishes its event. An
# event alone changes nothing: reload reads the decision.
DECIDE = """
from dataclasses import replace
from tasador.events import announce, build
from tasador.clock import now
from tasador.stores.lake import Lake
from tasador.stores.registry import Registry
from tasador.stores.signing import sign_bundle
newest = warehouse.gate_decisions(settings.model_name, VERSION)[0]
# The gate signs only what it promotes.
sign_bundle(settings, Lake(settings), newest.model)
made = warehouse.record_decision(
    replace(newest, decision="rolled_back", decided_at=now(), promotion=None, **CHANGES)
)
# A decision whose alias is missing is an interrupted rollback, which the next one would finish.
Registry(settings).set_champion(made)
event = build.model_promoted(made)
for _ in range(TIMES):
    announce.announce(event, settings)
report(made.promotion)
"""


# What somebody does who may write the bucket, but holds no key that signs: a copy of a version's
# bundle with one byte changed and every digest made right, next to the signature of the original.
FORGE = """
import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from tasador.model import manifest
from tasador.stores.lake import Lake
lake = Lake(settings)
uri = warehouse.gate_decisions(settings.model_name, 1)[0].model_uri
with TemporaryDirectory() as name:
    folder = lake.download_folder(uri, name)
    content = bytearray((folder / "model.ubj").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.ubj").write_bytes(content)
    known = manifest.read_manifest(folder)
    files = known.files | {"model.ubj": hashlib.sha256(content).hexdigest()}
    forged = manifest.sealed(dataclasses.replace(known, files=files))
    manifest.write_manifest(folder, forged)
    report([lake.upload_folder(folder, uri + "-forged"), uri, forged.digest])
"""


def promote(times=1, which=1, **changes):
    """Promote version ``which`` by hand; returns its number. ``changes`` apply to the decision."""
    code = DECIDE.replace("VERSION", str(which)).replace("TIMES", str(times))
    return kit.python(code.replace("CHANGES", repr(changes)))


def outcomes(promotion):
    """(service, outcome, reason) of every rollout of a promotion."""
    return kit.python(
        "report([[r.service, r.outcome, r.reason] for r in warehouse.rollout_history(limit=100)"
        f" if r.promotion == {promotion}])"
    )


def wait_for_outcomes(promotion, count=2):
    """(the outcomes, seconds waited) of a promotion, once there are ``count``.

    A Broker that waited too long for the answer sends the event again: then some are "unchanged".
    """
    return kit.until(
        f"outcomes of promotion {promotion}",
        lambda: (o := outcomes(promotion)) and len(o) >= count and o,
        180,
        pause=2,
    )


def traffic():
    """service -> [(revision, percent, tag)] of the traffic."""
    return {
        name: [
            (t["revisionName"], t["percent"], t.get("tag", ""))
            for t in kit.get("services.serving.knative.dev", name)["status"]["traffic"]
        ]
        for name in ("predict", "explain")
    }


def revisions():
    every = kit.get("revision.serving.knative.dev")
    return sorted(
        each["metadata"]["name"]
        for each in every
        if each["metadata"]["labels"]["serving.knative.dev/service"] in ("predict", "explain")
    )


@pytest.fixture(scope="module")
def served(loop):
    """A model is in service (test_loop.py runs first)."""
    assert kit.python("report(bool(warehouse.latest_promotion(settings.model_name)))"), (
        "run test_loop.py first"
    )


def test_repeated_promotion_event_rolls_out_once(served, measured):
    number = promote(times=2)
    _, seconds = wait_for_outcomes(number)
    measured["a promotion in service, after its event"] = f"{seconds:.0f} s"
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
    older = int(traffic()["predict"][0][0].rpartition("-")[2])
    wait_for_outcomes(promote())
    before = traffic()
    kit.python(
        "from tasador.events import announce, build\n"
        f"announce.announce(build.model_promoted(warehouse.promotion({older})), settings)\n"
        "report(1)"
    )
    kit.until(
        "the older one is superseded",
        lambda: "superseded" in [o for _, o, _ in outcomes(older)],
        60,
    )
    assert traffic() == before


def test_broken_bundle_keeps_the_old_model_serving(served):
    before, there = traffic(), revisions()
    results, _ = wait_for_outcomes(promote(digest="0" * 64))
    assert {(service, outcome) for service, outcome, _ in results} == {
        ("predict", "failed"),
        ("explain", "failed"),
    }
    assert "digest" in results[0][2]
    assert (traffic(), revisions()) == (before, there)


@kit.long
def test_forged_bundle_or_one_of_another_bucket_keeps_the_old_model_serving(served):
    before, there = traffic(), revisions()
    copy, uri, digest = kit.python(FORGE)
    elsewhere = uri.replace("s3://mlflow-artifacts/", "s3://metaflow/")
    for changes, reason in (
        ({"model_uri": copy, "digest": digest}, "changed after it was signed"),
        ({"model_uri": elsewhere}, "not in s3://mlflow-artifacts"),
    ):
        results, _ = wait_for_outcomes(promote(**changes))
        assert {outcome for _, outcome, _ in results} == {"failed"}, results
        assert all(reason in why for _, _, why in results), results
        assert (traffic(), revisions()) == (before, there)


@kit.long
def test_candidate_that_never_becomes_ready_is_removed(served, measured):
    before, there = traffic(), revisions()
    # The bundle is complete, but its version differs from the promotion's.
    results, seconds = wait_for_outcomes(promote(version=77))
    measured["a candidate that never becomes ready is removed after"] = f"{seconds:.0f} s"
    assert {outcome for _, outcome, _ in results} == {"failed"}
    assert "did not become ready" in results[0][2]
    assert traffic() == before
    kit.until("the candidate is gone", lambda: revisions() == there, 30)


async def load(seconds_between, until, predicted=None):
    """Send requests through the ingress at a steady rate; returns all statuses.

    The ids of the predictions are appended to ``predicted``.
    """
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
                if predicted is not None and answer.status_code == 200:
                    predicted.append(answer.json()["prediction_id"])
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


def test_no_request_fails_during_three_promotions_and_a_rollback(served, measured):
    def newest():
        return kit.python("report(warehouse.latest_promotion(settings.model_name).promotion)")

    async def both():
        over = asyncio.Event()
        requests = asyncio.create_task(load(1 / 50, over))
        # The gate rejected version 2, but a person may promote it.
        for which in (1, 2, 2):
            number = await asyncio.to_thread(promote, 1, which)
            results, _ = await asyncio.to_thread(wait_for_outcomes, number)
            assert {o for _, o, _ in results} - {"unchanged"} == {"serving"}, results
        output = await asyncio.to_thread(kit.console, "python", "-m", "tasador", "rollback")
        assert output.startswith("version 1 (digest "), output
        assert "is champion again" in output
        results, seconds = await asyncio.to_thread(
            wait_for_outcomes, await asyncio.to_thread(newest)
        )
        assert {o for _, o, _ in results} - {"unchanged"} == {"serving"}, results
        measured["a rollback in service, after the command"] = f"{seconds:.0f} s"
        over.set()
        return await requests

    statuses = asyncio.run(both())
    failed = [status for status in statuses if status != 200]
    measured["requests at 50 a second during three promotions and a rollback"] = (
        f"{len(statuses)}, {len(failed)} failed"
    )
    assert len(statuses) > 500
    assert failed == []
    # The ingress reads new routes every few seconds, after Knative calls them ready.
    kit.until(
        "version 1 answers",
        lambda: kit.request("POST", "/predict", LISTING).json()["model"]["version"] == 1,
        30,
    )
    # Only the newest revisions that no longer serve are kept.
    assert len([name for name in revisions() if name.startswith("predict-")]) <= 4


@kit.long
def test_lost_promotion_event_is_made_up_by_reconcile(served, healed):
    number = kit.python(
        DECIDE.replace("VERSION", "1").replace("TIMES", "0").replace("CHANGES", "{}")
    )
    results, seconds = wait_for_outcomes(number)
    assert {o for _, o, _ in results} - {"unchanged"} == {"serving"}, results
    healed("a promotion whose event was lost", seconds)


@kit.long
def test_canary_steps_shift_traffic_gradually(served, measured):
    def set_canary(steps):
        kit.patch("secret", "tasador-endpoints", {"stringData": {"TASADOR_CANARY": steps}})
        kit.restart("reload")

    async def both():
        over = asyncio.Event()
        requests = asyncio.create_task(load(1 / 20, over))
        number = await asyncio.to_thread(promote)
        results, seconds = await asyncio.to_thread(wait_for_outcomes, number)
        over.set()
        return number, results, seconds, await requests

    set_canary("10:10,50:10")
    try:
        number, results, seconds, statuses = asyncio.run(both())
    finally:
        set_canary("")
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    steps = kit.python(
        "report([[s['step'], s['says']] for r in warehouse.rollout_history(limit=100)"
        f" if r.promotion == {number} and r.outcome == 'serving' for s in r.steps])"
    )
    canary_steps = [says for step, says in steps if "% of the traffic" in step]
    assert len(canary_steps) == 4
    measured["a promotion with two canary steps of 10 s in service after"] = f"{seconds:.0f} s"
    measured["its first canary step"] = canary_steps[0]
    assert set(statuses) == {200}
