"""The local gateway as the backend of a rollout: a client of its admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasador.errors import RolloutError, ServiceUnavailable
from tasador.rollout.backend import Revision, ServiceState, Target
from tasador.rollout.plan import CANDIDATE
from tasador.settings import Settings

if TYPE_CHECKING:
    import httpx

_TIMEOUT = 10.0


class LocalBackend:
    """See Backend; a context manager that closes its connections."""

    def __init__(self, settings: Settings) -> None:
        import httpx

        settings.require("gateway_admin_url", "gateway_token", "functions_url")
        self._functions_url = settings.functions_url.rstrip("/")
        self._client = httpx.Client(
            base_url=settings.gateway_admin_url,
            headers={"authorization": f"Bearer {settings.gateway_token}"},
            timeout=_TIMEOUT,
            # A proxy of the machine does not apply to 127.0.0.1.
            trust_env=False,
        )

    def __enter__(self) -> LocalBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def state(self, service: str) -> ServiceState:
        """The current state of the service."""
        answer = self._call("GET", f"/services/{service}", missing_ok=True)
        if answer is None:
            return ServiceState(name=service)
        return ServiceState(
            name=service,
            revisions=tuple(Revision(name=r["name"], env=r["env"]) for r in answer["revisions"]),
            traffic=tuple(
                Target(t["revision"], t["percent"], t.get("tag") or "") for t in answer["traffic"]
            ),
        )

    def create(self, service: str, revision: Revision) -> None:
        """Create the revision."""
        body = {"revision": revision.name, "env": dict(revision.env)}
        self._call("POST", f"/services/{service}/revisions", body)

    def direct(self, service: str, traffic: tuple[Target, ...]) -> None:
        """Replace the traffic."""
        body = [{"revision": t.revision, "percent": t.percent, "tag": t.tag} for t in traffic]
        self._call("PUT", f"/services/{service}/traffic", body)

    def start(
        self, service: str, revision: str, timeout: float, *, tag: str = CANDIDATE
    ) -> tuple[bool, str]:
        """Start a process and wait until it is ready, whatever its tag."""
        answer = self._call(
            "POST",
            f"/services/{service}/revisions/{revision}/start",
            {"timeout_seconds": timeout},
            timeout=timeout + _TIMEOUT,
        )
        return bool(answer["ready"]), str(answer.get("reason") or "")

    def delete(self, service: str, revision: str) -> None:
        """Delete the revision."""
        self._call("DELETE", f"/services/{service}/revisions/{revision}", missing_ok=True)

    def mirror(self, service: str, tag: str) -> None:
        """Nothing to do: the gateway's broker delivers to the shadow as long as it has its tag."""

    def address(self, service: str, tag: str) -> str:
        """The tag's address at the gateway."""
        return f"{self._functions_url}/fn/{tag}-{service}"

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout: float = _TIMEOUT,
        missing_ok: bool = False,
    ) -> Any:
        import httpx

        try:
            answer = self._client.request(method, path, json=body, timeout=timeout)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"the gateway at {self._client.base_url} did not answer {method} {path}: {error!r}"
            ) from error
        if answer.status_code == 404 and missing_ok:
            return None
        if answer.status_code >= 500:
            raise ServiceUnavailable(_refusal(method, path, answer))
        if answer.status_code >= 400:
            raise RolloutError(_refusal(method, path, answer))
        return answer.json() if answer.content else None


def _refusal(method: str, path: str, answer: httpx.Response) -> str:
    return f"the gateway answered {method} {path} with {answer.status_code}: {answer.text[:300]}"
