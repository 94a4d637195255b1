"""Keys and passwords are rotated as docs/k3d.md and docs/security.md say, while requests run.

Add the new value, use it, remove the old one. Runs last, since none is put back.
"""

import asyncio
import base64
import json
import secrets
import time

import pytest

from tests.cluster.test_rollout import LISTING, load, promote, served, wait_for_outcomes  # noqa: F401
from tests.cluster.test_states import healthy, inside, mlflow_searches, psql, rotate, tasador
from tests.kit import cluster as kit

pytestmark = [pytest.mark.timeout(2400), kit.long]

# Whose S3 key is in which Secrets, under which names.
S3 = {
    "flows": ("tasador-flows",),
    "serving": ("tasador-serving",),
    "mlflow": ("tasador-mlflow",),
}
DATABASE = {
    "tasador-flows": "TASADOR_DATABASE_URL",
    "tasador-history": "TASADOR_DATABASE_URL",
    "tasador-mlflow": "MLFLOW_BACKEND_STORE_URI",
}
EVENTS = ("tasador-flows", "tasador-serving", "tasador-history")
PUBLIC = ("tasador-flows", "tasador-serving")


def test_no_request_fails_while_keys_and_passwords_are_rotated(served, measured):  # noqa: F811
    began = kit.python("from tasador.clock import now\nreport(now().isoformat())")

    async def both():
        over = asyncio.Event()
        requests = asyncio.create_task(load(1 / 20, over))
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
    answer = kit.request("POST", "/predict", LISTING).json()
    assert answer["revision"] == f"predict-{number:05d}"
    # None is lost either: what the database refused meanwhile was delivered again.
    kit.until("every prediction recorded", lambda: recorded(began) >= len(statuses), 400, pause=5)
    lost = (
        f"[l.event_id for l in warehouse.dead_letters() if l.given_up_at.isoformat() > {began!r}]"
    )
    assert kit.python(f"report({lost})") == []


def recorded(began):
    return kit.python(
        "from sqlalchemy import text\n"
        "counted = text('select count(*) from raw.inference_logs where predicted_at > :began')\n"
        "with warehouse._begin() as connection:\n"
        f"    report(connection.execute(counted, {{'began': {began!r}}}).scalar_one())"
    )


