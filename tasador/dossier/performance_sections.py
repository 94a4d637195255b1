"""The model card's sections on performance: metrics, calibration, unknown states, effects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tasador.dossier import plots
from tasador.dossier.blocks import Block, Picture, Rows, Text
from tasador.dossier.facts import Measured
from tasador.ratio_study.study import ALL

# A slice with fewer rows says little; metrics.json has it all the same.
FEWEST_SHOWN = 30
_FEATURES_SHOWN = 12
_METRIC_HEADERS = [
    "rows",
    "R²",
    "median error",
    "RMSE",
    "coverage at 80 %",
    "at 90 %",
    "at 95 %",
]

_COLUMNS = {
    "house_size": "house size",
    "acre_lot": "lot",
    "bed": "bedrooms",
    "bath": "bathrooms",
    "prev_sold_date": "last sale",
    "brokered_by": "broker",
}


def performance(measured: Measured) -> Iterator[Block]:
    """How good it is, by known fields, state and price band; calibration."""
    yield Text(
        "## How good it is\n\n"
        f"On {len(measured.evaluation.actual):,} rows of the permanent holdout, by which fields "
        "are known. Errors are relative to the price."
    )
    yield Rows(
        ["", *_METRIC_HEADERS],
        [_metric_row(name, metrics) for name, metrics in measured.by_group.items()],
    )
    yield Picture(
        "plots/prices.png", "Predicted against actual prices", plots.prices(measured.evaluation)
    )
    yield Text("By state and by price band (the full list is in [metrics.json](metrics.json)):")
    shown = [
        (metrics["kind"], metrics["slice"], metrics["median_error"], int(metrics["rows"]))
        for metrics in measured.slices
        if metrics["rows"] >= FEWEST_SHOWN
    ]
    states = sorted((s for s in shown if s[0] == "state"), key=lambda slice_: slice_[2])
    yield Picture(
        "plots/slices.png",
        "Median error by state and by price band",
        plots.slices(
            [*states, *(s for s in shown if s[0] != "state")],
            measured.by_group[ALL]["median_error"],
        ),
    )
    yield Text("## Calibration")
    yield Picture(
        "plots/calibration.png",
        "Left: coverage of the intervals. Right: prices against predictions",
        plots.calibration(measured.evaluation, measured.groups),
    )


def unknown_states(measured: Measured) -> Iterator[Block]:
    """How it prices states that it was not trained on."""
    yield Text("## Unknown states")
    left_out = measured.left_out
    if left_out is None:
        yield Text(f"Not measured: {measured.no_left_out}.")
        return
    yield Text(
        f"Models with the same parameters, trained {len(left_out.rotations)} times on a sample of "
        f"{left_out.rows:,} rows, each time without some of the states, and judged on those. The "
        "version itself was trained on more rows, so these figures are pessimistic."
    )
    yield Rows(
        ["left out", *_METRIC_HEADERS],
        [
            _metric_row("all left-out states", left_out.metrics),
            *(
                _metric_row(
                    f"{len(rotation.states)} states: {_first_names(rotation.states)}",
                    rotation.metrics,
                )
                for rotation in left_out.rotations
            ),
        ],
    )
    shown = {
        name: metrics
        for name, metrics in left_out.states.items()
        if metrics["rows"] >= FEWEST_SHOWN
    }
    yield Picture(
        "plots/left-out.png",
        "Median error of each state when it was left out",
        plots.left_out(shown, left_out.metrics["median_error"]),
    )


def effects(measured: Measured) -> Iterator[Block]:
    """What moves the price: the effect of each field and feature."""
    by_column = measured.effects.columns
    count = len(next(iter(by_column.values())))
    yield Text(
        f"## What moves the price\n\nExact Tree-SHAP of {count:,} listings of the holdout, in "
        "shares of their prices. Each dot is a listing."
    )
    yield Picture(
        "plots/effects.png",
        "Effect of each field on the price",
        plots.effects(measured.effects, _COLUMNS),
    )
    yield Rows(
        ["feature", "mean effect on the price"],
        [
            [f"`{name}`", f"{np.abs(values).mean():.1%}"]
            for name, values in list(measured.effects.features.items())[:_FEATURES_SHOWN]
        ],
    )


def _metric_row(name: str, metrics: Mapping[str, float]) -> list[str]:
    return [
        name,
        f"{metrics['rows']:,.0f}",
        f"{metrics['r2']:.3f}",
        f"{metrics['median_error']:.1%}",
        f"${metrics['rmse']:,.0f}",
        *(f"{metrics[f'coverage_{level}']:.1%}" for level in ("80", "90", "95")),
    ]


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
