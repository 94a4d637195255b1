"""A version that shadows predict on Knative: a tag without traffic, and its own Trigger."""

import json

import pytest

from tests.cluster.test_messages import dead_letters
from tests.cluster.test_rollout import (  # noqa: F401
    LISTING,
    promote,
    revisions,
    served,
    traffic,
    wait_for_outcomes,
)
from tests.cluster.test_states import HIDE, RESTORE, tasador
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(1200), kit.long]

REQUESTS = 20
NEWEST_URI = "warehouse.latest_promotion(settings.model_name).model_uri"


def report():
    """What `tasador rollout shadow` reports."""
    return json.loads(kit.console("python", "-m", "tasador", "rollout", "shadow", "--json"))


def asked(count):
    """The ids of as many predictions; version 1 answers each."""
    answers = [kit.request("POST", "/predict", LISTING | {"bath": n % 4}) for n in range(count)]
    assert {answer.status_code for answer in answers} == {200}
    bodies = [answer.json() for answer in answers]
    assert {body["model"]["version"] for body in bodies} == {1}
    return {body["prediction_id"] for body in bodies}


def compared(digest):
    """The ids of the predictions that the shadow priced."""
    return set(
        kit.python(
            "from datetime import timedelta\n"
            "from tasador.clock import now\n"
            f"found = warehouse.comparisons({digest!r}, now() - timedelta(hours=1), now(), 1000)\n"
            "report([each.prediction_id for each in found if each.price is not None])"
        )
    )


def another_bundle():
    """A version whose bundle is not that of version 1: the newest one, or a new one."""
    find = (
        "found = warehouse.model_history(200)\n"
        "models = {d.version: d.digest for d in found if d.digest.strip('0')}\n"
        "report(max((v for v in models if models[v] != models[1]), default=0))"
    )
    if not kit.python(find):
        workflow = kit.trigger("train", trials=1, seed=3)
        kit.until(
            "a training", lambda: kit.finished(kit.get("workflow.argoproj.io", workflow)), 900
        )
    version = kit.python(find)
    assert version, "the training made the same bundle"
    return version


def record_log():
    """What the processes of record say."""
    logs = ("-c", "record", "--since=3m")
    return "".join(kit.kubectl("-n", kit.NAMESPACE, "logs", p, *logs) for p in kit.pods("record"))


def test_shadow_prices_what_predict_answers_until_a_rollout_ends_it(served, measured):  # noqa: F811
    code, said = tasador("rollout", "shadow", "1", check=False)
    assert (code != 0, "cannot shadow itself" in said) == (True, True)
    version = another_bundle()
    # It is signed, as one that waits for approval is.
    wait_for_outcomes(promote(which=version))
    number = promote()
    wait_for_outcomes(number)
    champion = (f"predict-{number:05d}", 100, "")
    kit.until("version 1 serves", lambda: traffic()["predict"] == [champion], 60)
    tasador("rollout", "shadow", str(version))
    shadow, seconds = kit.until(
        "reload has it ready", lambda: (s := report()["shadow"])["mirroring_at"] and s, 200, pause=2
    )
    measured["a version shadows, after the command"] = f"{seconds:.0f} s"
    (revision,) = {name for name, _, tag in traffic()["predict"] if tag == "shadow"}
    assert traffic()["predict"] == [champion, (revision, 0, "shadow")]
    kit.until(
        "its Trigger",
        lambda: kit.condition(kit.get("trigger", "shadow"), "Ready") == "True",
        60,
    )
    wanted = asked(REQUESTS)
    _, seconds = kit.until(
        "every price compared", lambda: wanted <= compared(shadow["digest"]), 200, pause=2
    )
    measured[f"{REQUESTS} prices compared by a shadow after"] = f"{seconds:.0f} s"

    # Events start it again.
    label = f"serving.knative.dev/revision={revision}"
    at_zero = ("the shadow at zero", lambda: kit.get("pod", "", "-l", label) == [], 300, 3)
    kit.until(*at_zero)
    wanted |= asked(5)
    kit.until("these too", lambda: wanted <= compared(shadow["digest"]), 200, pause=2)

    # One that cannot start loses what it should compare, and nobody has to replay that.
    kit.until(*at_zero)
    uri = kit.python(HIDE.replace(NEWEST_URI, repr(shadow["model_uri"])))
    try:
        asked(1)
        said = "a shadow did not accept an event"
        kit.until("the broker gives up", lambda: said in record_log(), 200, pause=2)
        assert not [each for each in dead_letters() if "shadow" in each["subscriber"]]
        kit.until("it is counted", lambda: report()["unanswered"] == 1, 120, pause=3)
    finally:
        kit.python(RESTORE.replace("URI", uri))
    said = report()
    assert said["errors"] == 0, said["reasons"]
    assert said["served_versions"] == [1]
    assert said["churn"]["requests"] == said["compared"] >= len(wanted)
    # What it said is no prediction of anybody.
    versions = kit.python(
        f"wanted = {sorted(wanted)!r}\n"
        "found = warehouse.predictions(200)\n"
        "report(sorted({p.model_version for p in found if p.prediction_id in wanted}))"
    )
    assert versions == [1]

    newer = promote()
    results, _ = wait_for_outcomes(newer)
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    assert report()["shadow"]["ended_by"] == "reload"
    kit.until(
        "nothing is left of it",
        lambda: (
            revision not in revisions()
            and traffic()["predict"] == [(f"predict-{newer:05d}", 100, "")]
            and "shadow" not in [each["metadata"]["name"] for each in kit.get("trigger")]
        ),
        60,
    )
