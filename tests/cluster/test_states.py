"""States that have to heal by themselves: forged events, lost objects, refused keys, pauses.

Each test leaves the platform as it found it: one promoted version in service, and nothing paused.
"""

import json
import time

import pytest

from tests.cluster.test_rollout import outcomes, promote, revisions, traffic, wait_for_outcomes
from tests.cluster.test_troubles import all_to
from tests.kit import cluster as kit

pytestmark = pytest.mark.timeout(1200)

LISTING = {"state": "Texas", "zip_code": "77084", "bed": 3, "bath": 2, "house_size": 1800}
NEWEST = "report(dataclasses.asdict(warehouse.latest_promotion(settings.model_name)))"


@pytest.fixture(scope="module")
def served(loop):
    """A model is in service (test_loop.py runs first)."""
    assert kit.python("report(bool(warehouse.latest_promotion(settings.model_name)))"), (
        "run test_loop.py first"
    )


def predict():
    """(the answer to a request for a price, seconds waited)."""
    began = time.monotonic()
    answer = kit.request("POST", "/predict", LISTING)
    return answer, time.monotonic() - began


def serves():
    """Whether predict and explain answer."""
    return predict()[0].status_code == 200 and (
        kit.request("POST", "/explain", LISTING, service="explain").status_code == 200
    )


def reconcile():
    """What reload's /reconcile did, which reload calls itself every two minutes."""
    return kit.python(
        "import httpx\n"
        "headers = {'authorization': f'Bearer {settings.functions_token}'}\n"
        "url = 'http://reload.tasador.svc.cluster.local/reconcile'\n"
        "answer = httpx.post(url, headers=headers, timeout=280)\n"
        "report([[r['service'], r['outcome'], r['promotion']] for r in answer.json()['rollouts']])"
    )


def inside(service, path):
    """(status, body) of a GET from inside the cluster."""
    return kit.python(
        "import httpx\n"
        "headers = {'authorization': f'Bearer {settings.functions_token}'}\n"
        f"url = 'http://{service}.tasador.svc.cluster.local{path}'\n"
        "answer = httpx.get(url, headers=headers, timeout=60)\n"
        "report([answer.status_code, answer.text])"
    )


def tasador(*arguments, check=True):
    """(exit code, output) of the command in a pod."""
    command = " ".join(("python -m tasador", *arguments)) + ' 2>&1; echo "code $?"'
    lines = kit.console("sh", "-c", command).strip().splitlines()
    code, output = int(lines[-1].removeprefix("code ")), "\n".join(lines[:-1])
    assert not check or code == 0, output
    return code, output


# -- 17: an event is a hint -----------------------------------------------------------------------


def test_forged_promotion_changes_nothing_and_locks_nothing_out(served, healed):
    forged = kit.python(
        "from dataclasses import replace\n"
        "from tasador.events import announce, build\n"
        "newest = warehouse.latest_promotion(settings.model_name)\n"
        "forged = replace(newest, promotion=newest.promotion + 1000, version=newest.version + 7,"
        " model_uri='s3://mlflow-artifacts/forged/bundle', digest='f' * 64)\n"
        "announce.announce(build.model_promoted(forged), settings)\n"
        "report(forged.promotion)"
    )
    number = promote()
    results, seconds = wait_for_outcomes(number)
    healed("a forged promotion; a real one after it", seconds)
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    assert all_to(number)
    assert not [name for name in revisions() if name.endswith(f"{forged:05d}")]
    assert not {outcome for _, outcome, _ in outcomes(forged)} & {"serving"}


