"""The model card's ratio study; the train flow's card shows the same blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasador.dossier.blocks import Block, Rows, Text
from tasador.model.confidence import LIMITS
from tasador.ratio_study import words
from tasador.ratio_study.groups import STATE
from tasador.ratio_study.study import Study


def confidence(measured: Mapping[str, Any]) -> Iterator[Block]:
    """What each class of confidence is worth; ``measured`` is ``Manifest.confidence``."""
    yield Text(
        "## Confidence\n\nEach price has a forecast standard deviation (FSD), the relative error "
        "that 68 % of such listings stay within, and a class: high up to an FSD of "
        f"{LIMITS[0]:.0%}, medium up to {LIMITS[1]:.0%}, low above. Each half of the permanent "
        "holdout is judged by what was measured on the other."
    )
    if not measured:
        yield Text("Not measured: there are too few rows, or an older release trained the model.")
        return
    yield Rows(
        ["class", "rows", "share", "within their FSD", "PPE10", "PPE20", "P15L", "P15H"],
        [
            [
                name,
                f"{of['rows']:,}",
                f"{of['share']:.1%}",
                *(
                    "too few rows" if of[figure] is None else f"{of[figure]:.1%}"
                    for figure in ("within_fsd", "ppe10", "ppe20", "p15_low", "p15_high")
                ),
            ]
            for name, of in measured["classes"].items()
        ],
    )
    if states := measured["within_fsd_by_state"]:
        shown = ", ".join(f"{name} {share:.1%}" for name, share in states.items())
        yield Text(f"Within their FSD in each state with enough rows: {shown}.")


def ratios(study: Study) -> Iterator[Block]:
    """The figures of all rows, then the groups without states."""
    overall = study.overall
    yield Text(
        "## Ratio study\n\nThe estimates over the prices of the permanent holdout, as assessors "
        "measure them."
    )
    if not overall.figures:
        yield Text(f"{words.TOO_FEW}.")
        return
    yield Rows(words.DETAIL_HEADERS, words.detail_rows(overall))
    for kind, groups in words.kinds(study).items():
        if kind == STATE:
            continue
        yield Rows(
            [kind, *words.headers(words.MAIN)[1:]],
            [words.group_row(group, words.MAIN) for group in groups],
        )
    yield Text("\n".join(f"- {note}" for note in words.notes(study)))
