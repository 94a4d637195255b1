"""The Secrets of a cluster on one machine: random, created once, never in git."""

import json
import secrets
from collections.abc import Callable
from typing import Any

from tasador.stores.signing import new_key

NAMESPACE = "tasador"
DOMAIN = f"{NAMESPACE}.svc.cluster.local"
# What MLflow's server does with the bucket of the models: its pages show and delete artifacts.
MLFLOW_MAY = ("Read", "Write", "List")
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
    password, flows_key, serving_key, metaflow_key = (random() for _ in range(4))
    events_key, functions_token, webhook_token, mlflow_password, mlflow_key = (
        random() for _ in range(5)
    )
    signing_key, public_key = new_key()
    database = f"postgresql://tasador:{password}@postgres.{DOMAIN}:5432/tasador"
    store = f"http://objects.{DOMAIN}:8333"
    aws = {"AWS_ACCESS_KEY_ID": "flows", "AWS_SECRET_ACCESS_KEY": flows_key}
    reports = {
        "TASADOR_METAFLOW_SERVICE_URL": f"http://metaflow.{DOMAIN}:8080",
        "TASADOR_METAFLOW_UI_URL": "http://127.0.0.1:30080",
    }
    identities = [
        identity("flows", flows_key, ["Admin", "Read", "Write", "List", "Tagging"]),
        identity("mlflow", mlflow_key, [f"{may}:mlflow-artifacts" for may in MLFLOW_MAY]),
        identity("serving", serving_key, ["Read:mlflow-artifacts"]),
        identity("metaflow", metaflow_key, ["Read:metaflow", "List:metaflow"]),
    ]
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
        "tasador-flows": {
            "TASADOR_DATABASE_URL": database,
            "TASADOR_S3_ACCESS_KEY": "flows",
            "TASADOR_S3_SECRET_KEY": flows_key,
            "TASADOR_SIGNING_KEY": signing_key,
            "TASADOR_SIGNING_PUBLIC_KEYS": public_key,
            "TASADOR_EVENTS_KEY": events_key,
            "TASADOR_FUNCTIONS_TOKEN": functions_token,
            "TASADOR_ARGO_EVENTS_TOKEN": webhook_token,
            "MLFLOW_TRACKING_USERNAME": "flows",
            "MLFLOW_TRACKING_PASSWORD": mlflow_password,
            "TASADOR_MLFLOW_PASSWORD": mlflow_password,
            **aws,
        },
        "tasador-serving": {
            "TASADOR_S3_ACCESS_KEY": "serving",
            "TASADOR_S3_SECRET_KEY": serving_key,
            "TASADOR_SIGNING_PUBLIC_KEYS": public_key,
            "TASADOR_EVENTS_KEY": events_key,
        },
        "tasador-history": {
            "TASADOR_DATABASE_URL": database,
            "TASADOR_EVENTS_KEY": events_key,
            "TASADOR_FUNCTIONS_TOKEN": functions_token,
        },
        "tasador-web": {"TASADOR_FUNCTIONS_TOKEN": functions_token},
        "tasador-webhook": {"TASADOR_ARGO_EVENTS_TOKEN": webhook_token},
        "tasador-mlflow": {
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://tasador:{password}"
            f"@postgres.{DOMAIN}:5432/mlflow",
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://mlflow-artifacts",
            "MLFLOW_S3_ENDPOINT_URL": store,
            "TASADOR_MLFLOW_PASSWORD": mlflow_password,
            "AWS_ACCESS_KEY_ID": "mlflow",
            "AWS_SECRET_ACCESS_KEY": mlflow_key,
        },
        "tasador-metaflow": {
            "MF_METADATA_DB_HOST": f"postgres.{DOMAIN}",
            "MF_METADATA_DB_PORT": "5432",
            "MF_METADATA_DB_USER": "tasador",
            "MF_METADATA_DB_PSWD": password,
            "MF_METADATA_DB_NAME": "metaflow",
            "METAFLOW_DATASTORE_SYSROOT_S3": "s3://metaflow",
            "METAFLOW_S3_ENDPOINT_URL": store,
            "AWS_ACCESS_KEY_ID": "metaflow",
            "AWS_SECRET_ACCESS_KEY": metaflow_key,
        },
        "tasador-postgres": {
            "POSTGRES_USER": "tasador",
            "POSTGRES_PASSWORD": password,
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