@kit.long
def test_services_ahead_of_a_restored_database_are_put_right(served, healed):
    """The history lacks the promotion that serves, as after a restore from an older backup."""
    kept = promote()
    wait_for_outcomes(kept)
    lost = promote()
    wait_for_outcomes(lost)
    kit.until("it serves", lambda: all_to(lost), 60)
    psql(
        f"DELETE FROM ops.rollout_history WHERE promotion = {lost}",
        f"DELETE FROM ops.model_history WHERE promotion = {lost}",
    )
    began = time.monotonic()
    kit.until("the newest of the history serves", lambda: reconcile() is not None and at(kept), 200)
    healed("services ahead of a restored database", time.monotonic() - began)
    reasons = [why for _, outcome, why in outcomes(kept) if outcome == "serving"]
    assert any(f"promotion {lost}" in why for why in reasons), reasons
    # What is promoted next is not taken for the lost one, whatever its number is.
    number = promote()
    kit.until("the next promotion serves", lambda: reconcile() is not None and at(number), 120)
    assert serves()


def at(number):
    """Whether all traffic goes to the promotion; a number given out again has longer names."""
    return all(
        len(targets) == 1 and targets[0][0].startswith(f"{service}-{number:05d}")
        for service, targets in traffic().items()
    )


# -- 18: a model serves, whatever failed before ---------------------------------------------------


def delete_service(name):
    kit.kubectl("-n", kit.NAMESPACE, "delete", "services.serving.knative.dev", name)


def test_predict_that_is_deleted_alone_comes_back(served, healed):
    delete_service("predict")
    began = time.monotonic()
    kit.until("predict is back", lambda: reconcile() is not None and serves(), 300, pause=3)
    healed("predict deleted alone", time.monotonic() - began)
    rows = kit.python("report(len(warehouse.rollout_history(limit=500)))")
    assert reconcile() == []
    assert kit.python("report(len(warehouse.rollout_history(limit=500)))") == rows


@kit.long
def test_services_come_back_although_the_newest_promotion_has_failed(served, healed):
    good = int(traffic()["predict"][0][0].rpartition("-")[2])
    results, _ = wait_for_outcomes(promote(digest="0" * 64))
    assert {outcome for _, outcome, _ in results} == {"failed"}, results
    delete_service("predict")
    delete_service("explain")
    began = time.monotonic()
    kit.until("a model serves again", lambda: reconcile() is not None and serves(), 500, pause=5)
    healed("both Services deleted, the newest promotion failed", time.monotonic() - began)
    assert all_to(good)
    # A new promotion is not held up by the old failure.
    results, _ = wait_for_outcomes(promote())
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results


# -- 19: a store's answer is not final ------------------------------------------------------------

HIDE = """
from tasador.stores.lake import Lake, split
lake = Lake(settings)
uri = warehouse.latest_promotion(settings.model_name).model_uri + '/manifest.json'
bucket, key = split(uri)
lake.put_bytes(bucket, 'hidden', lake.get_bytes(uri))
lake._s3.delete_object(Bucket=bucket, Key=key)
report(uri)
"""
RESTORE = """
from tasador.stores.lake import Lake, split
lake = Lake(settings)
bucket, key = split('URI')
lake.put_bytes(bucket, key, lake.get_bytes(f's3://{bucket}/hidden'))
report(1)
"""


def test_removed_object_is_told_to_callers_and_needs_no_restart(served, measured, healed):
    kit.until("predict at zero", lambda: not kit.pods("predict"), 300, pause=3)
    uri = kit.python(HIDE)
    try:
        answer, seconds = predict()
        measured["a request while the model's object is missing: 503 with the reason after"] = (
            f"{seconds:.0f} s"
        )
        assert answer.status_code == 503, answer.text
        assert "does not exist" in answer.json()["detail"]
        assert seconds < 35
    finally:
        kit.python(RESTORE.replace("URI", uri))
    _, seconds = kit.until("a price again", lambda: predict()[0].status_code == 200, 120)
    healed("a missing object, once restored", seconds)
    pods = kit.get("pod", "", "-l", "serving.knative.dev/service=predict")
    assert [restarts(pod) for pod in pods] == [0] * len(pods)


def restarts(pod):
    return sum(each["restartCount"] for each in pod["status"]["containerStatuses"])


# -- 21, and 19 for a key: credentials are rotated ------------------------------------------------


def rotate(secret, **values):
    kit.patch("secret", secret, {"stringData": values})


