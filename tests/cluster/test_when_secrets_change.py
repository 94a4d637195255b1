"""Keys and passwords are rotated as docs/k3d.md and docs/security.md say, while requests run.

Add the new value, use it, remove the old one. Runs last, since none is put back.
"""

import asyncio
import base64
import json
import secrets
import time

import pytest

from tasador.warehouse.logins import login, read_passwords
from tests.cluster.test_rollout import LISTING, load, promote, served, wait_for_outcomes  # noqa: F401
from tests.cluster.test_states import healthy, inside, mlflow_searches, psql, rotate, tasador
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(2400), kit.long]

# Settings that hold several values: readers accept each, writers use the first.
LISTS = ("TASADOR_EVENTS_KEY", "TASADOR_FUNCTIONS_TOKEN", "TASADOR_MLFLOW_PASSWORD")
# The settings with the address of Postgres, which names a login and its password.
ADDRESSES = ("TASADOR_DATABASE_URL", "MLFLOW_BACKEND_STORE_URI")
OWNER = "tasador"
# What reads its Secrets as files: label -> (container, its Secrets).
MOUNTED = {
    "serving.knative.dev/service=predict": ("predict", ["serving"]),
    "serving.knative.dev/service=reload": ("reload", ["serving", "reload"]),
    "serving.knative.dev/service=record": ("record", ["history"]),
    "app.kubernetes.io/name=exporter": ("exporter", ["exporter"]),
    "app.kubernetes.io/name=web": ("web", ["web"]),
}


def test_no_request_fails_while_keys_and_passwords_are_rotated(served, measured):  # noqa: F811
    began = kit.python("from tasador.clock import now\nreport(now().isoformat())")
    predicted = []
    # Awake: a pod that starts while the object store restarts has no model until it is back.
    kit.until("predict is awake", lambda: kit.request("POST", "/predict", LISTING).is_success, 120)

    async def both():
        over = asyncio.Event()
        requests = asyncio.create_task(load(1 / 20, over, predicted))
        try:
            number = await asyncio.to_thread(rotate_everything, measured)
        finally:
            over.set()
        return number, await requests

    number, statuses = asyncio.run(both())
    failed = [status for status in statuses if status != 200]
    measured["requests at 20 a second while keys and passwords were rotated"] = (
        f"{len(statuses)}, {len(failed)} failed"
    )
    assert failed == []
    revision = f"predict-{number:05d}"
    kit.until(
        f"{revision} answers",
        lambda: kit.request("POST", "/predict", LISTING).json()["revision"] == revision,
        30,
    )

    # None is lost either: what the database refused meanwhile was delivered again.
    def all_recorded():
        missing = set(predicted) - recorded(began)
        assert not missing, f"{len(missing)} of {len(predicted)} are not recorded"
        return True

    kit.until("every prediction recorded", all_recorded, 400, pause=5)
    lost = (
        f"[l.event_id for l in warehouse.dead_letters() if l.given_up_at.isoformat() > {began!r}]"
    )
    assert kit.python(f"report({lost})") == []


def recorded(began):
    """The ids of the predictions that are in the warehouse."""
    code = (
        "from sqlalchemy import text\n"
        "query = text('select prediction_id from raw.inference_logs where predicted_at > :began')\n"
        "with warehouse._begin() as connection:\n"
        f"    report(connection.execute(query, {{'began': {began!r}}}).scalars().all())"
    )
    return set(kit.python(code))


def rotate_everything(measured):
    """Rotate every value that a Secret of the platform holds.

    Returns the promotion that is served afterwards.
    """
    began = time.monotonic()
    new, pair = accept_both()
    use_the_new(new, pair)
    kit.until("MLflow answers", mlflow_searches, 400, pause=5)
    _, said = tasador("sign", "--all", check=False)
    signed = [each for each in said.splitlines() if "is signed" in each]
    # Other tests promote what no service can serve.
    for version, digest in ever_served():
        name = f"@{version} (digest {digest[:12]})"
        assert [each for each in signed if name in each], (name, said)
    refuse_the_old(new, pair)
    measured["every key, password and token rotated, the old ones removed"] = (
        f"{time.monotonic() - began:.0f} s"
    )
    kit.until("MLflow answers", mlflow_searches, 400, pause=5)
    # The flows' database, S3, MLflow, signing and events' key.
    number = promote()
    results, _ = wait_for_outcomes(number)
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    assert webhook(new["TASADOR_ARGO_EVENTS_TOKEN"]) == 200
    assert webhook("webhook-dev-token") in (400, 401, 403)
    kit.until("the exporter reads", exporter_reads, 120, pause=5)
    back_up()
    return number


