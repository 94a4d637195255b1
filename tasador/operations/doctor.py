"""Check that everything a command may need is available."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasador.errors import BundleError, TasadorError
from tasador.machine.reachable import not_running
from tasador.settings import ENDPOINTS_FILE, Settings

# The namespace of the pod in which this process runs.
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
# predict may have to start, and to load its model.
_FUNCTIONS_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of checking one part; ``message`` says what to do if it is not healthy."""

    part: str
    healthy: bool
    message: str


def diagnose(settings: Settings) -> Iterator[Diagnosis]:
    """Use each part for real: run a query, look for the buckets, send a request."""
    endpoints = settings.home / ENDPOINTS_FILE
    if settings.platform == "embedded" and not endpoints.is_file():
        yield Diagnosis("settings", False, f"{endpoints} does not exist: run `tasador up`")
        return
    yield Diagnosis("settings", True, _settings(settings))
    parts: list[tuple[str, tuple[str, ...], Callable[[Settings], str]]] = [
        ("database", ("database_url",), _database),
        ("objects", ("s3_endpoint", "s3_access_key", "s3_secret_key"), _objects),
        ("mlflow", ("mlflow_url",), _mlflow),
        ("champion", ("database_url", "s3_endpoint"), _champion),
        ("rollouts", ("database_url",), _rollouts),
    ]
    if settings.platform == "cluster":
        parts.append(("broker", ("broker_url",), _broker))
        parts.append(("functions", (), _functions))
    else:
        parts.append(("functions", ("functions_url",), _functions))
    down: set[str] = set()
    for name, required, check in parts:
        if down.intersection(required):
            continue  # it has been reported
        try:
            settings.require(*required)
            reason = not_running(settings, required)
            down.update(required if reason else ())
            yield Diagnosis(name, not reason, reason or check(settings))
        except TasadorError as error:
            yield Diagnosis(name, False, str(error).splitlines()[0])


def _settings(settings: Settings) -> str:
    if settings.platform == "embedded":
        return f"embedded platform, home {settings.home}"
    given = [
        f"TASADOR_{name.upper()}"
        for name, value in settings._asdict().items()
        if value and (name.endswith("_url") or name == "s3_endpoint")
    ]
    return f"cluster, from the environment: {', '.join(given) or 'no address is set'}"


def _database(settings: Settings) -> str:
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        return f"{len(warehouse.batches())} batches, schema up to date"


def _objects(settings: Settings) -> str:
    from tasador.stores.lake import Lake

    Lake(settings).check_buckets()
    return f"all buckets exist at {settings.s3_endpoint}"


def _mlflow(settings: Settings) -> str:
    from tasador.stores.registry import CHAMPION, Registry

    champion = Registry(settings).aliased(CHAMPION)
    if champion is None:
        return "no champion yet: run `tasador pipeline`"
    return f"champion {champion.model}"


def _champion(settings: Settings) -> str:
    from tasador.stores.bundles import check_readable
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        newest = warehouse.latest_promotion(settings.model_name)
    if newest is None:
        return "no champion yet: run `tasador pipeline`"
    try:
        check_readable(newest.model_uri, newest.digest, settings)
    except BundleError as error:
        raise TasadorError(
            f"the champion {newest.model} cannot be read: {error}; `tasador rollback VERSION` "
            "returns to a version that can be, and the next batch trains a successor"
        ) from error
    return f"the bundle of {newest.model} is complete"


def _rollouts(settings: Settings) -> str:
    from tasador.rollout.status import read_status
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        status = read_status(warehouse, settings.model_name)
    if status.healthy or status.newest is None or status.pause is not None:
        return status.message
    raise TasadorError(status.message)


def _broker(settings: Settings) -> str:
    return f"the broker answers at {settings.broker_url}"


def _functions(settings: Settings) -> str:
    import httpx

    url = predict_url(settings)
    if not url:
        return (
            "not checked: outside a pod, TASADOR_FUNCTIONS_URL names the address of the functions"
        )
    remedy = "run `tasador up`"
    if settings.platform == "cluster":
        remedy = "see `kubectl get ksvc predict`"
    try:
        # Proxies are for addresses outside.
        response = httpx.get(f"{url}/ready", timeout=_FUNCTIONS_TIMEOUT, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TasadorError(f"{url} does not answer ({error}): {remedy}") from error
    if response.status_code == httpx.codes.OK:
        return f"predict is ready at {url}"
    if response.status_code == httpx.codes.NOT_FOUND:
        return f"predict has no Service yet at {url}: the first promotion creates it"
    try:
        reason = response.json().get("detail", response.text[:200])
    except ValueError:
        reason = f"HTTP {response.status_code} {response.text[:200]}"
    return f"predict is not ready: {reason}"


def predict_url(settings: Settings) -> str:
    """The address of predict: as set, else its Service in this pod's namespace, else empty."""
    if settings.functions_url:
        # The web app's setting has a place for the function's name.
        return settings.functions_url.replace("{function}", "predict").rstrip("/")
    if settings.platform == "cluster" and _NAMESPACE.is_file():
        return f"http://predict.{_NAMESPACE.read_text().strip()}.svc.cluster.local"
    return ""
