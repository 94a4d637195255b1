"""Whether the source's feed broke: rows of a batch were refused, or a field lost its values.

A market that moves changes what the listings say. A feed that breaks changes whether they can be
read. Training on the rest of a broken batch would teach the model the break, so such a batch trains
nothing until a person accepts it. Only gross breaks count; a smaller change stays a sign of drift.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tasador.drift.baseline import Clustering
from tasador.drift.checks import CheckResult, Finding, ReferenceProfile
from tasador.drift.measures import expected_missing
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import INPUTS

if TYPE_CHECKING:
    import pandas as pd

ALL = ""  # the key of all refused rows among those by field
_SHOWN_FIELDS = 3
# A field that few listings have is lost if nearly all of its values are. One that hardly any
# listing has cannot be judged: a broker may have none.
_NEARLY_ALL, _FEWEST = 0.9, 0.25  # of the values; of the listings


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """How many ``rows`` a batch had, and how many were refused, by field; ALL counts each row once.

    ``reasons`` maps a field to its most frequent reason. ``accepted`` is whether a person accepted
    the batch although its feed had broken.
    """

    rows: int
    refused: Mapping[str, int]
    reasons: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False

    def share(self, name: str) -> float:
        """The share of the rows that were refused because of a field, or at all (ALL)."""
        return self.refused.get(name, 0) / self.rows if self.rows else 0.0


def refused(
    batch: Refusals, earlier: Sequence[Refusals], thresholds: Thresholds | None = None
) -> CheckResult:
    """Compare how many rows were refused with the batches before it, in all and by field.

    The limit is the usual share, plus the effect that matters or what chance and the differences
    between the earlier batches explain, whichever is larger. What a person accepted once is usual
    from then on. Without an earlier batch, half of the rows must have been refused.
    """
    thresholds = thresholds or Thresholds()
    earlier = [one for one in earlier if one.rows]
    checked = CheckResult()
    if not batch.rows:
        return checked
    # A field with less than the effect that matters cannot exceed its limit.
    fields = sorted(n for n in batch.refused if n != ALL and batch.share(n) > thresholds.refused)
    for name in (ALL, *fields):
        share = batch.share(name)
        usual, limit = _usual_and_limit(name, batch, earlier, thresholds)
        finding = Finding(
            name="refused",
            column=name,
            value=share - usual,
            limit=limit,
            effect="broken",
            message=_says(name, share, usual, batch, compared=bool(earlier)),
        )
        checked.add(finding)
        checked.scores[name or "rows"] = {"rate": share, "usual": usual, **finding.scored}
    return checked


def _usual_and_limit(
    name: str, batch: Refusals, earlier: Sequence[Refusals], thresholds: Thresholds
) -> tuple[float, float]:
    """The usual share of refused rows, and how far it may be exceeded."""
    if not earlier:
        return 0.0, thresholds.broken
    rows = sum(one.rows for one in earlier)
    usual = sum(one.refused.get(name, 0) for one in earlier) / rows
    # How much the batches differ beyond chance.
    excess = sum(
        one.rows * ((one.share(name) - usual) ** 2 - usual * (1 - usual) / one.rows)
        for one in earlier
    )
    between = Clustering(between=math.sqrt(max(excess / rows, 0.0)))
    limit = thresholds.share(thresholds.refused, usual, batch.rows, rows, between)
    accepted = max((one.share(name) for one in earlier if one.accepted), default=0.0)
    return usual, max(limit, accepted - usual + thresholds.refused)


def _says(name: str, share: float, usual: float, batch: Refusals, *, compared: bool) -> str:
    before = f", compared with {_percent(usual)} in the batches before" if compared else ""
    if name != ALL:
        why = f": it {batch.reasons[name]}" if name in batch.reasons else ""
        return f"{name} was refused in {_percent(share)} of the rows{before}{why}"
    fields = sorted((n for n in batch.refused if n != ALL), key=lambda n: (-batch.refused[n], n))[
        :_SHOWN_FIELDS
    ]
    most = ", ".join(f"{n} ({batch.refused[n]:,})" for n in fields)
    return (
        f"{batch.refused.get(ALL, 0):,} of {batch.rows:,} rows ({_percent(share)}) were refused"
        f"{before}; the fields are {most or 'unknown'}"
    )


def lost(profile: ReferenceProfile, batch: pd.DataFrame) -> CheckResult:
    """Check whether a field lost its values in half of the listings, or nearly all; raw rows.

    Which fields are known differs between places and brokers, so less than that is not a broken
    feed. A batch of other statuses, or of land, is another market (``measures.expected_missing``).
    """
    limits = profile.thresholds
    expected = expected_missing(profile.detectors.raw, batch, given_land=True)
    checked = CheckResult()
    for column in INPUTS:
        rate, usual = float(batch[column].isna().mean()), expected[column]
        chance = limits.share(
            limits.missing,
            usual,
            len(batch),
            profile.rows,
            profile.baseline.of("missing", column),
        )
        finding = Finding(
            name="lost",
            column=column,
            value=rate - usual,
            limit=max(min(limits.broken, _NEARLY_ALL * (1 - usual)), _FEWEST, chance),
            effect="broken",
            message=f"{column} is missing in {_percent(rate)} of the listings, compared with "
            f"{_percent(usual)} in the champion's data",
        )
        checked.add(finding)
        checked.scores[column] = {"rate": rate, "reference": usual, **finding.scored}
    return checked


def _percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.01 else f"{share:.0%}"
