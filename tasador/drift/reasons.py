"""The texts that explain a drift verdict to people, with their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasador.drift.measures import ANSWER, RATIO
from tasador.drift.units import Unit

if TYPE_CHECKING:
    import pandas as pd

_ALL = 0.95  # the share from which a unit counts as that of all values


def verdict_headline(verdict: str, moved: bool, hurts: bool) -> str:
    """The verdict in one line: whether the market moved and whether that hurts the champion."""
    if verdict == "train":
        return "there is no champion to judge by: train one"
    if verdict == "broken_feed":
        return "broken feed: the batch trains nothing"
    if moved:
        return f"the market moved, and it {'hurts' if hurts else 'does not hurt'} the champion"
    return (
        "the champion's error rose, though nothing moved"
        if hurts
        else "no drift: the champion keeps serving"
    )


def how_to_accept(batch_id: str) -> str:
    """What a person can do about a batch whose feed broke."""
    return (
        "The batch is not trained on, now or later. If its rows are right all the same, run "
        f"`tasador batch accept {batch_id}`."
    )


def describe_shift(
    reference: pd.Series, current: pd.Series, value: float, limit: float, unit: Unit | None = None
) -> str:
    """Describe the change of a numeric column (both series as measured, log1p)."""
    numbers = f"Kolmogorov-Smirnov {value:.2f}, limit {limit:.2f}"
    column = str(reference.name)
    now, usual = float(current.median()), float(reference.median())
    how = "differently" if value > limit else "much as before"
    if column == RATIO:
        return (
            f"the ratio of price to the champion's prediction is distributed {how} ({numbers}): "
            f"median {math.exp(now):.2f}, compared with {math.exp(usual):.2f}"
        )
    if column == ANSWER:
        return (
            f"the champion's predictions are distributed {how} ({numbers}): median "
            f"{_amount(math.exp(now))} dollars, compared with {_amount(math.exp(usual))}"
        )
    medians = f"median {_amount(math.expm1(now))}, compared with {_amount(math.expm1(usual))}"
    if unit is not None:
        some = f" in {unit.share:.0%} of the listings" if unit.share < _ALL else ""
        return (
            f"{column} looks like {unit.name}{some}: {medians} in the champion's data ({numbers})"
        )
    return f"{column} is distributed {how} ({numbers}): {medians}"


def describe_mix(reference: pd.Series, current: pd.Series, value: float, limit: float) -> str:
    """Describe the change of a category's shares, with the three largest changes."""
    now, usual = (s.value_counts(normalize=True) for s in (current, reference))
    change = now.sub(usual, fill_value=0)
    most: Sequence[Any] = change.abs().sort_values(ascending=False, kind="stable").index[:3]
    moves = ", ".join(f"{c} {_share(usual, c)} → {_share(now, c)}" for c in most)
    what = "changed" if value > limit else "is much as before"
    return (
        f"the mix of {reference.name} {what} (Jensen-Shannon {value:.2f}, limit {limit:.2f}), "
        f"most of all {moves}"
    )


def describe_brokers(shares: pd.Series, usual: pd.Series, *, exceeded: bool) -> str:
    """Describe the brokers that gained most: their shares of the listings, now and before."""
    most = ", ".join(f"{name} {share:.1%}" for name, share in list(shares.items())[:3])
    brokers = "one broker has" if len(shares) == 1 else f"{len(shares)} brokers have"
    return (
        f"the mix of brokers {'changed' if exceeded else 'is much as before'}: {brokers} "
        f"{shares.sum():.0%} of the listings, compared with {usual.sum():.0%} in the champion's "
        f"data (most of all {most})"
    )


def _share(shares: pd.Series, category: Any) -> str:
    share = float(shares.get(category, 0.0))
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
