"""The settings of a flow's step; one that is tried again waits for its stores first."""

from __future__ import annotations

from tasador import flowkit
from tasador.clock import backoff, retry
from tasador.errors import StoreUnavailable
from tasador.flowkit import say
from tasador.settings import Settings

# A step that failed waits this long for its stores (seconds).
_STORES_SECONDS = 300.0


def load_settings(correlation_id: str = "") -> Settings:
    """The settings of a step, as ``flowkit.load_settings`` reads them.

    If Metaflow tries the step again, the stores answer and accept the credentials.
    """
    from metaflow import current

    settings = flowkit.load_settings(correlation_id)
    return await_stores() if getattr(current, "retry_count", 0) else settings


def await_stores(seconds: float = _STORES_SECONDS) -> Settings:
    """Wait until the database and the object store accept the settings of that moment.

    Metaflow tries a failed step again at once, but a store may be away, or refuse a key that is
    being rotated, for minutes. Raises StoreUnavailable after ``seconds``.
    """

    def checked() -> Settings:
        from tasador.stores.lake import Lake
        from tasador.warehouse.connection import log_in

        settings = Settings.load()
        if settings.database_url:
            log_in(settings.database_url)
        if settings.s3_endpoint:
            Lake(settings).exists(f"s3://{settings.bucket_clean}/any")
        return settings

    return retry(
        checked,
        StoreUnavailable,
        backoff(1.0, 15.0),
        seconds=seconds,
        on_failure=lambda error: say(f"waiting: {error}"),
    )
