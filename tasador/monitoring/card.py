"""The card of a monitoring check: verdict, errors, latency and the requests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.drift.card import findings_table
from tasador.drift.plots import frame, page
from tasador.flowkit import image_of
from tasador.listings.listing import INPUTS
from tasador.monitoring.verbs import MonitoringCheck, summary
from tasador.monitoring.verdicts import VERDICTS
from tasador.records.loop import MonitorRecord
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN_CHECKS = 200
_BLUE, _RED, _GREY = "#2f6f9f", "#b3452c", "#c9d3da"


def no_champion() -> Iterator[Any]:
    """The card's components without a champion."""
    from metaflow.cards import Markdown

    verdict, reasons, _ = summary(None)
    yield Markdown(f"# {VERDICTS[verdict].capitalize()}\n\n- {reasons[0]}")


def sections(settings: Settings, recorded: MonitorRecord, result: MonitoringCheck) -> Iterator[Any]:
    """The card's components."""
    from metaflow.cards import Markdown, Table

    with Warehouse(settings.database_url) as warehouse:
        checks = [
            check
            for check in reversed(warehouse.monitor_history(limit=_SHOWN_CHECKS))
            if check.model_name == recorded.model_name
        ]
    yield Markdown(
        f"# {recorded.model_name}@{recorded.champion_version}: {VERDICTS[recorded.verdict]}"
    )
    yield Markdown("\n".join(f"- {reason}" for reason in recorded.reasons))
    mark = "**Training was requested.** " if recorded.requested_training else ""
    yield Markdown(f"{mark}{recorded.request_reason}")
    yield Table(_figures(recorded), headers=["", ""])
    findings = [*result.realised.findings, *(result.report.findings if result.report else [])]
    if findings:
        yield Markdown("## The checks (closest to its limit first)")
        yield findings_table(findings)
    yield Markdown("## Check by check, and the requests of this one")
    yield image_of(_figure(checks, result))
    if result.report is not None and (document := page(result.report)):
        yield Markdown(
            "## NannyML's plots\nThe champion's data in ten chunks, then the requests as one "
            "chunk. Dashed lines are the limits."
        )
        yield Markdown(frame(document))


def _figures(recorded: MonitorRecord) -> list[list[str]]:
    latency = recorded.latency_ms
    return [
        ["from", f"{recorded.window_from:%Y-%m-%d %H:%M:%S} UTC"],
        ["to", f"{recorded.window_to:%Y-%m-%d %H:%M:%S} UTC"],
        ["predictions", f"{recorded.predictions:,}"],
        ["distinct listings judged", f"{recorded.judged:,}"],
        ["error on rows not seen in training", _percent(recorded.usual_error)],
        ["estimated error (DLE)", _percent(recorded.estimated_error)],
        ["realised error", _percent(recorded.realised_error)],
        ["properties whose price has arrived since", f"{recorded.sold:,}"],
        ["latency, ms", ", ".join(f"{name} {value:.2f}" for name, value in latency.items())],
        ["correlation id", recorded.correlation_id],
    ]


def _percent(error: float | None) -> str:
    """A mean absolute log error as a percentage of the price."""
    return "" if error is None else f"{math.expm1(error):.1%}"


def _figure(checks: Sequence[MonitorRecord], result: MonitoringCheck) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    (errors, requests), (latency, missing) = figure.subplots(2, 2)
    _errors(errors, checks)
    _requests(requests, checks)
    _latency(latency, result)
    _missing(missing, result)
    for axes in (errors, requests, latency, missing):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _errors(axes: Axes, checks: Sequence[MonitorRecord]) -> None:
    numbers = _number(axes, checks)
    for name, label, colour, line in (
        ("usual_error", "usual", _GREY, "--"),
        ("estimated_error", "estimated (DLE)", _BLUE, "-o"),
        ("realised_error", "realised", _RED, "-s"),
    ):
        values = [getattr(check, name) for check in checks]
        shown = [math.nan if v is None else 100 * math.expm1(v) for v in values]
        axes.plot(numbers, shown, line, label=label, color=colour, markersize=4)
    for number, check in zip(numbers, checks, strict=True):
        if check.requested_training:
            axes.axvline(number, color=_RED, linewidth=1, alpha=0.4)
    axes.set_title("Error, % (red line: training requested)", loc="left")
    axes.set_xlabel("check")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)


def _requests(axes: Axes, checks: Sequence[MonitorRecord]) -> None:
    colours = {"too_few": _GREY, "quiet": _BLUE, "moved": "#c58a1b", "hurts": _RED}
    counts = [check.predictions for check in checks]
    axes.bar(_number(axes, checks), counts, color=[colours[check.verdict] for check in checks])
    axes.set_title("Predictions in the window", loc="left")
    axes.set_xlabel("check (grey too few, blue quiet, yellow moved, red hurts)")


def _number(axes: Axes, checks: Sequence[MonitorRecord]) -> np.ndarray:
    """The checks' positions on the axis, counted from 1."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return np.arange(1, len(checks) + 1)


def _latency(axes: Axes, result: MonitoringCheck) -> None:
    if len(result.latencies):
        top = float(np.quantile(result.latencies, 0.995)) or 1.0
        axes.hist(np.clip(result.latencies, 0, top), bins=40, color=_BLUE)
        for name, value in result.latency_ms.items():
            axes.axvline(min(value, top), color=_RED, linewidth=1)
            axes.text(min(value, top), axes.get_ylim()[1], f" {name}", fontsize=8, va="top")
    axes.set_title("Latency of the model (ms)", loc="left")
    axes.set_ylabel("predictions")


def _missing(axes: Axes, result: MonitoringCheck) -> None:
    names = list(reversed(INPUTS))
    places = np.arange(len(names))
    usual = [100 * float(result.reference[name].isna().mean()) for name in names]
    axes.barh(places + 0.2, usual, height=0.4, color=_GREY, label="champion's data")
    now = [100 * result.missing.get(name, 0.0) for name in names]
    axes.barh(places - 0.2, now, height=0.4, color=_BLUE, label="requests")
    axes.set_yticks(places, names, fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_title("Missing, % of the predictions", loc="left")
    axes.legend(frameon=False, fontsize=8)
