"""The few requests to the Kubernetes API that a rollout needs, over httpx.

The ``kubernetes`` package would add more to reload's image and start-up than everything else in it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.clock import backoff, retry
from tasador.errors import ConfigurationError, RolloutError, ServiceUnavailable

if TYPE_CHECKING:
    import httpx

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MANAGER = "tasador-reload"
_TIMEOUT = 10.0
_ATTEMPTS = 3
_FIRST_PAUSE = 0.1


class KubeClient:
    """One namespace of one cluster.

    ServiceUnavailable means that the API server did not answer, RolloutError that it refused.
    """

    def __init__(self, client: httpx.Client, namespace: str, token: Path | None = None) -> None:
        """``client`` has the API server's address and certificates. The file ``token`` is read for
        every request, because the kubelet replaces it."""
        self._client = client
        self._token = token
        self.namespace = namespace

    @classmethod
    def of_this_pod(cls) -> KubeClient:
        """A client with the service account of this pod; raises ConfigurationError without one."""
        import ssl

        import httpx

        host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
        if not host or not (ACCOUNT / "token").is_file():
            raise ConfigurationError(
                "this process is not in a pod with a service account: with "
                "TASADOR_PLATFORM=cluster a rollout runs inside the cluster (the reload function)"
            )
        if ":" in host:
            host = f"[{host}]"
        client = httpx.Client(
            base_url=f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}",
            verify=ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")),
            timeout=_TIMEOUT,
            trust_env=False,
        )
        return cls(client, (ACCOUNT / "namespace").read_text().strip(), ACCOUNT / "token")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at ``path``, or None."""
        return self._call("GET", path)

    def delete(self, path: str) -> None:
        """Delete the object; a missing one is not an error."""
        self._call("DELETE", path)

    def patch(self, path: str, operations: list[dict[str, Any]]) -> None:
        """Change the object with a JSON Patch."""
        content = "application/json-patch+json"
        if self._call("PATCH", f"{path}?fieldManager={MANAGER}", operations, content) is None:
            raise RolloutError(f"{path} does not exist: it cannot be changed")

    def apply(self, path: str, wanted: dict[str, Any]) -> None:
        """Create or change the object (server-side apply). Unlike a POST, a Role can restrict it to
        named objects."""
        content = "application/apply-patch+yaml"
        self._call("PATCH", f"{path}?fieldManager={MANAGER}&force=true", wanted, content)

    def _call(
        self, method: str, path: str, body: Any = None, content_type: str = ""
    ) -> dict[str, Any] | None:
        import httpx

        headers = {"accept": "application/json"}
        if content_type:
            headers["content-type"] = content_type
        content = None if body is None else json.dumps(body).encode()

        def request() -> dict[str, Any] | None:
            if self._token is not None:
                headers["authorization"] = f"Bearer {self._token.read_text().strip()}"
            try:
                answer = self._client.request(method, path, content=content, headers=headers)
            except httpx.TransportError as error:
                raise _NotDone(repr(error)) from error
            if answer.status_code == 404:
                return None
            if answer.status_code < 400:
                return dict(answer.json())
            reason = f"HTTP {answer.status_code}: {_message(answer)}"
            # 401: the kubelet has replaced the token. 409: another client has changed the object.
            if answer.status_code in (401, 409, 429) or answer.status_code >= 500:
                raise _NotDone(reason)
            raise RolloutError(f"the API server refused {method} {path}: {reason}")

        # Each of these requests may be repeated.
        try:
            return retry(request, _NotDone, backoff(_FIRST_PAUSE), attempts=_ATTEMPTS)
        except _NotDone as error:
            raise ServiceUnavailable(
                f"the API server did not carry out {method} {path}: {error}"
            ) from error.__cause__


class _NotDone(Exception):
    """The request was not carried out. Trying again may help."""


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
