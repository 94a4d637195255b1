"""What a person wants to see of a look at the requests: verdict, errors, latency, what is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.drift.plots import frame, page
from tasador.listings.listing import INPUTS
from tasador.monitoring.verbs import Look, in_words
from tasador.monitoring.verdicts import VERDICTS
from tasador.records import MonitorRecord
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHOWN_LOOKS = 200
_BLUE, _RED, _GREY = "#2f6f9f", "#b3452c", "#c9d3da"


def nothing() -> Iterator[Any]:
    """The card's components where there is no champion."""
    from metaflow.cards import Markdown

    verdict, reasons, _ = in_words(None)
    yield Markdown(f"# {VERDICTS[verdict].capitalize()}\n\n- {reasons[0]}")


def sections(settings: Settings, recorded: MonitorRecord, found: Look) -> Iterator[Any]:
    """The card's components."""
    from metaflow.cards import Image, Markdown, Table

    with Warehouse(settings.database_url) as warehouse:
        looks = [
            look
            for look in reversed(warehouse.monitor_history(limit=_SHOWN_LOOKS))
            if look.model_name == recorded.model_name
        ]
    yield Markdown(
        f"# {recorded.model_name}@{recorded.champion_version}: {VERDICTS[recorded.verdict]}"
    )
    yield Markdown("\n".join(f"- {reason}" for reason in recorded.reasons))
    mark = "**Training was asked for.** " if recorded.asked else ""
    yield Markdown(f"{mark}{recorded.asked_says}")
    yield Table(_figures(recorded), headers=["", ""])
    findings = [*found.realised.findings, *(found.report.findings if found.report else [])]
    if findings:
        yield Markdown("## What was looked at (the nearest to its limit first)")
        yield Table(
            [
                [
                    "✘" if f.exceeded else "✔",
                    f"{f.name.replace('_', ' ')} {f.column}".rstrip(),
                    {"both": "moved, hurts"}.get(f.effect, f.effect),
                    f"{f.value:.3f}",
                    f"{f.limit:.3f}",
                    f.message,
                ]
                for f in sorted(findings, key=lambda f: -f.value / f.limit)
            ],
            headers=["", "question", "would mean", "value", "limit", "what was found"],
        )
    yield Markdown("## Look by look, and what is asked now")
    yield Image.from_matplotlib(_figure(looks, found))
    if found.report is not None and (document := page(found.report)):
        yield Markdown(
            "## NannyML's plots\nThe champion's data in chunks as large as the requests, then the "
            "requests as one chunk; dashed are the limits."
        )
        yield Markdown(frame(document))


def _figures(recorded: MonitorRecord) -> list[list[str]]:
    latency = recorded.latency_ms
    return [
        ["from", f"{recorded.window_from:%Y-%m-%d %H:%M:%S} UTC"],
        ["to", f"{recorded.window_to:%Y-%m-%d %H:%M:%S} UTC"],
        ["predictions", f"{recorded.predictions:,}"],
        ["different listings judged", f"{recorded.judged:,}"],
        ["error on rows not seen in training", _percent(recorded.usual_error)],
        ["estimated error (DLE)", _percent(recorded.estimated_error)],
        ["realised error", _percent(recorded.realised_error)],
        ["properties whose price has come in since", f"{recorded.sold:,}"],
        ["latency, ms", ", ".join(f"{name} {value:.2f}" for name, value in latency.items())],
        ["correlation id", recorded.correlation_id],
    ]


def _percent(error: float | None) -> str:
    """A mean absolute log error as the percentage that it comes to."""
    return "" if error is None else f"{math.expm1(error):.1%}"


def _figure(looks: Sequence[MonitorRecord], found: Look) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    (errors, asked), (latency, missing) = figure.subplots(2, 2)
    _errors(errors, looks)
    _asked(asked, looks)
    _latency(latency, found)
    _missing(missing, found)
    for axes in (errors, asked, latency, missing):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _errors(axes: Axes, looks: Sequence[MonitorRecord]) -> None:
    numbers = _number(axes, looks)
    for name, label, colour, line in (
        ("usual_error", "usual", _GREY, "--"),
        ("estimated_error", "estimated (DLE)", _BLUE, "-o"),
        ("realised_error", "realised", _RED, "-s"),
    ):
        values = [getattr(look, name) for look in looks]
        shown = [math.nan if v is None else 100 * math.expm1(v) for v in values]
        axes.plot(numbers, shown, line, label=label, color=colour, markersize=4)
    for number, look in zip(numbers, looks, strict=True):
        if look.asked:
            axes.axvline(number, color=_RED, linewidth=1, alpha=0.4)
    axes.set_title("Error, % (a line: training asked for)", loc="left")
    axes.set_xlabel("look")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8)


def _asked(axes: Axes, looks: Sequence[MonitorRecord]) -> None:
    colours = {"too_few": _GREY, "quiet": _BLUE, "moved": "#c58a1b", "hurts": _RED}
    counts = [look.predictions for look in looks]
    axes.bar(_number(axes, looks), counts, color=[colours[look.verdict] for look in looks])
    axes.set_title("Predictions in the window", loc="left")
    axes.set_xlabel("look (grey too few, blue quiet, yellow moved, red hurts)")


def _number(axes: Axes, looks: Sequence[MonitorRecord]) -> np.ndarray:
    """Where the looks stand on the axis, counted from 1."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return np.arange(1, len(looks) + 1)


def _latency(axes: Axes, found: Look) -> None:
    if len(found.latencies):
        top = float(np.quantile(found.latencies, 0.995)) or 1.0
        axes.hist(np.clip(found.latencies, 0, top), bins=40, color=_BLUE)
        for name, value in found.latency_ms.items():
            axes.axvline(min(value, top), color=_RED, linewidth=1)
            axes.text(min(value, top), axes.get_ylim()[1], f" {name}", fontsize=8, va="top")
    axes.set_title("Latency of the model (ms)", loc="left")
    axes.set_ylabel("predictions")


def _missing(axes: Axes, found: Look) -> None:
    names = list(reversed(INPUTS))
    places = np.arange(len(names))
    usual = [100 * float(found.reference[name].isna().mean()) for name in names]
    axes.barh(places + 0.2, usual, height=0.4, color=_GREY, label="champion's data")
    now = [100 * found.missing.get(name, 0.0) for name in names]
    axes.barh(places - 0.2, now, height=0.4, color=_BLUE, label="requests")
    axes.set_yticks(places, names, fontsize=8)
    axes.set_xlim(0, 100)
    axes.set_title("Missing, % of the predictions", loc="left")
    axes.legend(frameon=False, fontsize=8)
