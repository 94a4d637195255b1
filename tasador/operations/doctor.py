"""Is everything there that a command may need? One finding a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasador.errors import TasadorError
from tasador.settings import ENDPOINTS_FILE, Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part; ``says`` names the remedy where it is not healthy."""

    part: str
    healthy: bool
    says: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Try each part for real: a query, a bucket listing, a request."""
    stored = settings.home / ENDPOINTS_FILE
    if settings.platform == "embedded" and not stored.is_file():
        yield Finding("settings", False, f"{stored} is not there: run `tasador up`")
        return
    yield Finding("settings", True, f"{settings.platform} platform, home {settings.home}")
    parts: tuple[tuple[str, str, Callable[[Settings], str]], ...] = (
        ("database", "database_url", _database),
        ("objects", "s3_endpoint", _objects),
        ("mlflow", "mlflow_url", _mlflow),
        ("functions", "functions_url", _functions),
    )
    for name, needed, check in parts:
        try:
            settings.require(needed)
            yield Finding(name, True, check(settings))
        except TasadorError as error:
            yield Finding(name, False, str(error).splitlines()[0])


def _database(settings: Settings) -> str:
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        return f"{len(warehouse.batches())} batches, schema current"


def _objects(settings: Settings) -> str:
    from tasador.stores.lake import Lake

    Lake(settings).ensure_buckets()
    return f"all buckets at {settings.s3_endpoint}"


def _mlflow(settings: Settings) -> str:
    from tasador.stores.registry import Registry

    champion = Registry(settings).champion()
    if champion is None:
        return "no champion yet: run `tasador pipeline`"
    return f"champion {champion.name}@{champion.version}"


def _functions(settings: Settings) -> str:
    import httpx

    try:
        answer = httpx.get(f"{settings.functions_url}/ready", timeout=30)
    except httpx.HTTPError as error:
        raise TasadorError(
            f"{settings.functions_url} does not answer ({error}): run `tasador up`"
        ) from error
    if answer.status_code == httpx.codes.OK:
        return f"predict is ready at {settings.functions_url}"
    return f"predict is not ready: {answer.json().get('detail', answer.text[:200])}"
