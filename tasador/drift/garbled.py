"""Whether a batch holds what no market has: one value for all homes, no state, no day of a sale,
zip codes of other states, every row twice.

A column of zeros, two columns that changed places, dates that were shifted: each value can be read,
so nothing was refused and nothing is missing. As in ``feed``, only gross breaks count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasador.clock import now
from tasador.drift.checks import CheckResult, Finding
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import COLUMNS
from tasador.listings.states import STATE_NAMES

if TYPE_CHECKING:
    import pandas as pd

# Hardly two homes have the same one.
_OWN = ("price", "house_size", "street")
# Many homes have the same number, lots of one development for example, yet not all of them.
_SHARED = ("bed", "bath", "acre_lot")
_ALL = 0.98
# A batch may come from one place; but a new name in many states is not a place.
_PLACES = ("city", "zip_code")
# Days that databases, spreadsheets and programs write for an unknown one: those of the years before
# 1900 and the first of that year, and the first that Unix can count.
_FIRST_DAY, _UNIX = "1900-01-02", "1970-01-01"
# The first three digits of a zip code are a post office's area, which lies in one state; the
# champion's data says in which, if as many of its listings agree.
_AREA, _LISTINGS, _AGREE = 3, 3, 0.9


def garbled(
    reference: pd.DataFrame,
    batch: pd.DataFrame,
    thresholds: Thresholds | None = None,
    *,
    whole: pd.DataFrame | None = None,
) -> CheckResult:
    """Check the values of most listings, compared with the champion's data; raw rows of both.

    ``batch`` may be a sample of the ``whole`` batch, in which few copies of a row would meet.
    """
    limits = thresholds or Thresholds()
    whole = batch if whole is None else whole
    checked = CheckResult()

    def add(
        column: str, odd: pd.Series, usual: float, limit: float, message: str, score: str = ""
    ) -> None:
        share = float(odd.mean())
        where = f"{share:.0%} of the listings{' that have one' if column else ''}"
        finding = Finding(
            name="garbled",
            column=column,
            value=share - usual,
            limit=limit,
            effect="broken",
            message=f"{message} in {where}, compared with {usual:.0%} in the champion's data",
        )
        checked.add(finding)
        checked.scores[score or column] = {"rate": share, "reference": usual, **finding.scored}

    for column in (*_OWN, *_SHARED, *_PLACES, "state", "prev_sold_date"):
        values, before = batch[column].dropna(), reference[column].dropna()
        if len(values) < limits.fewest_rows or before.empty:
            continue
        if column == "state":
            odd, was_odd = (~known.isin(STATE_NAMES) for known in (values, before))
            shown = ", ".join(map(str, values[odd].value_counts().index[:3]))
            message = f"state is not a state{f' ({shown})' if shown else ''}"
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
    home = _states_of_areas(reference)
    if (astray := _of_another_state(batch, home)).size >= limits.fewest_rows:
        usual = float(_of_another_state(reference, home).mean())
        message = "zip_code lies in another state than state says"
        add("zip_code", astray, usual, limits.broken, message, "state of zip_code")
    if len(whole) >= limits.fewest_rows:
        usual = float(_repeated(reference).mean())
        add("", _repeated(whole), usual, limits.broken, "a row is there more than once", "rows")
    return checked


def _no_day_of_a_sale(dates: pd.Series) -> pd.Series:
    today = now().date().isoformat()
    return (dates > today) | (dates < _FIRST_DAY) | (dates == _UNIX)


def _in_many_states(batch: pd.DataFrame, column: str, value: object) -> bool:
    """Whether no state has half of the listings with this value."""
    states = batch.loc[batch[column] == value, "state"].dropna().value_counts(normalize=True)
    return not states.empty and float(states.iloc[0]) < 0.5


def _areas(rows: pd.DataFrame) -> pd.Series:
    return rows["zip_code"].str[:_AREA]


def _states_of_areas(reference: pd.DataFrame) -> pd.Series:
    """The state of each area that has one, by the area's digits."""
    known = reference["state"].groupby(_areas(reference))
    counts = known.value_counts().groupby(level=0)
    sure = (counts.sum() >= _LISTINGS) & (counts.max() >= _AGREE * counts.sum())
    states = counts.idxmax()[sure]
    return states.map(lambda pair: pair[1])


def _of_another_state(rows: pd.DataFrame, home: pd.Series) -> pd.Series:
    """Whether a listing's zip code lies in another state than its own; of those that can tell."""
    expected = _areas(rows).map(home)
    known = expected.notna() & rows["state"].isin(STATE_NAMES)
    return (rows["state"] != expected)[known]


def _repeated(rows: pd.DataFrame) -> pd.Series:
    """Whether another row has the same values. Without a street it may be another home."""
    return rows["street"].notna() & rows.duplicated(list(COLUMNS), keep=False)
