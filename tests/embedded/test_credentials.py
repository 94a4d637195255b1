"""Rotated credentials: running functions learn them from files, and say what is refused meanwhile.

The real Postgres, object store and gateway.
"""

import itertools
import time
from urllib.parse import urlsplit

import psycopg2
import pytest

from tasador.events import build
from tasador.stores.lake import Lake
from tasador.warehouse.connection import ensure_databases
from tasador.warehouse.warehouse import Warehouse
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.records import make_decision, make_prediction
from tests.kit.waiting import wait_for

numbers = itertools.count()


class Secrets:
    """A mounted Secret: a folder with a file for each setting."""

    def __init__(self, folder, **values):
        self._folder = folder
        folder.mkdir()
        self.write(**values)
        self.environ = {"TASADOR_SETTINGS": str(folder)}

    def write(self, **values):
        for name, value in values.items():
            new = self._folder / f".{name}"
            new.write_text(f"{value}\n")
            new.rename(self._folder / f"TASADOR_{name.upper()}")


class Login:
    """A role of the platform's Postgres, and a database with its name."""

    def __init__(self, admin_url):
        self._admin_url, self.name = admin_url, f"rotated{next(numbers)}"
        self._sql(f"CREATE ROLE {self.name} SUPERUSER LOGIN PASSWORD 'first'")
        ensure_databases(admin_url, [self.name])

    def url(self, password):
        parts = urlsplit(self._admin_url)
        return f"postgresql://{self.name}:{password}@{parts.hostname}:{parts.port}/{self.name}"

    def rotate(self, password):
        """Change the password, and end the connections that were opened with the old one."""
        self._sql(f"ALTER ROLE {self.name} PASSWORD '{password}'")
        self._sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.name}'"
        )

    def _sql(self, statement):
        connection = psycopg2.connect(self._admin_url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()


@pytest.fixture
def login(platform):
    made = Login(platform.database_url)
    with Warehouse(made.url("first")) as warehouse:
        warehouse.migrate()
    return made


def deliver(client):
    """Send record a prediction; the status of its answer."""
    made = make_prediction(prediction_id=f"rotated-{next(numbers)}")
    event = build.prediction_made([made])
    return client.post("/", content=event.body(), headers=event.headers()).status_code


def test_record_uses_a_rotated_password_without_a_restart(login, tmp_path):
    secrets = Secrets(tmp_path / "secrets", database_url=login.url("first"))
    with function("record", tmp_path, **secrets.environ) as client:
        wait_for(lambda: is_ready(client))
        assert deliver(client) == 204
        # The Secret is on time: nothing fails.
        secrets.write(database_url=login.url("second"))
        login.rotate("second")
        assert deliver(client) == 204
        assert is_ready(client)
        # The Secret is late: the reason is in every answer, and passes with it.
        login.rotate("third")
        assert deliver(client) == 503
        wait_for(lambda: not is_ready(client))
        reason = client.get("/ready").json()["detail"]
        assert "refuses the login of TASADOR_DATABASE_URL" in reason
        assert "password authentication failed" in reason
        assert "second" not in reason
        assert client.get("/health").status_code == 200
        secrets.write(database_url=login.url("third"))
        began = time.monotonic()
        wait_for(lambda: is_ready(client), 30)
        assert deliver(client) == 204
        assert time.monotonic() - began < 20
        metrics = client.metrics()
        assert 'tasador_store_failures_total{cause="refused"}' in metrics


def test_reload_names_a_refused_key_and_goes_on_once_it_is_accepted(platform, login, tmp_path):
    with Warehouse(login.url("first")) as warehouse:
        uri = f"s3://{platform.bucket_mlflow}/rotated/bundle"
        warehouse.record_decision(make_decision(model_uri=uri))
    stores = {
        name: getattr(platform, name)
        for name in (
            "s3_endpoint",
            "s3_access_key",
            "broker_url",
            "functions_url",
            "gateway_admin_url",
            "gateway_token",
        )
    }
    stores |= {"database_url": login.url("first"), "s3_secret_key": platform.s3_secret_key}
    secrets = Secrets(tmp_path / "secrets", **stores)
    with function("reload", tmp_path, **secrets.environ) as client:
        wait_for(lambda: is_ready(client))
        secrets.write(s3_secret_key="a-wrong-one")
        wait_for(lambda: not is_ready(client), 30)
        assert "answered HTTP 403 to the key" in client.get("/ready").json()["detail"]
        secrets.write(s3_secret_key=platform.s3_secret_key)
        wait_for(lambda: is_ready(client), 30)
        secrets.write(gateway_token="a-wrong-one")
        wait_for(lambda: "401" in client.get("/ready").text, 30)
        secrets.write(gateway_token=platform.gateway_token)
        wait_for(lambda: is_ready(client), 30)


@pytest.mark.parametrize("name", ["predict", "explain"])
def test_predict_and_explain_use_a_rotated_key_without_a_restart(platform, tmp_path, name):
    folder = tmp_path / "bundle"
    make_bundle(folder, rows=400)
    uri = f"s3://{platform.bucket_mlflow}/rotated-{name}/bundle"
    lake = Lake(platform)
    secrets = Secrets(
        tmp_path / "secrets",
        s3_endpoint=platform.s3_endpoint,
        s3_access_key=platform.s3_access_key,
        s3_secret_key="a-wrong-one",
    )
    with function(name, tmp_path, MODEL_URI=uri, **secrets.environ) as client:
        wait_for(lambda: "HTTP 403 to the key" in client.get("/ready").text)
        answer = client.post(f"/{name}", json={"bed": 3})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "HTTP 403 to the key" in answer.json()["detail"]
        # The right key, and the next trouble: the object is not there yet.
        secrets.write(s3_secret_key=platform.s3_secret_key)
        wait_for(lambda: "does not exist" in client.get("/ready").text)
        lake.upload_folder(folder, uri)
        wait_for(lambda: is_ready(client))
        assert client.post(f"/{name}", json={"bed": 3}).status_code == 200