def started():
    """service -> [(pod, restarts)] of the functions that always run or are running."""
    every = kit.get("pod", "", "-l", "serving.knative.dev/service")
    return {(pod["metadata"]["name"], restarts(pod)) for pod in every}


@kit.long
def test_wrong_key_of_the_object_store_heals_when_the_secret_does(served, measured, healed):
    secret = kit.get("secret", "tasador-serving")["data"]["TASADOR_S3_SECRET_KEY"]
    kit.until("predict at zero", lambda: not kit.pods("predict"), 300, pause=3)
    reload_pod = kit.pods("reload")
    rotate("tasador-serving", TASADOR_S3_SECRET_KEY="a-wrong-one")
    try:
        answer, seconds = predict()
        measured["a request while the key is refused: 503 with the reason after"] = (
            f"{seconds:.0f} s"
        )
        assert answer.status_code == 503, answer.text
        assert "HTTP 403 to the key" in answer.json()["detail"]
        _, seconds = kit.until(
            "reload names the key",
            lambda: "HTTP 403 to the key" in inside("reload", "/ready")[1],
            200,
            pause=3,
        )
        measured["the key is refused: reload's /ready says so after"] = f"{seconds:.0f} s"
    finally:
        kit.patch("secret", "tasador-serving", {"data": {"TASADOR_S3_SECRET_KEY": secret}})
    _, seconds = kit.until("a price again", lambda: predict()[0].status_code == 200, 300)
    healed("a refused S3 key, once right in its Secret: a price", seconds)
    _, seconds = kit.until(
        "reload is ready again", lambda: inside("reload", "/ready")[0] == 200, 200, pause=3
    )
    healed("a refused S3 key, once right in its Secret: reload, after that", seconds)
    assert kit.pods("reload") == reload_pod
    assert all(count == 0 for name, count in started() if name.startswith("predict-"))


def psql(*statements):
    """Run statements next to the server, where no password is needed."""
    for statement in statements:
        kit.kubectl(
            *("-n", kit.NAMESPACE, "exec", "postgres-0", "--"),
            *("psql", "-U", "tasador", "-d", "tasador", "-c", statement),
        )


# The parts whose passwords are rotated, with those of the dev overlay.
DEV_PASSWORDS = {part: f"{part}-dev-password" for part in ("record", "reload", "mlflow")}


def rotate_passwords(passwords):
    """Change the logins' passwords, and end the connections that were opened with the old ones."""
    for part, password in passwords.items():
        psql(
            f"ALTER ROLE tasador_{part} PASSWORD '{password}'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE usename = 'tasador_{part}'",
        )


def tell_passwords(passwords):
    """Write the passwords to the Secrets of reload, record and MLflow (the dev overlay's URLs)."""

    def login(part):
        return f"tasador_{part}:{passwords[part]}@postgres.tasador.svc.cluster.local:5432"

    for secret, part in (("tasador-history", "record"), ("tasador-reload", "reload")):
        rotate(secret, TASADOR_DATABASE_URL=f"postgresql://{login(part)}/tasador")
    mlflow = f"postgresql+psycopg2://{login('mlflow')}/mlflow"
    rotate("tasador-mlflow", MLFLOW_BACKEND_STORE_URI=mlflow)


@kit.long
def test_rotated_database_password_needs_no_restart_of_reload_and_record(served, healed):
    kit.until("record is ready", lambda: healthy("record"), 120, pause=2)
    before = kit.pods("reload")
    rotated = {part: f"rotated-{password}" for part, password in DEV_PASSWORDS.items()}
    rotate_passwords(rotated)
    try:
        kit.until(
            "reload names the password", lambda: "refuses the login" in reload_log(), 60, pause=3
        )
        tell_passwords(rotated)
        began = time.monotonic()
        for name in ("reload", "record"):
            kit.until(f"{name} is ready", lambda name=name: healthy(name), 240, pause=3)
        healed("a rotated database password: reload and record", time.monotonic() - began)
        assert kit.pods("reload") == before
        kit.until("MLflow answers", mlflow_searches, 300, pause=5)
        healed("a rotated database password: MLflow", time.monotonic() - began)
    finally:
        rotate_passwords(DEV_PASSWORDS)
        tell_passwords(DEV_PASSWORDS)
    kit.until("all is as before", lambda: healthy("reload") and mlflow_searches(), 300, pause=5)


