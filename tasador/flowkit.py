"""What every flow needs: its command line, its settings and its log.

Under ``if __name__ == "__main__"`` a flow file begins with ``prepare()`` and ends with
``main(TheFlow)``.
"""

from __future__ import annotations

import functools
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tasador.errors import TasadorError
from tasador.machine import blas, environment
from tasador.machine.collector import collect_seldom
from tasador.machine.reachable import require_running
from tasador.settings import Settings
from tasador.tracing import spans
from tasador.tracing.context import trace_id_of

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_LOG = logging.getLogger("tasador.flow")
# The user of a run that root starts, for Metaflow.
_FOR_ROOT = "tasador"
# Metaflow's pages request a font from Google. A card loads nothing from elsewhere.
WEB_FONTS = re.compile(r"""@import\s*(?:url\()?"https://fonts\.googleapis\.com[^"]*"\)?;""")
# The names of colours are those of Metaflow's main.css. Plots are images on white.
_CARD_STYLE = """
:root { color-scheme: light dark; }
html { background: var(--bg); }
.mf-card :is(table, th, td) { text-align: left; }
.mf-card ul { padding-left: 1.25rem; }
.mf-card :is(main, main *) { min-width: 0; }
@media (max-width: 40rem) {
  .mf-card main { padding: 1rem; width: 100%; }
  .mf-card h1 { font-size: 1.4rem; overflow-wrap: anywhere; }
  .mf-card td { padding: 0.4rem 0.5rem; }
  .mf-card th { white-space: normal; }
  .mf-card td:last-child { min-width: 14rem; }
}
@media (prefers-color-scheme: dark) {
  :root { --bg: #12181d; --white: #12181d; --black: #e4eaee; --dk-grey: #9fadb8;
    --grey: #ffffff30; --lt-grey: #232b32; --lt-lt-grey: #1a2127; --blue: #8ab4f8; }
  .mf-card img { filter: invert(0.93) hue-rotate(180deg); }
}
"""


def prepare() -> None:
    """Make the environment of a flow; call it before Metaflow is imported, which reads it then."""
    collect_seldom()
    if "argo-workflows" in sys.argv:
        settings = Settings.load()
        if "create" in sys.argv and is_connected(settings):
            raise SystemExit(
                f"error: a flow that is compiled here would look for its data at "
                f"{settings.s3_endpoint}, which is this machine. The job deploy-flows compiles the "
                "flows in the cluster"
            )
        _set_defaults(argo_environ(settings))
    elif environment.is_of_user():
        if sys.argv[1:2] in (["run"], ["resume"]):
            _require_platform()
        environment.enter(sys.argv)
    elif (settings := Settings.load()).platform == "cluster":
        # Runs and cards of the cluster, in its pods and on a laptop that `tasador connect` set up.
        _set_defaults(store_environ(settings))
    blas.sleep_soon()


def is_connected(settings: Settings) -> bool:
    """Whether these are a cluster's settings as `tasador connect` writes them for a laptop."""
    host = urlsplit(settings.s3_endpoint).hostname
    return settings.platform == "cluster" and host in environment.LOOPBACK


