"""What a person wants to see of a judgement: the verdict, every question put, NannyML's plots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasador.drift.plots import frame, page

if TYPE_CHECKING:
    from tasador.drift.judge import DriftReport
    from tasador.drift.verbs import Case

_VERDICTS = {
    "train": "there is no champion: train one",
    "drift": "the market moved",
    "no_drift": "no drift",
}


def sections(case: Case, report: DriftReport) -> Iterator[Any]:
    """The card's components."""
    from metaflow.cards import Markdown, Table

    yield Markdown(f"# Batch {case.batch.batch_number}: {_VERDICTS[report.verdict]}")
    for reason in report.reasons:
        yield Markdown(f"- {reason}")
    if report.findings:
        yield Markdown("## What was asked (the nearest to its limit first)")
        yield Table(
            [
                [
                    "✘" if f.exceeded else "✔",
                    f"{f.name.replace('_', ' ')} {f.column}".rstrip(),
                    f"{f.value:.3f}",
                    f"{f.limit:.3f}",
                    f.says,
                ]
                for f in sorted(report.findings, key=lambda f: -f.value / f.limit)
            ],
            headers=["", "question", "value", "limit", "what was found"],
        )
    if document := page(report):
        yield Markdown(
            "## NannyML's plots\nThe champion's data in chunks as large as the batch, then the "
            "batch as one chunk; dashed are the limits of the verdict."
        )
        yield Markdown(frame(document))
    champion = f"version {case.champion.version}" if case.champion else "none"
    yield Table(
        [
            ["batch id", case.batch.batch_id],
            ["clean rows", f"{case.batch.rows_clean:,} in {case.batch.clean_uri}"],
            ["champion", champion],
            ["reference", case.champion.reference_uri if case.champion else "none"],
            ["correlation id", case.correlation_id],
        ],
        headers=["", ""],
    )
