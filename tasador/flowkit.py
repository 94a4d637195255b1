"""What every flow needs: how it starts, its settings, its words.

A flow file ends in ``if __name__ == "__main__": main(TheFlow)``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from tasador.settings import Settings

_BEGUN_AGAIN = "TASADOR_FLOW_BEGUN_AGAIN"
_LOG = logging.getLogger("tasador.flow")


def main(flow: type) -> None:
    """Run the flow's command line."""
    from metaflow import metaflow_config
    from metaflow.util import get_username

    if "argo-workflows" in sys.argv and _BEGUN_AGAIN not in os.environ:
        # Metaflow has read its variables already, so begin again with those that Argo needs.
        environ = {**argo_environ(Settings.load()), **os.environ, _BEGUN_AGAIN: "1"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environ)  # noqa: S606
    # Metaflow refuses to run for root without a name. It has read its variables on import, and
    # the processes of the steps will read them again.
    if get_username() is None:
        os.environ["METAFLOW_USER"] = metaflow_config.USER = "tasador"
    # ruff looks at flows; pylint is not installed, and Metaflow would say so on every run.
    os.environ.setdefault("METAFLOW_PYLINT", "false")
    flow()


def argo_environ(settings: Settings) -> dict[str, str]:
    """What ``argo-workflows create`` and ``trigger`` want to know; the environment goes before it.

    The names of the event bus and its like are those of the manifests in argo-workflows/.
    """
    return {
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{settings.bucket_metaflow}",
        "METAFLOW_S3_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_ACCESS_KEY_ID": settings.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
        "AWS_DEFAULT_REGION": settings.s3_region,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "METAFLOW_KUBERNETES_NAMESPACE": "tasador",
        "METAFLOW_KUBERNETES_SERVICE_ACCOUNT": "flow",
        "METAFLOW_KUBERNETES_SECRETS": "tasador-endpoints,tasador-flows",
        # What a step asks for that has no @resources; it may take more where there is more, up to
        # the limits of the namespace (argo-workflows/limits.yaml).
        "METAFLOW_KUBERNETES_CPU": "0.25",
        "METAFLOW_KUBERNETES_MEMORY": "1024",
        "METAFLOW_KUBERNETES_DISK": "2048",
        # For steps without a @retry of their own; as a decorator it would also try again by hand.
        "METAFLOW_DEFAULT_DECOSPECS": "retry:times=3,minutes_between_retries=0",
        "METAFLOW_ARGO_EVENTS_EVENT": "metaflow-event",
        "METAFLOW_ARGO_EVENTS_EVENT_BUS": "default",
        "METAFLOW_ARGO_EVENTS_EVENT_SOURCE": "metaflow-webhook",
        "METAFLOW_ARGO_EVENTS_SERVICE_ACCOUNT": "flow-sensor",
        "METAFLOW_ARGO_EVENTS_WEBHOOK_URL": (
            "http://metaflow-webhook-eventsource-svc.tasador:12000/metaflow-event"
        ),
    }


def load_settings(correlation_id: str = "") -> Settings:
    """The settings, for one step; what ``say`` says from now on carries the correlation id."""
    settings = Settings.load()
    handler = logging.StreamHandler(sys.stdout)
    if settings.platform == "cluster":
        handler.setFormatter(_JsonLines(correlation_id))
    _LOG.handlers = [handler]
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    return settings


def say(text: str) -> None:
    """One line of the step's log: plain on a terminal, JSON on a cluster."""
    _LOG.info(text)


def report_progress(stage: str, share: float, text: str) -> None:
    """Say how far a long piece of work has come; ``share`` is from 0 to 1."""
    say(f"{stage} {share:4.0%}  {text}")


class _JsonLines(logging.Formatter):
    def __init__(self, correlation_id: str) -> None:
        super().__init__()
        self._correlation_id = correlation_id

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "correlation_id": self._correlation_id,
        }
        return json.dumps(line)
