"""The few requests to the Kubernetes API that a rollout needs, over httpx.

The ``kubernetes`` package would cost reload's image and start-up more than everything else in it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.errors import ConfigurationError, RolloutError, ServiceUnavailable

if TYPE_CHECKING:
    import httpx

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MANAGER = "tasador-reload"
_TIMEOUT = 10.0
_RETRIES = 3


class KubeClient:
    """One namespace of one cluster. ServiceUnavailable: no answer; RolloutError: refused."""

    def __init__(self, client: httpx.Client, namespace: str, token: Path | None = None) -> None:
        """``client`` has the API server's address and certificates; ``token`` is read anew for
        every request, since the kubelet replaces it."""
        self._client = client
        self._token = token
        self.namespace = namespace

    @classmethod
    def of_this_pod(cls) -> KubeClient:
        """By the service account of this pod; ConfigurationError where there is none."""
        import ssl

        import httpx

        host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
        if not host or not (ACCOUNT / "token").is_file():
            raise ConfigurationError(
                "this is no pod with a service account: TASADOR_PLATFORM=cluster rolls out from "
                "inside the cluster (the reload function)"
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
        """The object at ``path``; None where there is none."""
        return self._call("GET", path)

    def delete(self, path: str) -> None:
        """Delete the object; one that is gone already is fine."""
        self._call("DELETE", path)

    def patch(self, path: str, operations: list[dict[str, Any]]) -> None:
        """Change the object by a JSON Patch."""
        content = "application/json-patch+json"
        if self._call("PATCH", f"{path}?fieldManager={MANAGER}", operations, content) is None:
            raise RolloutError(f"{path} is gone: it cannot be changed")

    def apply(self, path: str, wanted: dict[str, Any]) -> None:
        """Server-side apply, which also creates; unlike a POST, a Role can name what it may."""
        content = "application/apply-patch+yaml"
        self._call("PATCH", f"{path}?fieldManager={MANAGER}&force=true", wanted, content)

    def _call(
        self, method: str, path: str, body: Any = None, content_type: str = ""
    ) -> dict[str, Any] | None:
        import httpx

        headers = {"accept": "application/json"}
        if content_type:
            headers["content-type"] = content_type
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.read_text().strip()}"
        content = None if body is None else json.dumps(body).encode()
        trouble = ""
        # Every one of these requests may be repeated.
        for _ in range(_RETRIES):
            try:
                answer = self._client.request(method, path, content=content, headers=headers)
            except httpx.TransportError as error:
                trouble = repr(error)
                continue
            if answer.status_code == 404:
                return None
            if answer.status_code < 400:
                return dict(answer.json())
            trouble = f"HTTP {answer.status_code}: {_message(answer)}"
            # 409: somebody else changed the object meanwhile.
            if answer.status_code not in (409, 429) and answer.status_code < 500:
                raise RolloutError(f"the API server refused {method} {path}: {trouble}")
        raise ServiceUnavailable(f"the API server did not carry out {method} {path}: {trouble}")


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
