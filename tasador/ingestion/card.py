"""The card of the ingest flow: counts of rows, quarantine, distributions, doubtful prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasador.flowkit import image_of
from tasador.ingestion import labels
from tasador.ingestion.batch_file import profile
from tasador.records.loop import Batch
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure

_STATES = 15
_BLUE, _GREY = "#2f6f9f", "#c9d3da"


def sections(settings: Settings, batch_id: str, status: str, message: str) -> Iterator[Any]:
    """The card's components; without a batch, only the reason why there is none."""
    from metaflow.cards import Markdown, Table

    if not batch_id:
        yield Markdown(f"# No batch: {message}")
        return
    with Warehouse(settings.database_url) as warehouse:
        batch = warehouse.batch(batch_id)
        reasons = warehouse.quarantine_reasons(batch_id)
    assert batch is not None
    repeated = " (already ingested, nothing changed)" if status == "repeated" else ""
    yield Markdown(f"# Batch {batch.batch_number}{repeated}")
    yield Table(_counts(batch), headers=["rows", "count", "share"])
    if reasons:
        yield Markdown("## Quarantine reasons")
        yield Table(
            [
                [field, reason, f"{rows:,}", example[:80]]
                for field, reason, rows, example in reasons
            ],
            headers=["field", "reason", "rows", "example"],
        )
    if batch.status == "ready" and batch.rows_clean:
        figures = profile(Lake(settings).iter_parquet(batch.clean_uri))
        yield Markdown("## Clean rows")
        yield image_of(_figure(figures))
        faults = labels.doubtful(Lake(settings).iter_parquet(batch.clean_uri, labels.COLUMNS))
        yield Markdown("## Doubtful prices")
        yield Table(labels.table_of(faults), headers=["clean rows with a price", "count", "share"])
        if sentence := labels.chasing_sentence(faults):
            yield Markdown(sentence)
    yield Table(
        [
            ["source", f"{batch.source}, group {batch.group_number}, {batch.day}"],
            ["payload", batch.raw_uri],
            ["clean rows", batch.clean_uri],
            ["batch id", batch.batch_id],
            ["correlation id", batch.correlation_id],
            ["fetched", f"{batch.fetched_at:%Y-%m-%d %H:%M:%S} UTC"],
        ],
        headers=["", ""],
    )


def _counts(batch: Batch) -> list[list[str]]:
    counts = (
        ("received", batch.rows_raw),
        ("clean", batch.rows_clean),
        ("in quarantine", batch.rows_quarantined),
    )
    return [
        [name, f"{rows:,}", f"{rows / batch.rows_raw:.1%}" if batch.rows_raw else ""]
        for name, rows in counts
    ]


def _figure(profiled: dict[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), layout="constrained")
    (price, size), (states, missing) = figure.subplots(2, 2)
    _histogram(price, profiled["histograms"]["price"], "Price (dollars)")
    _histogram(size, profiled["histograms"]["house_size"], "House size (square feet)")
    shown = profiled["states"][:_STATES]
    rest = sum(rows for _, rows in profiled["states"][_STATES:])
    if rest:
        shown = [*shown, (f"{len(profiled['states']) - _STATES} others", rest)]
    bars = _bars(states, shown, "Rows by state", "{:,.0f}")
    if rest:
        bars[-1].set_color(_GREY)
    shares = sorted(profiled["missing"].items(), key=lambda item: -item[1])
    _bars(missing, [(name, 100 * share) for name, share in shares], "Missing values", "{:.1f} %")
    missing.set_xlim(0, 112)
    return figure


def _histogram(axes: Axes, histogram: dict[str, list[float]], title: str) -> None:
    from matplotlib.ticker import EngFormatter

    axes.stairs(histogram["counts"], histogram["edges"], fill=True, color=_BLUE)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_title(title, loc="left")
    axes.set_ylabel("rows")
    _plain(axes)


def _bars(axes: Axes, values: list[tuple[str, float]], title: str, form: str) -> BarContainer:
    names = [name for name, _ in values]
    amounts = [amount for _, amount in values]
    bars = axes.barh(names, amounts, color=_BLUE)
    axes.bar_label(bars, [form.format(amount) for amount in amounts], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.set_xticks([])
    axes.margins(x=0.15)
    axes.set_title(title, loc="left")
    _plain(axes)
    axes.spines["bottom"].set_visible(False)
    return bars


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
