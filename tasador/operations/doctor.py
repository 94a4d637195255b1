"""Check that everything a command may need is available."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasador.errors import BundleError, TasadorError
from tasador.settings import ENDPOINTS_FILE, Settings


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of checking one part; ``message`` says what to do if it is not healthy."""

    part: str
    healthy: bool
    message: str


def diagnose(settings: Settings) -> Iterator[Diagnosis]:
    """Use each part for real: run a query, list buckets, send a request."""
    endpoints = settings.home / ENDPOINTS_FILE
    if settings.platform == "embedded" and not endpoints.is_file():
        yield Diagnosis("settings", False, f"{endpoints} does not exist: run `tasador up`")
        return
    yield Diagnosis("settings", True, f"{settings.platform} platform, home {settings.home}")
    parts: tuple[tuple[str, str, Callable[[Settings], str]], ...] = (
        ("database", "database_url", _database),
        ("objects", "s3_endpoint", _objects),
        ("mlflow", "mlflow_url", _mlflow),
        ("champion", "database_url", _champion),
        ("rollouts", "database_url", _rollouts),
        ("functions", "functions_url", _functions),
    )
    for name, required, check in parts:
        try:
            settings.require(required)
            yield Diagnosis(name, True, check(settings))
        except TasadorError as error:
            yield Diagnosis(name, False, str(error).splitlines()[0])


def _database(settings: Settings) -> str:
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        return f"{len(warehouse.batches())} batches, schema up to date"


def _objects(settings: Settings) -> str:
    from tasador.stores.lake import Lake

    Lake(settings).ensure_buckets()
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
        found = read_status(warehouse, settings.model_name)
    if found.healthy or found.newest is None or found.pause is not None:
        return found.message
    raise TasadorError(found.message)


def _functions(settings: Settings) -> str:
    import httpx

    try:
        response = httpx.get(f"{settings.functions_url}/ready", timeout=30)
    except httpx.HTTPError as error:
        raise TasadorError(
            f"{settings.functions_url} does not answer ({error}): run `tasador up`"
        ) from error
    if response.status_code == httpx.codes.OK:
        return f"predict is ready at {settings.functions_url}"
    return f"predict is not ready: {response.json().get('detail', response.text[:200])}"
