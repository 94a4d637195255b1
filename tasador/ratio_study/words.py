"""A study as text: labels, numbers, and a sentence for each figure."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from tasador.ratio_study.fairness import Disparity, short
from tasador.ratio_study.figures import FEWEST_ROWS
from tasador.ratio_study.study import Figure, Group, Study


class Label(NamedTuple):
    """How a figure is called and written, and what a value below and above its limits means."""

    name: str
    form: str
    below: str = ""
    above: str = ""


LABELS = {
    "median": Label("median", ".3f", "too low", "too high"),
    "cod": Label("COD", ".1f", "too uniform", "too scattered"),
    "prd": Label("PRD", ".3f", "progressive", "regressive"),
    "prb": Label("PRB", "+.3f", "regressive", "progressive"),
    "mki": Label("MKI", ".3f", "regressive", "progressive"),
    "vei": Label("VEI", "+.1f", "regressive", "progressive"),
    "ppe_5": Label("PPE5", ".1%"),
    "ppe_10": Label("PPE10", ".1%"),
    "ppe_20": Label("PPE20", ".1%"),
    "p15_low": Label("P15L", ".1%"),
    "p15_high": Label("P15H", ".1%"),
    "fsd": Label("FSD", ".1%"),
}
TOO_FEW = f"fewer than {FEWEST_ROWS} rows: no figures"
MEANINGS = {
    "median": "the median of estimate / price: 1 if half of the estimates are above the price",
    "cod": "the mean distance from the median ratio, in percent of it",
    "prd": "above 1: cheap homes are valued too high (regressive)",
    "prb": "change of the ratio when the value doubles; negative: regressive",
    "mki": "Gini of the estimates over Gini of the prices; below 1: regressive",
    "vei": "median ratio of the dearest group minus the cheapest, in percent; negative: regressive",
    "ppe_5": "share of estimates within 5 % of the price",
    "ppe_10": "share of estimates within 10 % of the price",
    "ppe_20": "share of estimates within 20 % of the price",
    "p15_low": "share of estimates more than 15 % below the price",
    "p15_high": "share of estimates more than 15 % above the price",
    "fsd": "the relative error that 68 % of the estimates stay within",
}
# The columns of a group where space is short.
MAIN = ("median", "cod", "prb", "mki", "vei", "ppe_10", "fsd")
_VERDICTS = {"within": "within", "noise": "noise explains it"}


def shown(figure: str, value: float | None) -> str:
    """A value of a figure as people read it; "" for None, "undefined" for NaN."""
    if value is None:
        return ""
    return format(value, LABELS[figure].form) if isfinite(value) else "undefined"


def interval(figure: str, measured: Figure) -> str:
    """The 95 % interval of a figure."""
    return f"{shown(figure, measured.low)} to {shown(figure, measured.high)}"


def limits(figure: str, measured: Figure) -> str:
    """The limits of a figure; "" if the standards set none."""
    if measured.limits is None:
        return ""
    low, high = measured.limits
    return f"{low:g} to {high:g}"


def verdict(figure: str, measured: Figure) -> str:
    """The verdict on a figure, with the direction if it is outside; "" without limits."""
    if measured.verdict is None or measured.limits is None:
        return ""
    if measured.verdict != "outside":
        return _VERDICTS[measured.verdict]
    return f"outside: {direction(figure, measured.value, measured.limits)}"


def direction(figure: str, value: float, allowed: tuple[float, float]) -> str:
    """What a value outside its limits means."""
    if not isfinite(value):
        return "undefined"
    return LABELS[figure].below if value < allowed[0] else LABELS[figure].above


def headers(names: Sequence[str] = tuple(LABELS)) -> list[str]:
    """The headers of the rows of ``group_row``."""
    return ["", "rows", *(LABELS[name].name for name in names)]


def group_row(group: Group, names: Sequence[str] = tuple(LABELS)) -> list[str]:
    """One group as cells: name, rows, and the named figures; "" for one that it lacks."""
    measured = group.figures
    cells = [shown(name, measured[name].value if name in measured else None) for name in names]
    return [group.name, f"{group.rows:,}", *cells]


def detail_rows(group: Group) -> list[list[str]]:
    """Each figure of a group: label, value, verdict, interval, noise, limits."""
    return [
        [
            LABELS[name].name,
            shown(name, measured.value),
            verdict(name, measured),
            interval(name, measured),
            shown(name, measured.noise),
            limits(name, measured),
        ]
        for name, measured in group.figures.items()
    ]


DETAIL_HEADERS = ["figure", "value", "verdict", "95 % interval", "noise", "limits"]


DISPARITY_HEADERS = [
    "make-up of the zip codes",
    "from",
    "to",
    "ratio changes by",
    "interval",
    "verdict",
    "PPE10 changes by",
    "interval",
    "verdict",
]


def disparity_rows(disparities: Sequence[Disparity]) -> list[list[str]]:
    """Each disparity as cells; the headers are DISPARITY_HEADERS."""
    return [
        [
            found.column,
            short(found.low),
            short(found.high),
            f"{found.level:+.1%}",
            f"{found.level_ends[0]:+.1%} to {found.level_ends[1]:+.1%}",
            _of_disparity(found.level_verdict, "valued", found.level),
            f"{found.accuracy:+.1%}",
            f"{found.accuracy_ends[0]:+.1%} to {found.accuracy_ends[1]:+.1%}",
            _of_disparity(found.accuracy_verdict, "estimated", found.accuracy),
        ]
        for found in disparities
    ]


def _of_disparity(verdict: str, what: str, change: float) -> str:
    if verdict != "outside":
        return _VERDICTS[verdict]
    directions = {"valued": ("lower", "higher"), "estimated": ("worse", "better")}
    return f"outside: {what} {directions[what][change > 0]} where it is high"


def notes(study: Study) -> list[str]:
    """What a reader has to know about the figures of this study."""
    overall = study.overall
    lines = [
        f"Outliers: {overall.outliers:,} of {overall.rows:,} rows lie more than three "
        "interquartile ranges outside the quartiles. The median ratio, COD, PRD, PRB, MKI and VEI "
        "leave them out; PPE, P15 and FSD do not.",
        "Intervals: by ranks for the median and from the regression for the PRB, as in the "
        f"Standard; otherwise a bootstrap of up to {study.resamples} resamples of properties, seed "
        f"{study.seed}.",
        f"Noise alone: the mean of up to {study.draws} simulations of price = estimate x "
        "exp(error), with the model's own errors and no trend.",
    ]
    lines += [
        f"Price chasing is possible in {group.name}: {group.chasing}."
        for group in (overall, *study.groups)
        if group.chasing
    ]
    few = [group for group in study.groups if not group.figures]
    if few:
        named = ", ".join(f"{group.name} ({group.rows:,})" for group in few[:8])
        rest = f" and {len(few) - 8} more" if len(few) > 8 else ""
        lines.append(f"{TOO_FEW[0].upper()}{TOO_FEW[1:]} for {named}{rest}.")
    return lines


def kinds(study: Study) -> dict[str, list[Group]]:
    """The groups with figures by kind, in the order of the study."""
    found: dict[str, list[Group]] = {}
    for group in study.groups:
        if group.figures:
            found.setdefault(group.kind, []).append(group)
    return found
