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


# A share of missing values that differs by less from the champion's data is not worth a row.
_USUAL = 0.01
# So many rows are not worth folding.
_FEW = 3


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
    if document := page(report):
        yield Markdown(
            "## NannyML's plots\nThe champion's data in ten chunks, then the batch as one chunk. "
            "Dashed lines are the verdict's limits for the whole batch; a small chunk of the "
            "champion's data may exceed one by chance."
        )
        yield Markdown(frame(document))


def findings_table(findings: Sequence[Finding]) -> Any:
    """A card's table of findings, the closest to its limit first."""
    from metaflow.cards import Table

    headers = ["", "check", "would show", "value", "limit", "result"]
    return Table(finding_rows(findings), headers=headers)


def finding_rows(findings: Sequence[Finding]) -> list[list[str]]:
    """A row for each finding; the fields that are missing as often as usual share the last one."""
    usual = [f for f in findings if _is_missing_as_usual(f)]
    if len(usual) < _FEW:
        usual = []
    told = [f for f in findings if f not in usual]
    rows = [
        [
            "✘" if f.exceeded else "✔",
            f"{f.name.replace('_', ' ')} {f.column}".rstrip(),
            {"both": "moved, hurts"}.get(f.effect, f.effect),
            f"{f.value:.3f}",
            f"{f.limit:.3f}",
            f.message,
        ]
        for f in sorted(told, key=lambda f: -f.value / f.limit)
    ]
    if usual:
        rows.append(
            [
                "✔",
                f"missing, {len(usual)} fields",
                "moved",
                f"{max(f.value for f in usual):.3f}",
                f"{min(f.limit for f in usual):.3f}",
                f"missing as often as in the champion's data: {', '.join(f.column for f in usual)}",
            ]
        )
    return rows


def _is_missing_as_usual(finding: Finding) -> bool:
    return finding.name == "missing" and not finding.exceeded and finding.value < _USUAL