def _set_defaults(values: dict[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(name, value)


def person(username: str) -> str:
    """The user who started a run, by Metaflow's name for the user (see ``main`` for root)."""
    from tasador.machine.environment import UNKNOWN, whoami

    user = whoami() if username == _FOR_ROOT else username
    return username if user == UNKNOWN else user


def main(flow: type) -> None:
    """Run the flow's command line."""
    from metaflow import metaflow_config
    from metaflow.plugins.cards.card_modules.basic import BlankCard
    from metaflow.util import get_username

    from tasador import metadata_provider

    metadata_provider.install()
    if spans.start("flows"):
        _trace_steps(flow)
    # Metaflow refuses to run for root without a user name. This process has read the variable on
    # import; the processes of the steps will read it.
    if get_username() is None:
        os.environ["METAFLOW_USER"] = metaflow_config.USER = _FOR_ROOT
    # ruff checks the flows. Without pylint, Metaflow would print a warning on every run.
    os.environ.setdefault("METAFLOW_PYLINT", "false")
    # A step makes its card once, at its end. One that could change before would cost a second
    # process.
    BlankCard.RUNTIME_UPDATABLE = False
    BlankCard.render = _styled(BlankCard.render)
    flow()


def _styled(render: Callable[..., str]) -> Callable[..., str]:
    """Cards with a dark scheme, text on the left, and a layout for phones, which Metaflow lacks."""

    @functools.wraps(render)
    def styled(*args: Any, **kwargs: Any) -> str:
        page = WEB_FONTS.sub("", render(*args, **kwargs), count=1)
        return page.replace("</head>", f"<style>{_CARD_STYLE}</style></head>", 1)

    return styled


def _trace_steps(flow: type) -> None:
    """Make a span of each step. The trace is that of the correlation id that the step leaves."""
    for name in dir(flow):
        step = getattr(flow, name)
        if getattr(step, "is_step", False):
            setattr(flow, name, _traced(flow.__name__, step))


def _traced(flow: str, step: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(step)
    def traced(self: Any, *inputs: Any) -> None:
        from metaflow import current

        span = spans.begin(f"{flow} {step.__name__}")
        span.attributes.update(
            {"metaflow.pathspec": current.pathspec, "metaflow.attempt": current.retry_count}
        )
        error = ""
        try:
            step(self, *inputs)
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            planned = getattr(self, "planned", None)
            spans.join(
                getattr(self, "correlation_id", "") or getattr(planned, "correlation_id", "")
            )
            spans.end(span, error)

    return traced


def _require_platform() -> None:
    """Say at once what is not running, instead of after the retries of the first step."""
    try:
        require_running(Settings.load(), "database_url", "s3_endpoint", "mlflow_url", "broker_url")
    except TasadorError as error:
        raise SystemExit(f"error: {error}") from None


def argo_environ(settings: Settings) -> dict[str, str]:
    """The variables of ``argo-workflows create`` and ``trigger``; the environment overrides them.

    The names of event bus, event source and accounts are those in argo-workflows/.
    """
    return {
        **store_environ(settings),
        # It would refuse to compile a flow while the service is down.
        "METAFLOW_SERVICE_VERSION_CHECK": "0",
        "METAFLOW_KUBERNETES_NAMESPACE": "tasador",
        "METAFLOW_KUBERNETES_SERVICE_ACCOUNT": "flow",
        "METAFLOW_KUBERNETES_SECRETS": "tasador-endpoints,tasador-flows",
        # The requests of a step without @resources. It may use more, up to the limits of the
        # namespace (argo-workflows/limits.yaml).
        "METAFLOW_KUBERNETES_CPU": "0.25",
        "METAFLOW_KUBERNETES_MEMORY": "1024",
        "METAFLOW_KUBERNETES_DISK": "2048",
        # For steps without @retry. A decorator would also retry steps of a local run.
        "METAFLOW_DEFAULT_DECOSPECS": "retry:times=3,minutes_between_retries=0",
        "METAFLOW_ARGO_EVENTS_EVENT": "metaflow-event",
        "METAFLOW_ARGO_EVENTS_EVENT_BUS": "default",
        "METAFLOW_ARGO_EVENTS_EVENT_SOURCE": "metaflow-webhook",
        "METAFLOW_ARGO_EVENTS_SERVICE_ACCOUNT": "flow-sensor",
        "METAFLOW_ARGO_EVENTS_WEBHOOK_URL": (
            "http://metaflow-webhook-eventsource-svc.tasador:12000/metaflow-event"
        ),
    }


def store_environ(settings: Settings) -> dict[str, str]:
    """Where Metaflow keeps data and metadata on a cluster, as variables."""
    service = {
        "METAFLOW_DEFAULT_METADATA": "service",
        "METAFLOW_SERVICE_URL": settings.metaflow_service_url,
        "METAFLOW_UI_URL": settings.metaflow_ui_url,
    }
    return {
        "METAFLOW_DEFAULT_DATASTORE": "s3",
        "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{settings.bucket_metaflow}",
        "METAFLOW_S3_ENDPOINT_URL": settings.s3_endpoint,
        "AWS_ACCESS_KEY_ID": settings.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
        "AWS_DEFAULT_REGION": settings.s3_region,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        **(service if settings.metaflow_service_url else {}),
    }


def load_settings(correlation_id: str = "") -> Settings:
    """The settings of a step. From now on ``say`` logs with the correlation id."""
    settings = Settings.load()
    spans.join(correlation_id)
    handler = logging.StreamHandler(sys.stdout)
    if settings.platform == "cluster":
        handler.setFormatter(_JsonLines(correlation_id))
    _LOG.handlers = [handler]
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    return settings


def by_process(tasks: int) -> list[tuple[int, ...]]:
    """The numbers of tasks, from 0, by the process that runs them.

    On a cluster each has its pod, and so a node if there is one free. On one machine all are in one
    process: others would import and hold the same again.
    """
    on_one_machine = os.environ.get("METAFLOW_RUNTIME_ENVIRONMENT", "local") == "local"
    numbers = tuple(range(tasks))
    return [numbers] if on_one_machine else [(number,) for number in numbers]


def say(text: str) -> None:
    """Write one line to the step's log: plain text on a terminal, JSON on a cluster."""
    _LOG.info(text)


def report_progress(stage: str, share: float, text: str) -> None:
    """Log the progress of long work; ``share`` is from 0 to 1."""
    say(f"{stage} {share:4.0%}  {text}")


def image_of(figure: Figure) -> Any:
    """A card's component with the figure.

    ``Image.from_matplotlib`` would import pyplot, which takes as long as drawing the figure.
    """
    from metaflow.cards import Image

    return Image(src=png_of(figure))


def show_prices(*axes: Axis) -> None:
    """Label logarithmic axes of prices as 200k and 1M, not as powers of ten."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    for axis in axes:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(EngFormatter(sep=""))
        axis.set_minor_formatter(NullFormatter())


def png_of(figure: Figure, *, dpi: float | None = None) -> bytes:
    """The figure as PNG, at its own resolution unless ``dpi`` is given.

    ``Figure.savefig`` gives the same picture and draws it twice, the first time for its layout.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if dpi is not None:
        figure.set_dpi(dpi)
    png = io.BytesIO()
    FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return png.getvalue()


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
            "trace_id": trace_id_of(self._correlation_id),
        }
        return json.dumps(line)