def healthy(service):
    code = (
        "import httpx, sys\n"
        f"print(httpx.get('http://{service}.tasador.svc.cluster.local/ready', timeout=60))"
    )
    return "200" in kit.console("python", "-c", code)


def mlflow_searches():
    code = (
        "from mlflow import MlflowClient\n"
        "from tasador.settings import Settings\n"
        "url = Settings.load().mlflow_url\n"
        "print(len(MlflowClient(tracking_uri=url).search_experiments()), 'experiments')"
    )
    return "experiments" in kit.console("python", "-c", code)


def reload_log():
    (pod,) = kit.pods("reload")
    return kit.kubectl("-n", kit.NAMESPACE, "logs", pod, "-c", "reload", "--since=3m")


# -- 20: a champion that cannot be read -----------------------------------------------------------


@kit.long
def test_rollback_from_a_champion_whose_bundle_is_lost(served, healed):
    # The gate rejected version 2; a person promotes it, and its bundle is lost.
    results, _ = wait_for_outcomes(promote(which=2))
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    uri = kit.python(HIDE)
    try:
        began = time.monotonic()
        _, output = tasador("rollback", "1")
        newest = kit.python(NEWEST)
        assert (newest["version"], newest["decision"]) == (1, "rolled_back"), output
        results, _ = wait_for_outcomes(newest["promotion"])
        healed("a champion without its bundle: a rollback", time.monotonic() - began)
        assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
        assert predict()[0].json()["model"]["version"] == 1
    finally:
        kit.python(RESTORE.replace("URI", uri))


# -- 22: traffic that a person has set ------------------------------------------------------------


def test_paused_rollouts_leave_a_split_by_hand_alone(served, healed):
    number = promote()
    wait_for_outcomes(number)
    kit.until("it serves", lambda: all_to(number), 60)
    older = max(
        name for name in revisions() if name.startswith("predict-") and number_of(name) < number
    )
    tasador("rollout", "pause", "--reason", "tests")
    try:
        for command in (("rollout", "status"), ("doctor",)):
            assert "paused" in tasador(*command, check=False)[1]
        split = [
            {"revisionName": f"predict-{number:05d}", "percent": 50},
            {"revisionName": older, "percent": 50},
        ]
        kit.patch("services.serving.knative.dev", "predict", {"spec": {"traffic": split}})
        kit.until("the split", lambda: len(traffic()["predict"]) == 2, 60)
        newer = promote()
        reconcile()
        time.sleep(5)
        assert {percent for _, percent, _ in traffic()["predict"]} == {50}
        assert not [name for name in revisions() if name.endswith(f"{newer:05d}")]
    finally:
        tasador("rollout", "resume")
    began = time.monotonic()
    kit.until("the promotion serves", lambda: reconcile() is not None and all_to(newer), 200)
    healed("rollouts resumed: the newest promotion", time.monotonic() - began)


def number_of(revision):
    return int(revision.rpartition("-")[2])


# -- 23: the commands of a person on a cluster ----------------------------------------------------


def test_status_and_doctor_in_a_pod_say_the_truth(served):
    code, status = tasador("status", check=False)
    assert "Traceback" not in status
    assert code == 0, status
    code, doctor = tasador("doctor", check=False)
    assert "Traceback" not in doctor
    assert "TASADOR_FUNCTIONS_URL" not in doctor
    assert code == 0, doctor


def test_pods_have_timeouts_and_no_secret_in_their_environment(served):
    for name in ("predict", "explain"):
        spec = kit.get("services.serving.knative.dev", name)["spec"]["template"]["spec"]
        assert spec["timeoutSeconds"] == 30
        assert "envFrom" not in json.dumps(spec)
