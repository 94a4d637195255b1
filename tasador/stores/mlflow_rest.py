"""The few requests to MLflow's REST API that the registry needs, over httpx.

``import mlflow`` takes 1.5 seconds of each step and command that reads the registry.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tasador.clock import backoff, retry
from tasador.errors import ConfigurationError, RegistryError, StoreRefused, StoreUnavailable
from tasador.machine.environment import LOOPBACK, PROXIES, named
from tasador.machine.http import verification
from tasador.settings import Settings, sent, whole_number

if TYPE_CHECKING:
    import httpx

_TIMEOUT = 30.0
# As MLflow's client reads it. With pauses of 1, 2, 4, 8 and 16 seconds: half a minute in which a
# server may start again.
_RETRIES, _MOST_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5"
_FIRST_PAUSE = 1.0
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_PAGE = 200
# MLflow's codes for its own troubles, for credentials, and for an object that is not there.
_BROKEN = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_REFUSED = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"})
_ABSENT = "RESOURCE_DOES_NOT_EXIST"
# Of an answer without such a code, as a proxy gives it.
_CODES = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "REQUEST_LIMIT_EXCEEDED"}
# Of the variables of MLflow's client, these are read; these are not.
_TOKEN, _USER, _PASSWORD = (f"MLFLOW_TRACKING_{name}" for name in ("TOKEN", "USERNAME", "PASSWORD"))
_INSECURE, _AUTHORITY, _CERTIFICATE = (
    f"MLFLOW_TRACKING_{name}" for name in ("INSECURE_TLS", "SERVER_CERT_PATH", "CLIENT_CERT_PATH")
)
_UNSUPPORTED = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")


class MlflowRest:
    """One MLflow server.

    StoreUnavailable means that it did not answer or failed, StoreRefused that it refused this
    client, RegistryError that it refused the request.
    """

    def __init__(self, settings: Settings) -> None:
        settings.require("mlflow_url")
        self._url = settings.mlflow_url
        self._platform = settings.platform
        self._password = sent(settings.mlflow_password)
        self._http: httpx.Client | None = None

    def get(self, endpoint: str, **params: Any) -> dict[str, Any] | None:
        """The answer to a GET request; None if there is no such object."""
        return self._call("GET", endpoint, params=params)

    def post(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """The answer to a POST request whose body is JSON."""
        return self._sent("POST", endpoint, body)

    def patch(self, endpoint: str, **body: Any) -> dict[str, Any]:
        """The answer to a PATCH request whose body is JSON."""
        return self._sent("PATCH", endpoint, body)

    def _sent(self, method: str, endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._call(method, endpoint, content=json.dumps(_finite(body)).encode())
        if answer is None:
            raise RegistryError(f"MLflow at {self._url} has nothing that {endpoint} names")
        return answer

    def search(self, endpoint: str, name: str, **params: Any) -> Iterator[dict[str, Any]]:
        """The entries ``name`` of all pages of a search."""
        token: str | None = ""
        while token is not None:
            page = self.get(endpoint, max_results=_PAGE, page_token=token, **params) or {}
            yield from page.get(name, [])
            token = page.get("next_page_token") or None

    def _call(self, method: str, endpoint: str, **request: Any) -> dict[str, Any] | None:
        import httpx

        client = self._client()

        def attempt() -> dict[str, Any] | None:
            try:
                answer = client.request(method, endpoint, **request)
            except httpx.TransportError as error:
                raise _NotDone(f"does not answer ({_reason(error)}){self._remedy()}") from error
            if answer.is_success:
                return dict(answer.json())
            code, message = _error(answer)
            if answer.status_code in _TRANSIENT:
                raise _NotDone(f"failed: {message}")
            if code == _ABSENT:
                return None
            if code in _REFUSED:
                raise StoreRefused(f"MLflow at {self._url} refuses this client: {message}")
            if code in _BROKEN:
                # Its database or its object store may be away, or refuse its credentials.
                raise StoreUnavailable(f"MLflow at {self._url} failed: {message}")
            raise RegistryError(f"MLflow at {self._url} refused: {message}")

        retries = whole_number(_RETRIES, os.environ.get(_RETRIES, _MOST_RETRIES))
        try:
            return retry(attempt, _NotDone, backoff(_FIRST_PAUSE), attempts=1 + retries)
        except _NotDone as error:
            where = f"MLflow at {self._url} {error}{named('MLFLOW_', *PROXIES)}"
            raise StoreUnavailable(where) from error.__cause__

    def _remedy(self) -> str:
        return "" if self._platform == "cluster" else ": run `tasador up`"

    def _client(self) -> httpx.Client:
        if self._http is None:
            import httpx

            authorization, basic = _credentials(os.environ, self._password)
            # A proxy or certificates of the user's environment do not concern this machine.
            trust_env = httpx.URL(self._url).host not in LOOPBACK
            secure = self._url.startswith("https:")
            self._http = httpx.Client(
                base_url=f"{self._url.rstrip('/')}/api/2.0/mlflow/",
                headers={"content-type": "application/json", **authorization},
                auth=basic,
                verify=_tls(os.environ) if secure else verification(self._url, trust_env=trust_env),
                timeout=_TIMEOUT,
                follow_redirects=True,
                trust_env=trust_env,
                # Nobody closes a registry, so no connection may outlive its request.
                limits=httpx.Limits(max_keepalive_connections=0),
            )
        return self._http


class _NotDone(Exception):
    """The request was not carried out. Trying again may help."""


def _credentials(
    environ: Mapping[str, str], password: str = ""
) -> tuple[dict[str, str], tuple[str, str] | None]:
    """A header with MLFLOW_TRACKING_TOKEN, or user and password for basic authentication.

    Without these variables of MLflow's client, TASADOR_MLFLOW_PASSWORD.
    """
    for name in _UNSUPPORTED:
        if environ.get(name, "").lower() not in ("", "false", "0"):
            raise ConfigurationError(
                f"{name} is set, but Tasador logs in to MLflow with {_TOKEN}, or with {_USER} and "
                f"{_PASSWORD}: set one of these, or put a proxy that logs in before MLflow"
            )
    if user := environ.get(_USER):
        return {}, (user, environ.get(_PASSWORD, ""))
    token = environ.get(_TOKEN) or password
    return ({"authorization": f"Bearer {token}"} if token else {}), None


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext | bool:
    """The certificates: of the authority that the server is verified with, and of this client."""
    if environ.get(_INSECURE, "").lower() in ("true", "1"):
        return False
    authority, certificate = environ.get(_AUTHORITY), environ.get(_CERTIFICATE)
    if not authority and not certificate:
        return True
    context = ssl.create_default_context(cafile=authority or None)
    if certificate:
        context.load_cert_chain(certificate)
    return context


def _finite(value: Any) -> Any:
    """Numbers that JSON lacks become the texts that protocol buffers write for them."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and value - value != 0:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def _error(answer: httpx.Response) -> tuple[str, str]:
    """The code and the message of an answer that is an error."""
    try:
        body = answer.json()
        code, message = str(body["error_code"]), str(body.get("message", ""))
    except (ValueError, KeyError, TypeError):
        code = _CODES.get(answer.status_code, "")
        text = answer.text[:300]
        if "html" in answer.headers.get("content-type", ""):
            text = "a web page, not MLflow's API: is TASADOR_MLFLOW_URL right?"
        message = f"HTTP {answer.status_code}: {text}"
        return code or ("INTERNAL_ERROR" if answer.status_code >= 500 else ""), message
    return code, f"{code}: {message}"


def _reason(error: BaseException) -> str:
    """What the innermost cause of an error says, for example "Connection refused"."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]
