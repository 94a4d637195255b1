"""The card of a drift run: the verdict, every check with its limit, and NannyML's plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tasador.drift.plots import frame, page
from tasador.drift.reasons import how_to_accept, verdict_headline

if TYPE_CHECKING:
    from tasador.drift.checks import Finding
    from tasador.drift.report import DriftReport
    from tasador.drift.verbs import Case


def sections(case: Case, report: DriftReport) -> Iterator[Any]:
    """The card's components."""
    from metaflow.cards import Markdown, Table

    headline = verdict_headline(report.verdict, report.moved, report.hurts)
    yield Markdown(f"# Batch {case.batch.batch_number}: {headline}")
    for reason in report.reasons:
        yield Markdown(f"- {reason}")
    if report.verdict == "broken_feed":
        yield Markdown(how_to_accept(case.batch.batch_id))
    if report.findings:
        yield Markdown("## The checks (closest to its limit first)")
        yield findings_table(report.findings)
    if document := page(report):
        yield Markdown(
            "## NannyML's plots\nThe champion's data in ten chunks, then the batch as one chunk. "
            "Dashed lines are the limits of the verdict."
        )
        yield Markdown(frame(document))
    champion = f"version {case.champion.version}" if case.champion else "none"
    yield Table(
        [
            ["batch id", case.batch.batch_id],
            ["clean rows", f"{case.batch.rows_clean:,} in {case.batch.clean_uri}"],
            ["rows in quarantine", f"{case.batch.rows_quarantined:,}"],
            ["champion", champion],
            ["reference", case.champion.reference_uri if case.champion else "none"],
            ["correlation id", case.correlation_id],
        ],
        headers=["", ""],
    )


def findings_table(findings: Sequence[Finding]) -> Any:
    """A card's table of findings, the closest to its limit first."""
    from metaflow.cards import Table

    return Table(
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
        headers=["", "check", "would show", "value", "limit", "result"],
    )
