"""The evidence that a lender's auditor wants, by the five aims of the rule on valuation models.

The rule is "Quality Control Standards for Automated Valuation Models" (12 CFR 323, subpart C, in
force since 2025-10-01). The dossier documents the decision of the gate; what people did since is
added when it is fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tasador.dossier.blocks import Block, Rows, Text
from tasador.records.loop import Batch, DecisionRecord
from tasador.records.review import ReviewRecord

_RATIOS = ("ratio_median", "ratio_cod", "ratio_prb", "ratio_vei", "ratio_mki", "coverage_90")


def evidence(
    decisions: Sequence[DecisionRecord],
    batches: Sequence[Batch],
    reviews: Sequence[ReviewRecord],
) -> Iterator[Block]:
    """The page. ``decisions`` on the version are oldest first and begin with the gate's;
    ``batches`` are those that it was trained on, ``reviews`` the drawn predictions that it made.
    """
    gate = decisions[0]
    yield Text(
        f"# {gate.model}: evidence for an auditor\n\nBy the five aims of 12 CFR 323, subpart C. "
        "The other files of this folder hold the figures."
    )
    yield Text(
        "## (a) Confidence in the estimates\n\nThe ratio study is in "
        "[ratio-study.html](ratio-study.html), the model card in [README.md](README.md). The gate "
        "checked:"
    )
    checks = [check for check in gate.checks if check["name"] in _RATIOS]
    yield Rows(
        ["check", "result"],
        [[f"{'✔' if c['passed'] else '✘'} `{c['name']}`", c["says"]] for c in checks],
    )
    yield Text(
        "## (b) Protection against manipulation of data\n\n"
        f"The model is identified by the digest `{gate.digest}` over all its files, and outside "
        "one machine it is loaded only with a signature of the training flow. Each batch is "
        "identified by the digest of its content, and refused rows are kept with the reason:"
    )
    yield Rows(
        ["batch", "digest", "rows", "clean", "in quarantine", "accepted by hand"],
        [
            [
                str(batch.batch_number),
                batch.batch_id,
                f"{batch.rows_raw:,}",
                f"{batch.rows_clean:,}",
                f"{batch.rows_quarantined:,}",
                f"{batch.accepted_at:%Y-%m-%d}" if batch.accepted_at else "",
            ]
            for batch in batches
        ],
    )
    yield from _people(decisions)
    yield from _sample(reviews)
    yield Text(
        "## (e) Nondiscrimination\n\nThe model sees no figure about people. "
        "`tasador ratio-study --census FILE` compares its ratios by the make-up of zip codes, from "
        "a public table of your choice; keep its page with this dossier."
    )


def _people(decisions: Sequence[DecisionRecord]) -> Iterator[Block]:
    gate = decisions[0]
    started = gate.started_by or "unknown: a release before approvals"
    yield Text(
        "## (c) No conflicts of interest\n\n"
        f"Started by: {started}. The gate decided by fixed rules; "
        + (
            "a person other than the one who started the training had to approve the promotion."
            if gate.decision == "waiting"
            else "no approval by a person was required (TASADOR_APPROVAL)."
        )
    )
    yield Rows(
        ["when (UTC)", "decision", "by", "reasons"],
        [
            [
                f"{decision.decided_at:%Y-%m-%d %H:%M}",
                decision.decision.replace("_", " "),
                decision.decided_by or "the gate",
                " ".join(decision.reasons),
            ]
            for decision in decisions
        ],
    )


def _sample(reviews: Sequence[ReviewRecord]) -> Iterator[Block]:
    if not reviews:
        yield Text(
            "## (d) Random sample testing and reviews\n\nNo prediction of this version has been "
            "drawn: `tasador review draw` draws a sample of a week."
        )
        return
    counts = Counter((review.verdict or "open").replace("_", " ") for review in reviews)
    listed = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    yield Text(
        f"## (d) Random sample testing and reviews\n\n{len(reviews)} predictions of this version "
        f"were drawn at random: {listed}."
    )
    yield Rows(
        ["week", "prediction", "price", "verdict", "by", "note"],
        [
            [
                review.week,
                review.prediction_id,
                f"${review.price:,.0f}",
                (review.verdict or "open").replace("_", " "),
                review.reviewed_by,
                review.note,
            ]
            for review in reviews
        ],
    )
