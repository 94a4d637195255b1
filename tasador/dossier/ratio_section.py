"""The model card's ratio study; the train flow's card shows the same blocks."""

from __future__ import annotations

from collections.abc import Iterator

from tasador.dossier.blocks import Block, Rows, Text
from tasador.ratio_study import words
from tasador.ratio_study.groups import STATE
from tasador.ratio_study.study import Study


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
