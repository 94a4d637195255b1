"""Metaflow's metadata service, for flows that must not fail while it is down.

Metaflow sends each request five times and then fails the task. A task does not need the service:
its data is in the datastore, and on Argo its ids come from Argo. This provider keeps what the
service does not take, sends it as soon as the service answers again, and invents an id where the
service would have given one. (docs/decisions/0042-metadata-outage.md)
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import requests
from metaflow.plugins import METADATA_PROVIDERS
from metaflow.plugins.metadata_providers.service import ServiceException, ServiceMetadataProvider
from requests.adapters import HTTPAdapter

_LOG = logging.getLogger("tasador.flow")
# Seconds to connect, and to wait for an answer. Metaflow sets neither.
_TIMEOUT = (3.05, 20.0)
# Seconds before a service that failed is tried again. Until then writes wait.
_PAUSE = 60.0

_Tags = Iterable[str] | None


class TolerantServiceProvider(ServiceMetadataProvider):
    """The provider ``service``: its reads raise as Metaflow's do, its writes bear an outage."""

    TYPE = ServiceMetadataProvider.TYPE

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting: list[Callable[[], Any]] = []
        self._not_before = 0.0

    def new_run_id(self, tags: _Tags = None, sys_tags: _Tags = None) -> str:
        """The service's next run number, or an id that says that there was no service."""
        create = super().new_run_id
        taken, run_id = self._send(lambda: create(tags, sys_tags))
        if taken:
            return str(run_id)
        offline = _offline_id()
        self.register_run_id(offline, tags, sys_tags)
        return offline

    def new_task_id(
        self, run_id: str, step_name: str, tags: _Tags = None, sys_tags: _Tags = None
    ) -> str:
        """The service's next task number, or an id that says that there was no service.

        The task's process registers that id.
        """
        create = super().new_task_id
        taken, task_id = self._send(lambda: create(run_id, step_name, tags, sys_tags))
        return str(task_id) if taken else _offline_id()

    def register_run_id(self, run_id: str, tags: _Tags = None, sys_tags: _Tags = None) -> bool:
        """Whether the run is new to the service, as far as is known."""
        register = super().register_run_id
        return self._write(lambda: register(run_id, tags, sys_tags)) is not False

    def register_task_id(
        self,
        run_id: str,
        step_name: str,
        task_id: str,
        attempt: int = 0,
        tags: _Tags = None,
        sys_tags: _Tags = None,
    ) -> bool:
        """Whether the task is new to the service, as far as is known."""
        register = super().register_task_id
        call = (run_id, step_name, task_id, attempt, tags, sys_tags)
        return self._write(lambda: register(*call)) is not False

    def register_data_artifacts(self, *arguments: Any) -> None:
        """Name the artifacts of an attempt."""
        register = super().register_data_artifacts
        self._write(lambda: register(*arguments))

    def register_metadata(self, *arguments: Any) -> None:
        """Add metadata to a task."""
        register = super().register_metadata
        self._write(lambda: register(*arguments))

    def start_run_heartbeat(self, flow_id: str, run_id: str) -> None:
        """Start the heartbeat of a run; there is none if the service does not answer now."""
        start = super().start_run_heartbeat
        self._send(lambda: start(flow_id, run_id))

    def start_task_heartbeat(self, *arguments: Any) -> None:
        """Start the heartbeat of a task; there is none if the service does not answer now."""
        start = super().start_task_heartbeat
        self._send(lambda: start(*arguments))

    def stop_heartbeat(self) -> None:
        """Stop the heartbeat if there is one."""
        if self.sidecar is not None:
            super().stop_heartbeat()

    def _write(self, call: Callable[[], Any]) -> Any:
        """What ``call`` returns; None, and another attempt later, if the service is away."""
        taken, result = self._send(call)
        if not taken:
            self._waiting.append(call)
        return result

    def _send(self, call: Callable[[], Any]) -> tuple[bool, Any]:
        """Make the calls that wait, then this one; whether the service has answered it."""
        if time.monotonic() < self._not_before:
            return False, None
        try:
            while self._waiting:
                _unless_refused(self._waiting[0])
                del self._waiting[0]
            return True, _unless_refused(call)
        except (requests.RequestException, ServiceException) as error:
            self._not_before = time.monotonic() + _PAUSE
            _LOG.warning("the Metaflow service is away; the flow goes on without it: %s", error)
            return False, None


def _unless_refused(call: Callable[[], Any]) -> Any:
    """What the call returns; None if the service refuses it, which another attempt won't change."""
    try:
        return call()
    except ServiceException as error:
        if error.http_code is None or error.http_code >= 500:
            raise
        _LOG.warning("the Metaflow service refused a request: %s", error)
        return None


def _offline_id() -> str:
    return f"offline-{uuid.uuid4().hex[:12]}"


class _Impatient(HTTPAdapter):
    """Requests end, whatever becomes of the server."""

    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        if options.get("timeout") is None:
            options["timeout"] = _TIMEOUT
        return super().send(request, **options)


def install() -> None:
    """Make ``--metadata service`` mean this provider in this process."""
    for scheme in ("http://", "https://"):
        ServiceMetadataProvider._session.mount(scheme, _Impatient(max_retries=0))
    METADATA_PROVIDERS[:] = [
        TolerantServiceProvider if each.TYPE == TolerantServiceProvider.TYPE else each
        for each in METADATA_PROVIDERS
    ]