def ever_served():
    """(version, digest) of every bundle that a service has served."""
    return kit.python(
        "report(sorted({(r.version, r.digest) for r in warehouse.rollout_history(limit=1000)"
        " if r.outcome == 'serving'}))"
    )


def accept_both():
    """Give every reader the new values next to the old ones; returns those and a pair of keys."""
    new = {name: secrets.token_hex(16) for name in LISTS}
    new["TASADOR_ARGO_EVENTS_TOKEN"] = secrets.token_hex(16)
    _, printed = tasador("sign", "--new-key")
    pair = dict(line.split("=", 1) for line in printed.splitlines() if line.startswith("TASADOR_"))
    keys = object_keys()
    for identity in keys["identities"]:
        name = f"{identity['name']}-{secrets.token_hex(3)}"
        key = {"accessKey": name, "secretKey": secrets.token_hex(16)}
        identity["credentials"].append(key)
    restart_objects(keys)
    for name in LISTS:
        change(name, lambda old, name=name: f"{old},{new[name]}")
    ours = pair["TASADOR_SIGNING_PUBLIC_KEYS"]
    change("TASADOR_SIGNING_PUBLIC_KEYS", lambda old: f"{ours},{old}")
    wait_until_mounted()
    return new, pair


def use_the_new(new, pair):
    """Have every writer use the new values. A password has one value: the server comes first."""
    for identity in object_keys()["identities"]:
        # More than one is old after a rotation that was interrupted.
        *old, newest = identity["credentials"]
        known = {each["accessKey"] for each in old}
        for secret, values in every_secret().items():
            if values.get("TASADOR_S3_ACCESS_KEY", values.get("AWS_ACCESS_KEY_ID")) in known:
                given = {
                    key: newest[kind]
                    for key, kind in (
                        ("TASADOR_S3_ACCESS_KEY", "accessKey"),
                        ("AWS_ACCESS_KEY_ID", "accessKey"),
                        ("TASADOR_S3_SECRET_KEY", "secretKey"),
                        ("AWS_SECRET_ACCESS_KEY", "secretKey"),
                    )
                    if key in values
                }
                rotate(secret, **given)
    for name in LISTS:
        change(name, lambda old, name=name: f"{new[name]},{old.partition(',')[0]}")
    change("MLFLOW_TRACKING_PASSWORD", lambda _: new["TASADOR_MLFLOW_PASSWORD"])
    change("TASADOR_ARGO_EVENTS_TOKEN", lambda _: new["TASADOR_ARGO_EVENTS_TOKEN"])
    change("TASADOR_SIGNING_KEY", lambda _: pair["TASADOR_SIGNING_KEY"])
    rotate_logins()
    restart("deployment/console")
    wait_until_mounted()


def rotate_logins():
    """New passwords for the owner of Postgres and every part, and no old connection."""
    listed = read_passwords(secret_of("tasador-owner")["TASADOR_DATABASE_ROLES"])
    passwords = {login(part): secrets.token_hex(16) for part in listed}
    passwords[OWNER] = secrets.token_hex(16)
    for name, password in passwords.items():
        psql(f"ALTER ROLE {name} PASSWORD '{password}'")
    for name in ADDRESSES:
        change(name, lambda old: with_password(old, passwords))
    roles = ",".join(f"{part}:{passwords[login(part)]}" for part in listed)
    rotate("tasador-owner", TASADOR_DATABASE_ROLES=roles)
    rotate("tasador-postgres", POSTGRES_PASSWORD=passwords[OWNER])
    psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE usename LIKE '{OWNER}%' AND pid <> pg_backend_pid()"
    )


def with_password(address, passwords):
    """The address with the password of its login."""
    scheme, _, rest = address.partition("://")
    name, _, rest = rest.partition(":")
    return f"{scheme}://{name}:{passwords[name]}@{rest.partition('@')[2]}"


