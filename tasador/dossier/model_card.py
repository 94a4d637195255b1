"""The model card: what a version is, how good, where not, and why; every figure measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tasador.dossier import plots
from tasador.dossier.baseline import baseline_rows
from tasador.dossier.blocks import Block, Picture, Rows, Text
from tasador.dossier.contract import contract_rows
from tasador.dossier.facts import ALL, Facts, Measured
from tasador.dossier.sbom import IMAGES
from tasador.listings.listing import MARKET_PRICE

# A slice with fewer rows says little; it is in metrics.json all the same.
_FEWEST_SHOWN = 30
_FEATURES_SHOWN = 12

_COLUMNS = {
    "house_size": "house size",
    "acre_lot": "lot",
    "bed": "bedrooms",
    "bath": "bathrooms",
    "prev_sold_date": "last sale",
    "brokered_by": "broker",
}


def model_card(
    facts: Facts, found: Measured, contract: dict[str, Any], baseline: dict[str, Any]
) -> Iterator[Block]:
    """The blocks of the card, from what it is for down to how it was made."""
    yield from _head(facts)
    yield from _use(facts, found)
    yield from _data(facts, contract)
    yield from _measures(found)
    yield from _unknown_states(found)
    yield from _effects(found)
    yield Text("## Limits\n\n" + _listed(_limits(facts, found)))
    yield Text("## The gate")
    yield Rows(
        ["", "check", "what was found"],
        [["✔" if c["passed"] else "✘", f"`{c['name']}`", c["says"]] for c in facts.record.checks],
    )
    limits = baseline["limits"]
    yield Text(
        "## What later batches are compared with\n\nA sample of "
        f"{baseline['rows']:,} rows of the training data, in full beside the bundle. A field has "
        f"moved at a distance (Kolmogorov-Smirnov or Jensen-Shannon) of {limits['distance']:.2f}, "
        f"or where chance, whole brokers or single months go farther, beyond that; it hurts where "
        f"the error rises by {limits['error_rise']:.0%}. All limits are in "
        "[drift-baseline.json](drift-baseline.json)."
    )
    yield baseline_rows(baseline)
    yield from _made(facts)


def _head(facts: Facts) -> Iterator[Block]:
    record, manifest = facts.record, facts.bundle.manifest
    against = f"against version {record.champion_version}" if record.champion_version else "alone"
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


def _use(facts: Facts, found: Measured) -> Iterator[Block]:
    low, high = MARKET_PRICE
    states = facts.bundle.manifest.categories.get("state", [])
    wide = found.evaluation.high["90"] / found.evaluation.low["90"] > 3
    yield Text(
        "## What it is for\n\n"
        "It estimates the price of a home or lot listed in the United States from any subset of "
        "eleven fields, with intervals at 80, 90 and 95 % and an exact account of each price. It "
        "is meant for looking over many listings and for a first guess at one."
    )
    yield Text(
        "## When not to use it\n\n"
        + _listed(
            [
                "As an appraisal for a loan, a tax or an insurance: it has seen no house, only "
                "eleven fields of its listing, and prices that were asked as well as paid.",
                f"For prices that may lie outside of ${low:,.0f} to ${high:,.0f}: such listings "
                "were left out of the training.",
                "For rents, commercial property or anything outside of the United States.",
                f"For states other than the {len(states)} that it knows, unless the errors under "
                '"States never met" are good enough.',
                "Where its own interval is too wide to decide by: for "
                f"{np.mean(wide):.0%} of the holdout the upper end of the 90 % interval is more "
                "than three times the lower.",
                "Once the drift flow says that the market has moved and that it hurts.",
            ]
        )
    )


def _data(facts: Facts, contract: dict[str, Any]) -> Iterator[Block]:
    data = facts.bundle.manifest.data
    known = {name: data[name] for name in ("rows", "properties") if name in data}
    counted = " of ".join(f"{count:,} {name}" for name, count in known.items())
    yield Text(
        f"## Data\n\nTrained on {counted}; one property in ten is the permanent holdout, which no "
        f"model is trained on. Fingerprint `{data.get('fingerprint', '')}`."
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
        "What each field may hold is in [data-contract.json](data-contract.json); in the clean "
        "rows there was:"
    )
    yield contract_rows(contract)


def _measures(found: Measured) -> Iterator[Block]:
    yield Text(
        f"## How good it is\n\nOn {len(found.evaluation.actual):,} rows of the permanent holdout, "
        "by what is known of a listing. The error is relative to the price."
    )
    yield Rows(
        ["", "rows", "R²", "median error", "RMSE", "holds at 80 %", "at 90 %", "at 95 %"],
        [_measure_row(name, told) for name, told in found.by_group.items()],
    )
    yield Picture(
        "plots/prices.png", "Predicted against actual prices", plots.prices(found.evaluation)
    )
    yield Text("By state and by price band (all of them are in [metrics.json](metrics.json)):")
    shown = [
        (part["kind"], part["slice"], part["median_error"], int(part["rows"]))
        for part in found.slices
        if part["rows"] >= _FEWEST_SHOWN
    ]
    states = sorted((p for p in shown if p[0] == "state"), key=lambda part: part[2])
    yield Picture(
        "plots/slices.png",
        "Median error by state and by price band",
        plots.slices(
            [*states, *(p for p in shown if p[0] != "state")],
            found.by_group[ALL]["median_error"],
        ),
    )
    yield Text("## Calibration")
    yield Picture(
        "plots/calibration.png",
        "Left: how often the intervals hold. Right: prices against predictions",
        plots.calibration(found.evaluation, found.groups),
    )


def _unknown_states(found: Measured) -> Iterator[Block]:
    yield Text("## States never met")
    left = found.left_out
    if left is None:
        yield Text(f"Not measured: {found.no_left_out}.")
        return
    yield Text(
        f"Models with the same parameters, trained {len(left.rotations)} times on a sample of "
        f"{left.rows:,} rows, each time without a part of the states, and judged on those. The "
        "version itself has learnt more rows, so take this as the worse end."
    )
    every = _measure_row("all left-out states", left.metrics)
    yield Rows(
        ["left out", "rows", "R²", "median error", "RMSE", "holds at 80 %", "at 90 %", "at 95 %"],
        [
            every,
            *(
                _measure_row(f"{len(turn.states)} states: {_few(turn.states)}", turn.metrics)
                for turn in left.rotations
            ),
        ],
    )
    shown = {name: told for name, told in left.states.items() if told["rows"] >= _FEWEST_SHOWN}
    yield Picture(
        "plots/left-out.png",
        "Median error of each state when it was left out",
        plots.left_out(shown, left.metrics["median_error"]),
    )


def _effects(found: Measured) -> Iterator[Block]:
    effects = found.effects
    count = len(next(iter(effects.columns.values())))
    yield Text(
        f"## What moves the price\n\nExact Tree-SHAP of {count:,} listings of the holdout, in "
        "shares of their prices: each dot is a listing."
    )
    yield Picture(
        "plots/effects.png", "Effect of each field on the price", plots.effects(effects, _COLUMNS)
    )
    yield Rows(
        ["feature", "mean effect on the price"],
        [
            [f"`{name}`", f"{np.abs(values).mean():.1%}"]
            for name, values in list(effects.features.items())[:_FEATURES_SHOWN]
        ],
    )


def _limits(facts: Facts, found: Measured) -> Iterator[str]:
    whole = found.by_group[ALL]
    yield (
        f"Half of its estimates are off by more than {whole['median_error']:.0%}; the 90 % "
        f"interval is {whole['width_90']:.0%} of the price wide at the median."
    )
    parts = [part for part in found.slices if part["rows"] >= _FEWEST_SHOWN]
    if parts:
        worst = max(parts, key=lambda part: part["median_error"])
        yield (
            f"It is weakest for {worst['slice']}: a median error of {worst['median_error']:.0%} on "
            f"{worst['rows']:,.0f} rows."
        )
    low = [part for part in parts if part["coverage_90"] < 0.85]
    if low:
        told = ", ".join(f"{part['slice']} ({part['coverage_90']:.0%})" for part in low[:6])
        yield f"The 90 % interval holds clearly less often than promised for {told}."
    if (left := found.left_out) is not None:
        yield (
            f"In a state that it has never met, expect a median error of "
            f"{left.metrics['median_error']:.0%} and an interval of 90 % that holds "
            f"{left.metrics['coverage_90']:.0%} of the prices."
        )
    first = min(batch.fetched_at for batch in facts.batches)
    last = max(batch.fetched_at for batch in facts.batches)
    yield (
        f"It knows the market as its batches showed it, fetched {first:%Y-%m-%d} to "
        f"{last:%Y-%m-%d}; a listing carries no date of its own."
    )
    yield (
        "It knows a place by its zip code, city and state, and nothing of the view, the condition "
        "or the age of a house. Prices of the past carry the inequities of the past."
    )


def _made(facts: Facts) -> Iterator[Block]:
    yield Text("## How it was made")
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
                "[data-contract.json](data-contract.json): the twelve columns, for a machine",
                "[drift-baseline.json](drift-baseline.json): the summary of the drift reference",
                "[gate.json](gate.json): the decision with every check's numbers",
                "[metrics.json](metrics.json): every slice; [leave-out.json](leave-out.json): "
                "every rotation",
                *(
                    f"[sbom-{name}.cdx.json](sbom-{name}.cdx.json): CycloneDX, what the image of "
                    f"{image.purpose} is made of"
                    for name, image in IMAGES.items()
                ),
                "[licences.md](licences.md): the licence of each of those packages",
                "[dossier.json](dossier.json): these files with their checksums",
            ]
        )
    )


def _measure_row(name: str, told: Mapping[str, float]) -> list[str]:
    return [
        name,
        f"{told['rows']:,.0f}",
        f"{told['r2']:.3f}",
        f"{told['median_error']:.1%}",
        f"${told['rmse']:,.0f}",
        *(f"{told[f'coverage_{level}']:.1%}" for level in ("80", "90", "95")),
    ]


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def _listed(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines)