def rotate_everything(measured):
    """Rotate S3 keys, the database's password, the events' key and the key that signs bundles.

    Returns the promotion that is served afterwards.
    """
    new = {name: secrets.token_hex(16) for name in (*S3, "database", "events")}
    events = secret_of(EVENTS[0])["TASADOR_EVENTS_KEY"]
    _, pair = tasador("sign", "--new-key")
    pair = dict(line.split("=", 1) for line in pair.splitlines() if line.startswith("TASADOR_"))
    public = secret_of(PUBLIC[0])["TASADOR_SIGNING_PUBLIC_KEYS"]

    began = time.monotonic()
    # Both values are accepted.
    keys = json.loads(secret_of("tasador-objects")["s3.json"])
    for identity in keys["identities"]:
        if identity["name"] in S3:
            key = new[identity["name"]]
            name = f"{identity['name']}-{key[:6]}"
            identity["credentials"].append({"accessKey": name, "secretKey": key})
    restart_objects(keys)
    for name in EVENTS:
        rotate(name, TASADOR_EVENTS_KEY=f"{events},{new['events']}")
    for name in PUBLIC:
        both = f"{pair['TASADOR_SIGNING_PUBLIC_KEYS']},{public}"
        rotate(name, TASADOR_SIGNING_PUBLIC_KEYS=both)
    wait_until_mounted()
    # The new ones are used. A password has one value: the server comes first.
    for identity in keys["identities"]:
        for name in S3.get(identity["name"], ()):
            newest = identity["credentials"][-1]
            values = {
                "TASADOR_S3_ACCESS_KEY": newest["accessKey"],
                "AWS_ACCESS_KEY_ID": newest["accessKey"],
                "TASADOR_S3_SECRET_KEY": newest["secretKey"],
                "AWS_SECRET_ACCESS_KEY": newest["secretKey"],
            }
            there = secret_of(name)
            rotate(name, **{key: value for key, value in values.items() if key in there})
    for name in EVENTS:
        rotate(name, TASADOR_EVENTS_KEY=f"{new['events']},{events}")
    rotate("tasador-flows", TASADOR_SIGNING_KEY=pair["TASADOR_SIGNING_KEY"])
    psql(f"ALTER ROLE tasador PASSWORD '{new['database']}'")
    rotate("tasador-postgres", POSTGRES_PASSWORD=new["database"])
    for name, key in DATABASE.items():
        url = secret_of(name)[key]
        before, _, rest = url.partition("://tasador:")
        rotate(name, **{key: f"{before}://tasador:{new['database']}@{rest.partition('@')[2]}"})
    psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = 'tasador' AND pid <> pg_backend_pid()"
    )
    restart("deployment/console")
    wait_until_mounted()
    kit.until("MLflow answers", mlflow_searches, 400, pause=5)
    _, signed = tasador("sign", "--all", check=False)
    # Other tests promote a digest that no bundle has.
    refused = [each for each in signed.splitlines() if "is signed" not in each]
    assert [each for each in refused if "(digest 000000000000)" not in each] == []
    # The old ones are refused.
    for identity in keys["identities"]:
        if identity["name"] in S3:
            del identity["credentials"][:-1]
    restart_objects(keys)
    for name in EVENTS:
        rotate(name, TASADOR_EVENTS_KEY=new["events"])
    for name in PUBLIC:
        rotate(name, TASADOR_SIGNING_PUBLIC_KEYS=pair["TASADOR_SIGNING_PUBLIC_KEYS"])
    restart("deployment/console")
    wait_until_mounted()
    measured["S3 keys, password, events' key and signing key rotated, the old ones removed"] = (
        f"{time.monotonic() - began:.0f} s"
    )
    number = promote()
    results, _ = wait_for_outcomes(number)
    assert {outcome for _, outcome, _ in results} - {"unchanged"} == {"serving"}, results
    return number


def secret_of(name):
    """The values of a Secret."""
    data = kit.get("secret", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def restart(what):
    kit.kubectl("-n", kit.NAMESPACE, "rollout", "restart", what)
    kit.kubectl("-n", kit.NAMESPACE, "rollout", "status", what, "--timeout=300s")


def restart_objects(keys):
    """Give the object store these keys; it reads them at its start."""
    rotate("tasador-objects", **{"s3.json": json.dumps(keys)})
    restart("statefulset/objects")


def wait_until_mounted():
    """Wait until the functions' processes have the values of their Secrets, and use them."""
    expected = {
        "reload": ("tasador-history", "tasador-serving"),
        "predict": ("tasador-serving",),
        "record": ("tasador-history",),
    }
    for service, names in expected.items():
        wanted = {}
        for name in names:
            wanted |= {k: v for k, v in secret_of(name).items() if k.startswith("TASADOR_")}
        kit.until(
            f"{service} to have its Secret's values",
            lambda s=service, w=wanted: all(mounted(pod, s, list(w)) == w for pod in kit.pods(s)),
            300,
            pause=5,
        )
    kit.until("reload is ready", lambda: inside("reload", "/ready")[0] == 200, 300, pause=3)
    kit.until("record is ready", lambda: healthy("record"), 300, pause=3)


def mounted(pod, container, names):
    """name -> value of the settings that a pod has as files."""
    code = (
        "import json, pathlib, sys\n"
        "folder = pathlib.Path('/etc/tasador')\n"
        "print(json.dumps({name: (folder / name).read_text().strip() for name in sys.argv[1:]}))"
    )
    command = ("exec", pod, "-c", container, "--", "python", "-c", code, *names)
    return json.loads(kit.kubectl("-n", kit.NAMESPACE, *command))