def refuse_the_old(new, pair):
    """Remove the old values."""
    keys = object_keys()
    for identity in keys["identities"]:
        del identity["credentials"][:-1]
    restart_objects(keys)
    for name in LISTS:
        change(name, lambda _, name=name: new[name])
    change("TASADOR_SIGNING_PUBLIC_KEYS", lambda _: pair["TASADOR_SIGNING_PUBLIC_KEYS"])
    restart("deployment/console")
    wait_until_mounted()


def webhook(token):
    """The status with which Argo Events' webhook answers to a caller with the token."""
    return kit.python(
        "import httpx\n"
        f"headers = {{'authorization': 'Bearer {token}'}}\n"
        "event = {'name': 'nobody.listens', 'payload': {}}\n"
        "url = settings.argo_events_url\n"
        "report(httpx.post(url, json=event, headers=headers, timeout=30).status_code)"
    )


def exporter_reads():
    """Whether the exporter reaches the warehouse."""
    (pod,) = running("app.kubernetes.io/name=exporter")
    path = f"/api/v1/namespaces/{kit.NAMESPACE}/pods/{pod}:9464/proxy/metrics"
    return "\ntasador_warehouse_reachable 1.0\n" in kit.kubectl("get", "--raw", path)


def back_up():
    """A backup, by the owner's login and key."""
    kit.kubectl("-n", kit.NAMESPACE, "create", "job", "--from=cronjob/backup", "backup-rotated")
    kit.until(
        "a backup",
        lambda: kit.condition(kit.get("job", "backup-rotated"), "Complete") == "True",
        300,
        pause=3,
    )


def every_secret():
    """The values of the platform's Secrets, by name."""
    found = {each["metadata"]["name"]: values_of(each) for each in kit.get("secret")}
    return {name: values for name, values in found.items() if name.startswith("tasador-")}


def secret_of(name):
    """The values of a Secret."""
    return values_of(kit.get("secret", name))


def values_of(secret):
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def change(setting, changed):
    """Replace a setting in every Secret that has it by ``changed(its value)``."""
    holders = {n: values[setting] for n, values in every_secret().items() if setting in values}
    assert holders, setting
    for name, value in holders.items():
        rotate(name, **{setting: changed(value)})


def restart(what):
    kit.kubectl("-n", kit.NAMESPACE, "rollout", "restart", what)
    kit.kubectl("-n", kit.NAMESPACE, "rollout", "status", what, "--timeout=300s")


def object_keys():
    """The object store's identities with their keys."""
    return json.loads(secret_of("tasador-objects")["s3.json"])


def restart_objects(keys):
    """Give the object store these keys; it reads them at its start."""
    rotate("tasador-objects", **{"s3.json": json.dumps(keys)})
    restart("statefulset/objects")


def wait_until_mounted():
    """Wait until the running processes have the values of their Secrets, and use them."""
    for label, (container, names) in MOUNTED.items():
        wanted = {}
        for name in names:
            wanted |= secret_of(f"tasador-{name}")
        kit.until(
            f"{container} to have its Secret's values",
            lambda label=label, container=container, wanted=wanted: all(
                mounted(pod, container, list(wanted)) == wanted for pod in running(label)
            ),
            300,
            pause=5,
        )
    kit.until("reload is ready", lambda: inside("reload", "/ready")[0] == 200, 300, pause=3)
    kit.until("record is ready", lambda: healthy("record"), 300, pause=3)


def running(label):
    """The names of the pods with a label that are not terminating."""
    found = kit.get("pod", "", "-l", label)
    return [p["metadata"]["name"] for p in found if "deletionTimestamp" not in p["metadata"]]


def mounted(pod, container, names):
    """name -> value of the settings that a pod has as files."""
    code = (
        "import json, pathlib, sys\n"
        "folder = pathlib.Path('/etc/tasador')\n"
        "print(json.dumps({name: (folder / name).read_text().strip() for name in sys.argv[1:]}))"
    )
    command = ("exec", pod, "-c", container, "--", "python", "-c", code, *names)
    return json.loads(kit.kubectl("-n", kit.NAMESPACE, *command))
