"""The card of the score flow: the version, the rows, what was refused, and the prices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasador.flowkit import image_of
from tasador.scoring.part_prices import PRICE_BINS, Scored
from tasador.scoring.verbs import Job, uri_of
from tasador.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLUE = "#2f6f9f"


def sections(settings: Settings, job: Job, scored: Scored) -> Iterator[Any]:
    """The card's components."""
    from metaflow.cards import Markdown, Table

    yield Markdown(f"# {scored.priced:,} listings priced by {job.model}")
    refused = scored.rows_with_problems
    share = f" ({refused / scored.rows:.1%})" if scored.rows else ""
    yield Table(
        [
            ["listings", job.listings],
            ["prices", uri_of(settings, job)],
            ["parts", f"{len(job.offsets):,}"],
            ["rows with refused values", f"{refused:,}{share}"],
            ["rows that are no listings: no price", f"{scored.unpriced:,}"],
            ["columns that are no inputs", ", ".join(scored.unused) or "none"],
            ["inputs that are no columns", ", ".join(scored.absent) or "none"],
            ["recorded in raw.inference_logs", "yes" if job.record else "no"],
            ["digest of the version", job.model.digest],
            ["SHA-256 of the file", job.sha256],
            ["correlation id", job.model.correlation_id],
        ],
        headers=["", ""],
    )
    if scored.problems:
        yield Markdown("## Refused values; they count as missing")
        by_count = sorted(scored.problems.items(), key=lambda item: -item[1])
        yield Table(
            [[name, f"{count:,}", scored.examples.get(name, "")] for name, count in by_count],
            headers=["field", "rows", "the first"],
        )
    if scored.priced:
        yield Markdown("## Prices")
        yield image_of(_figure(scored))


def _figure(scored: Scored) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    edges = 10**PRICE_BINS
    axes.bar(edges[:-1], scored.prices, edges[1:] - edges[:-1], align="edge", color=_BLUE)
    axes.set_xscale("log")
    axes.set_xlabel("Price (dollars)")
    axes.set_ylabel("Rows")
    return figure
