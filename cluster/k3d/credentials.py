"""The Secrets of a cluster on one machine: random, created once, never in git."""

import json
import secrets
from collections.abc import Callable
from typing import Any

from tasador.stores.signing import new_key
from tasador.warehouse.logins import GRANTS, OWNERS, login

NAMESPACE = "tasador"
DOMAIN = f"{NAMESPACE}.svc.cluster.local"
_BUCKETS = ("data-raw", "data-clean", "mlflow-artifacts", "metaflow")
_CHANGES = ("Read", "Write", "List", "Tagging")
# The keys of the object store, and what each may do. Only the prepare job creates buckets.
S3_IDENTITIES = {
    "owner": ["Admin", *_CHANGES],
    "flows": [f"{may}:{bucket}" for bucket in _BUCKETS for may in _CHANGES],
    # MLflow's pages show and delete artifacts.
    "mlflow": [f"{may}:mlflow-artifacts" for may in ("Read", "Write", "List")],
    "serving": ["Read:mlflow-artifacts"],
    # Before it approves a version or rolls back, the web app reads the bundle. It shows dossiers.
    "web": ["Read:mlflow-artifacts"],
    "metaflow": ["Read:metaflow", "List:metaflow"],
}
SIMULATED_SOURCE = f"http://source.{DOMAIN}:8000"


def credentials(
    source_url: str = SIMULATED_SOURCE,
    metaflow: bool = True,
    random: Callable[[], str] = lambda: secrets.token_hex(24),
) -> dict[str, dict[str, str]]:
    """name -> key -> value of every Secret that the manifests refer to.

    ``source_url`` is the batch source, ``metaflow`` whether the cluster has Metaflow's service, to
    which flows report. ``random`` returns a new password of letters and digits at each call.
    """
    owner = random()
    passwords = {part: random() for part in (*GRANTS, *OWNERS)}
    keys = {name: random() for name in S3_IDENTITIES}
    events_key, functions_token, webhook_token, mlflow_password = (random() for _ in range(4))
    signing_key, public_key = new_key()
    server = f"postgres.{DOMAIN}:5432"

    def database(part: str) -> dict[str, str]:
        url = f"postgresql://{login(part)}:{passwords[part]}@{server}/tasador"
        return {"TASADOR_DATABASE_URL": url}

    def store_key(name: str) -> dict[str, str]:
        return {"TASADOR_S3_ACCESS_KEY": name, "TASADOR_S3_SECRET_KEY": keys[name]}

    def aws_key(name: str) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": keys[name]}

    store = f"http://objects.{DOMAIN}:8333"
    reports = {
        "TASADOR_METAFLOW_SERVICE_URL": f"http://metaflow.{DOMAIN}:8080",
        "TASADOR_METAFLOW_UI_URL": "http://127.0.0.1:30080",
    }
    identities = [identity(name, keys[name], may) for name, may in S3_IDENTITIES.items()]
    return {
        "tasador-endpoints": {
            "TASADOR_PLATFORM": "cluster",
            "TASADOR_S3_ENDPOINT": store,
            "TASADOR_MLFLOW_URL": f"http://mlflow.{DOMAIN}:5000",
            "TASADOR_BROKER_URL": "http://broker-ingress.knative-eventing.svc.cluster.local"
            f"/{NAMESPACE}/default",
            "TASADOR_ARGO_EVENTS_URL": f"http://metaflow-webhook-eventsource-svc.{DOMAIN}:12000"
            "/metaflow-event",
            "TASADOR_SOURCE_URL": source_url,
            **(reports if metaflow else {}),
        },
        "tasador-owner": {
            "TASADOR_DATABASE_URL": f"postgresql://tasador:{owner}@{server}/tasador",
            "TASADOR_DATABASE_ROLES": ",".join(
                f"{part}:{password}" for part, password in passwords.items()
            ),
            **store_key("owner"),
        },
        "tasador-flows": {
            **database("flows"),
            **store_key("flows"),
            "TASADOR_SIGNING_KEY": signing_key,
            "TASADOR_SIGNING_PUBLIC_KEYS": public_key,
            "TASADOR_EVENTS_KEY": events_key,
            "TASADOR_FUNCTIONS_TOKEN": functions_token,
            "TASADOR_ARGO_EVENTS_TOKEN": webhook_token,
            "MLFLOW_TRACKING_USERNAME": "flows",
            "MLFLOW_TRACKING_PASSWORD": mlflow_password,
            "TASADOR_MLFLOW_PASSWORD": mlflow_password,
            **aws_key("flows"),
        },
        "tasador-serving": {
            **store_key("serving"),
            "TASADOR_SIGNING_PUBLIC_KEYS": public_key,
            "TASADOR_EVENTS_KEY": events_key,
        },
        "tasador-history": {
            **database("record"),
            "TASADOR_EVENTS_KEY": events_key,
            "TASADOR_FUNCTIONS_TOKEN": functions_token,
        },
        "tasador-reload": {
            **database("reload"),
            "TASADOR_EVENTS_KEY": events_key,
            "TASADOR_FUNCTIONS_TOKEN": functions_token,
        },
        "tasador-exporter": database("exporter"),
        "tasador-web": {
            **database("web"),
            **store_key("web"),
            "TASADOR_SIGNING_PUBLIC_KEYS": public_key,
            "TASADOR_EVENTS_KEY": events_key,
            "TASADOR_FUNCTIONS_TOKEN": functions_token,
            "TASADOR_ARGO_EVENTS_TOKEN": webhook_token,
            "TASADOR_MLFLOW_PASSWORD": mlflow_password,
        },
        "tasador-webhook": {"TASADOR_ARGO_EVENTS_TOKEN": webhook_token},
        "tasador-mlflow": {
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{login('mlflow')}"
            f":{passwords['mlflow']}@{server}/mlflow",
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://mlflow-artifacts",
            "MLFLOW_S3_ENDPOINT_URL": store,
            "TASADOR_MLFLOW_PASSWORD": mlflow_password,
            **aws_key("mlflow"),
        },
        "tasador-metaflow": {
            "MF_METADATA_DB_HOST": f"postgres.{DOMAIN}",
            "MF_METADATA_DB_PORT": "5432",
            "MF_METADATA_DB_USER": login("metaflow"),
            "MF_METADATA_DB_PSWD": passwords["metaflow"],
            "MF_METADATA_DB_NAME": "metaflow",
            "METAFLOW_DATASTORE_SYSROOT_S3": "s3://metaflow",
            "METAFLOW_S3_ENDPOINT_URL": store,
            **aws_key("metaflow"),
        },
        "tasador-postgres": {
            "POSTGRES_USER": "tasador",
            "POSTGRES_PASSWORD": owner,
            "POSTGRES_DB": "tasador",
        },
        "tasador-objects": {"s3.json": json.dumps({"identities": identities}, indent=2)},
    }


def identity(name: str, key: str, actions: list[str]) -> dict[str, Any]:
    """An account of SeaweedFS."""
    return {
        "name": name,
        "credentials": [{"accessKey": name, "secretKey": key}],
        "actions": actions,
    }


def secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    """The Secret as an object of Kubernetes."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": "tasador"},
        },
        "stringData": values,
    }
