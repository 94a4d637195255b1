"""How a change of one column is told to people, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasador.drift.measures import ANSWER, RATIO
from tasador.drift.units import Unit

if TYPE_CHECKING:
    import pandas as pd

_ALL = 0.95  # the share from which a unit is said to be that of all values


def headline_of(verdict: str, moved: bool, hurts: bool) -> str:
    """The verdict in a few words: both whether the market moved and whether it hurts."""
    if verdict == "train":
        return "there is no champion yet: train one"
    if moved:
        return f"the market moved, and it {'hurts' if hurts else 'does not hurt'} the champion"
    return (
        "the champion errs more, though nothing moved"
        if hurts
        else "no drift: the champion goes on"
    )


def shift_in_words(
    there: pd.Series, here: pd.Series, value: float, limit: float, unit: Unit | None = None
) -> str:
    """The change of a number (both sides as measured, log1p) from the reference to the batch."""
    numbers = f"Kolmogorov-Smirnov {value:.2f}, limit {limit:.2f}"
    column = str(there.name)
    now, usual = float(here.median()), float(there.median())
    if column == RATIO:
        return (
            f"the ratio of price to the champion's prediction is distributed differently "
            f"({numbers}): median {math.exp(now):.2f} against {math.exp(usual):.2f}"
        )
    if column == ANSWER:
        return (
            f"the champion's answers are distributed differently ({numbers}): median "
            f"{_amount(math.exp(now))} dollars against {_amount(math.exp(usual))}"
        )
    medians = f"median {_amount(math.expm1(now))} against {_amount(math.expm1(usual))}"
    if unit is not None:
        some = f" in {unit.share:.0%} of the listings" if unit.share < _ALL else ""
        return (
            f"{column} looks like {unit.name}{some}: {medians} in the champion's data ({numbers})"
        )
    return f"{column} is distributed differently ({numbers}): {medians}"


def mix_in_words(there: pd.Series, here: pd.Series, value: float, limit: float) -> str:
    """The change of a category's shares, and where it is greatest."""
    shares = [s.value_counts(normalize=True) for s in (here, there)]
    change = shares[0].sub(shares[1], fill_value=0)
    most: Sequence[Any] = change.abs().sort_values(ascending=False, kind="stable").index[:3]
    moves = ", ".join(f"{c} {_share(shares[1], c)} → {_share(shares[0], c)}" for c in most)
    return (
        f"the mix of {there.name} changed (Jensen-Shannon {value:.2f}, limit {limit:.2f}), "
        f"most of all {moves}"
    )


def brokers_in_words(shares: pd.Series, usual: pd.Series) -> str:
    """What the brokers that gained most have now (shares of the listings), and had before."""
    most = ", ".join(f"{name} {share:.1%}" for name, share in list(shares.items())[:3])
    brokers = "one broker has" if len(shares) == 1 else f"{len(shares)} brokers have"
    return (
        f"the mix of brokers changed: {brokers} {shares.sum():.0%} of the listings, against "
        f"{usual.sum():.0%} in the champion's data (most of all {most})"
    )


def _share(shares: pd.Series, category: Any) -> str:
    share = float(shares.get(category, 0.0))
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
