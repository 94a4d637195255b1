"""Whether a field holds what no market has: one value for all homes, no state, no day of a sale.

A column of zeros, two columns that changed places, dates that were shifted: each value can be read,
so nothing was refused and nothing is missing. As in ``feed``, only gross breaks count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasador.clock import now
from tasador.drift.checks import CheckResult, Finding
from tasador.drift.thresholds import Thresholds
from tasador.listings.states import STATE_NAMES

if TYPE_CHECKING:
    import pandas as pd

# Hardly two homes have the same one.
_OWN = ("price", "house_size", "street")
# Many homes have the same number, lots of one development for example, yet not all of them.
_SHARED = ("bed", "bath", "acre_lot")
_ALL = 0.98
# A batch may come from one place; but a new name in many states is no place.
_PLACES = ("city", "zip_code")
# Days that databases, spreadsheets and programs write for an unknown one: those of the years before
# 1900 and the first of that year, and the first that Unix can count.
_FIRST_DAY, _UNIX = "1900-01-02", "1970-01-01"


def garbled(
    reference: pd.DataFrame, batch: pd.DataFrame, thresholds: Thresholds | None = None
) -> CheckResult:
    """Check the values of most listings, compared with the champion's data; raw rows of both."""
    limits = thresholds or Thresholds()
    checked = CheckResult()

    def add(column: str, odd: pd.Series, usual: float, limit: float, message: str) -> None:
        share = float(odd.mean())
        finding = Finding(
            name="garbled",
            column=column,
            value=share - usual,
            limit=limit,
            effect="broken",
            message=f"{message} in {share:.0%} of the listings that have one, compared with "
            f"{usual:.0%} in the champion's data",
        )
        checked.add(finding)
        checked.scores[column] = {"rate": share, "reference": usual, **finding.scored}

    for column in (*_OWN, *_SHARED, *_PLACES, "state", "prev_sold_date"):
        values, before = batch[column].dropna(), reference[column].dropna()
        if len(values) < limits.fewest_rows or before.empty:
            continue
        if column == "state":
            odd, was_odd = (~known.isin(STATE_NAMES) for known in (values, before))
            shown = ", ".join(map(str, values[odd].value_counts().index[:3]))
            message = f"state is no state{f' ({shown})' if shown else ''}"
            add(column, odd, float(was_odd.mean()), limits.broken, message)
        elif column == "prev_sold_date":
            odd, was_odd = (_no_day_of_a_sale(known) for known in (values, before))
            message = "prev_sold_date is in the future or stands for an unknown day"
            add(column, odd, float(was_odd.mean()), limits.broken, message)
        else:
            most = values.mode().iloc[0]
            usual = float((before == most).mean())
            if column in _PLACES and (usual or not _in_many_states(batch, column, most)):
                continue
            is_shared = column in _SHARED and most != 0
            limit = max(limits.broken, _ALL - usual) if is_shared else limits.broken
            text = f"{most:,.10g}" if isinstance(most, float) else most
            add(column, values == most, usual, limit, f"{column} is {text}")
    return checked


def _no_day_of_a_sale(dates: pd.Series) -> pd.Series:
    today = now().date().isoformat()
    return (dates > today) | (dates < _FIRST_DAY) | (dates == _UNIX)


def _in_many_states(batch: pd.DataFrame, column: str, value: object) -> bool:
    """Whether no state has half of the listings with this value."""
    states = batch.loc[batch[column] == value, "state"].dropna().value_counts(normalize=True)
    return not states.empty and float(states.iloc[0]) < 0.5
