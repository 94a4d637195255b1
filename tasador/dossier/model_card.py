"""The model card: what a version is for, how good it is, its limits; every figure is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tasador.dossier.baseline import baseline_rows
from tasador.dossier.blocks import Block, Rows, Text
from tasador.dossier.contract import contract_rows
from tasador.dossier.facts import Facts, Measured
from tasador.dossier.names import PAGE
from tasador.dossier.performance_sections import (
    FEWEST_SHOWN,
    effects,
    performance,
    unknown_states,
)
from tasador.dossier.ratio_section import confidence, ratios
from tasador.dossier.sbom import IMAGES
from tasador.listings.listing import MARKET_PRICE
from tasador.ratio_study.study import ALL


def model_card(
    facts: Facts, measured: Measured, contract: dict[str, Any], baseline: dict[str, Any]
) -> Iterator[Block]:
    """The blocks of the card, from its purpose to how it was trained."""
    yield from _head(facts)
    yield from _use(facts, measured)
    yield from _data(facts, contract)
    yield from performance(measured)
    yield from ratios(measured.ratio_study)
    yield from confidence(facts.bundle.manifest.confidence)
    yield from unknown_states(measured)
    yield from effects(measured)
    yield Text("## Limits\n\n" + _listed(_limits(facts, measured)))
    yield Text("## The gate")
    yield Rows(
        ["", "check", "result"],
        [["✔" if c["passed"] else "✘", f"`{c['name']}`", c["says"]] for c in facts.record.checks],
    )
    limits = baseline["limits"]
    yield Text(
        "## What later batches are compared with\n\nA sample of "
        f"{baseline['rows']:,} rows of the training data, stored next to the bundle. A field has "
        f"moved if its distance (Kolmogorov-Smirnov or Jensen-Shannon) exceeds "
        f"{limits['distance']:.2f}, or more if chance, whole brokers or single months account for "
        f"more. Drift hurts if the error rises by {limits['error_rise']:.0%}. All limits are in "
        "[drift-baseline.json](drift-baseline.json)."
    )
    yield baseline_rows(baseline)
    yield from _training(facts)


def _head(facts: Facts) -> Iterator[Block]:
    record, manifest = facts.record, facts.bundle.manifest
    against = (
        f"against version {record.champion_version}"
        if record.champion_version
        else "without a champion"
    )
    yield Text(
        f"# {record.model}\n\n**{record.decision}** on "
        f"{record.decided_at:%Y-%m-%d %H:%M} UTC, judged {against}:\n\n" + _listed(record.reasons)
    )
    yield Rows(
        ["", ""],
        [
            ["digest", f"`{record.digest}`"],
            ["MLflow run", f"`{record.run_id}`"],
            ["correlation id", f"`{record.correlation_id}`"],
            ["code", f"`{manifest.git_sha or 'unknown'}`"],
            ["engine", f"xgboost {manifest.xgboost}"],
            ["bundle", record.model_uri],
        ],
    )


def _use(facts: Facts, measured: Measured) -> Iterator[Block]:
    low, high = MARKET_PRICE
    states = facts.bundle.manifest.categories.get("state", [])
    wide = measured.evaluation.high["90"] / measured.evaluation.low["90"] > 3
    yield Text(
        "## What it is for\n\n"
        "It estimates the price of a home or lot listed in the United States from any subset of "
        "eleven fields, with intervals at 80, 90 and 95 % and an exact explanation of each price. "
        "It is meant for screening many listings and for a first estimate of one."
    )
    yield Text(
        "## When not to use it\n\n"
        + _listed(
            [
                "As an appraisal for a loan, a tax or an insurance: it knows no house, only "
                "eleven fields of its listing, and it is trained on both asking and paid prices.",
                f"For prices that may lie outside ${low:,.0f} to ${high:,.0f}: such listings were "
                "left out of training.",
                "For rents, commercial property or anything outside the United States.",
                f"For states other than the {len(states)} that it was trained on, unless the "
                'errors under "Unknown states" are good enough.',
                "When its interval is too wide for the decision: for "
                f"{np.mean(wide):.0%} of the holdout the upper bound of the 90 % interval is more "
                "than three times the lower bound.",
                "After the drift flow has reported that the market moved and hurts the model.",
            ]
        )
    )


def _data(facts: Facts, contract: dict[str, Any]) -> Iterator[Block]:
    data = facts.bundle.manifest.data
    known = {name: data[name] for name in ("rows", "properties") if name in data}
    counted = " of ".join(f"{count:,} {name}" for name, count in known.items())
    if share := data.get("share_of_properties"):
        counted += f", a sample of {share:.1%} of the properties, chosen by a hash of the property"
    yield Text(
        f"## Data\n\nTrained on {counted}; one property in ten is in the permanent holdout, "
        f"which no model is trained on. Fingerprint `{data.get('fingerprint', '')}`."
    )
    yield Rows(
        ["batch", "source", "fetched", "rows", "clean", "refused"],
        [
            [
                str(batch.batch_number),
                batch.source,
                f"{batch.fetched_at:%Y-%m-%d}",
                f"{batch.rows_raw:,}",
                f"{batch.rows_clean:,}",
                f"{batch.rows_quarantined:,}",
            ]
            for batch in facts.batches
        ],
    )
    yield Text(
        "[data-contract.json](data-contract.json) defines what each field may contain. The clean "
        "rows contained:"
    )
    yield contract_rows(contract)


def _limits(facts: Facts, measured: Measured) -> Iterator[str]:
    whole = measured.by_group[ALL]
    yield (
        f"Half of its estimates are off by more than {whole['median_error']:.0%}; the median "
        f"width of the 90 % interval is {whole['width_90']:.0%} of the price."
    )
    parts = [part for part in measured.slices if part["rows"] >= FEWEST_SHOWN]
    if parts:
        worst = max(parts, key=lambda part: part["median_error"])
        yield (
            f"It is weakest for {worst['slice']}, with a median error of "
            f"{worst['median_error']:.0%} on {worst['rows']:,.0f} rows."
        )
    low = [part for part in parts if part["coverage_90"] < 0.85]
    if low:
        names = ", ".join(f"{part['slice']} ({part['coverage_90']:.0%})" for part in low[:6])
        yield f"The 90 % interval covers clearly fewer prices than it should for {names}."
    if (left_out := measured.left_out) is not None:
        yield (
            f"In a state that it was not trained on, expect a median error of "
            f"{left_out.metrics['median_error']:.0%} and a 90 % interval that covers "
            f"{left_out.metrics['coverage_90']:.0%} of the prices."
        )
    first = min(batch.fetched_at for batch in facts.batches)
    last = max(batch.fetched_at for batch in facts.batches)
    yield (
        f"It knows the market of its batches, fetched from {first:%Y-%m-%d} to {last:%Y-%m-%d}; a "
        "listing itself has no date."
    )
    yield (
        "It knows a place only by zip code, city and state, and does not know the view, the "
        "condition or the age of a house. Prices of the past reflect the inequities of the past."
    )


def _training(facts: Facts) -> Iterator[Block]:
    yield Text("## Training parameters")
    yield Rows(
        ["parameter", "value"],
        [
            [str(k), f"{v:.4g}" if isinstance(v, float) else str(v)]
            for k, v in facts.bundle.manifest.params.items()
        ],
    )
    yield Text(
        "## In this folder\n\n"
        + _listed(
            [
                "[data-contract.json](data-contract.json): the twelve columns, machine-readable",
                f"[{PAGE}]({PAGE}): this card as one page for a browser",
                "[drift-baseline.json](drift-baseline.json): the summary of the drift reference",
                "[gate.json](gate.json): the decision with the numbers of every check",
                "[ratio-study.json](ratio-study.json): every figure of every group; "
                "[ratio-study.html](ratio-study.html): the same with ratio curves",
                "[metrics.json](metrics.json): every slice; [leave-out.json](leave-out.json): "
                "every rotation",
                *(
                    f"[sbom-{name}.cdx.json](sbom-{name}.cdx.json): CycloneDX, the packages of "
                    f"the image of {image.purpose}"
                    for name, image in IMAGES.items()
                ),
                "[licences.md](licences.md): the licence of each package",
                "[dossier.json](dossier.json): these files with their checksums",
            ]
        )
    )


def _listed(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines)
