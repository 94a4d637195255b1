"""What the Market page shows of record's answers. No Reflex."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasador_web import words
from tasador_web.chart import Chart, line_chart
from tasador_web.languages import known_text, marks, text
from tasador_web.model_view import DECISIONS

VERDICTS = {
    "train": ("first model", "blue"),
    "no_drift": ("no drift", "green"),
    "drift": ("drift", "red"),
    "broken_feed": ("broken feed", "amber"),
}
FEATURES = {
    "price": "Price",
    "price_ratio": "Price against prediction",
    "house_size": "House size",
    "bed": "Bedrooms",
    "bath": "Bathrooms",
    "acre_lot": "Lot size",
    "state": "Mix of states",
    "zip_area": "Mix of zip areas",
    "status": "Mix of statuses",
    "prev_sold_date": "Last sold",
}
_RELATIONS = "Relations between fields"
_METHODS = {
    "kolmogorov_smirnov": "Kolmogorov-Smirnov",
    "jensen_shannon": "Jensen-Shannon",
}
# What can be drawn, with the unit of its steps, and how its numbers are written.
DISTRIBUTIONS = (
    "price",
    "house_size",
    "bed",
    "bath",
    "acre_lot",
    "state",
    "zip_area",
    "status",
    "prev_sold_date",
)
_UNITS = {
    "price": "price",
    "house_size": "size in square feet",
    "acre_lot": "size in acres",
    "prev_sold_date": "year",
}
_BINS: dict[str, Callable[[float], str]] = {
    "price": words.short_dollars,
    "bed": lambda edge: f"{edge + 0.5:.0f}",
    "bath": lambda edge: f"{edge + 0.5:.0f}",
    "prev_sold_date": "{:.0f}".format,
}
# A cell is coloured by the share of its limit, in steps of a quarter; 4 is at the limit.
_STRONGEST = 8


@dataclass
class BatchRow:
    """A batch in the list."""

    batch_id: str
    number: str
    fetched: str
    rows: str
    refused: str
    verdict: str
    color: str
    moved: str
    hurts: str
    outcome: str
    outcome_color: str
    version: int
    selected: bool = False
    failure: str = ""  # why it is not ingested
    can_accept: bool = False
    can_skip: bool = False
    can_retry: bool = False


@dataclass
class Cell:
    """A score of one feature in one batch; ``level`` is 0 (none) to 8 (twice the limit)."""

    text: str
    title: str
    level: str


@dataclass
class HeatRow:
    """A feature over the batches."""

    name: str
    cells: list[Cell]


@dataclass
class Score:
    """A score behind a verdict."""

    name: str
    value: str
    limit: str
    share: float
    exceeded: bool
    method: str


def batch_rows(batches: Sequence[Mapping[str, Any]], selected: str) -> list[BatchRow]:
    """The batches of GET /batches as rows, newest first."""
    return [_batch_row(batch, batch["batch_id"] == selected) for batch in batches]


def _batch_row(batch: Mapping[str, Any], selected: bool) -> BatchRow:
    verdict = newest_verdict(batch)
    label, color = "not judged yet", "gray"
    if verdict is not None:
        label, color = VERDICTS.get(verdict["verdict"], (verdict["verdict"], "gray"))
    decision = batch["decision"]
    outcome, outcome_color = "", "gray"
    if decision is not None:
        decided, outcome_color = DECISIONS.get(decision["decision"], (decision["decision"], "red"))
        outcome = text(
            "version {version} {decided}", version=decision["version"], decided=known_text(decided)
        )
    elif batch["refused"]:
        outcome = text("trains nothing")
    elif verdict is not None and verdict["verdict"] == "no_drift":
        outcome = text("champion keeps serving")
    elif verdict is not None:
        outcome = text("training")
    failure, set_aside = batch.get("failure", ""), batch.get("set_aside_at") is not None
    unfinished = batch["status"] != "ready"
    if unfinished and (failure or set_aside):
        label, color = ("set aside", "red") if set_aside else ("fails", "amber")
    return BatchRow(
        batch_id=batch["batch_id"],
        number=str(batch["batch_number"]),
        fetched=words.moment(batch["fetched_at"]),
        rows=words.count(batch["rows"]),
        refused=words.per_cent(batch["quarantined"] / batch["rows"]) if batch["rows"] else "–",
        verdict=known_text(label),
        color=color,
        moved=text("moved") if verdict is not None and verdict["moved"] else "",
        hurts=text("hurts") if verdict is not None and verdict["hurts"] else "",
        outcome=outcome,
        outcome_color=outcome_color,
        version=decision["version"] if decision is not None else 0,
        selected=selected,
        failure=failure or (text("A person set it aside.") if set_aside else ""),
        can_accept=bool(batch["refused"]),
        can_skip=unfinished and bool(failure) and not set_aside,
        can_retry=unfinished and set_aside,
    )


def newest_verdict(batch: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The last verdict on a batch."""
    return max(batch["verdicts"], key=lambda v: v["decided_at"], default=None)


def judged(batches: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The batches whose scores are known, oldest first."""
    with_scores = [b for b in batches if (v := newest_verdict(b)) and v["scores"]]
    return sorted(with_scores, key=lambda b: b["fetched_at"])


def heat_map(batches: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[HeatRow]]:
    """The columns (batches, oldest first) and the rows (features) of the heat map."""
    known = judged(batches)
    scores = [_scores(verdict) for batch in known if (verdict := newest_verdict(batch))]
    names = [name for name in (*FEATURES, _RELATIONS) if any(name in s for s in scores)]
    names += sorted({name for s in scores for name in s} - set(names))
    return (
        [text("Batch {number}", number=batch["batch_number"]) for batch in known],
        [
            HeatRow(known_text(FEATURES.get(name, name)), [_cell(s.get(name)) for s in scores])
            for name in names
        ],
    )


def _scores(verdict: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    scores = dict(verdict["scores"])
    if verdict["relations"]:
        scores[_RELATIONS] = verdict["relations"]
    return scores


def _cell(score: Mapping[str, Any] | None) -> Cell:
    if score is None or not score.get("limit"):
        return Cell("", text("not measured"), "none")
    share = abs(score["value"]) / score["limit"]
    level = min(round(4 * share), _STRONGEST)
    # A score just below its limit must not look like one above it.
    level = max(level, 4) if score["exceeded"] else min(level, 3)
    return Cell(
        text=marks(f"{share:.1f}×"),
        title=text(
            "{value} of a limit of {limit}",
            value=marks(f"{score['value']:.3f}"),
            limit=marks(f"{score['limit']:.3f}"),
        ),
        level=f"{level}",
    )


def error_chart(batches: Sequence[Mapping[str, Any]]) -> Chart:
    """The champion's error on each batch: realised, estimated without prices, and usual."""
    known = [b for b in judged(batches) if (v := newest_verdict(b)) and v["performance"]]
    performance = [v["performance"] for b in known if (v := newest_verdict(b))]
    return line_chart(
        [text("Batch {number}", number=b["batch_number"]) for b in known],
        {
            text("Realised"): [_share_of(p, "realised_error") for p in performance],
            text("Estimated without prices"): [
                _share_of(p, "estimated_error") for p in performance
            ],
            text("Usual"): [_share_of(p, "realised_error_reference") for p in performance],
        },
        lambda error: words.per_cent(error, 0),
    )


def _share_of(performance: Mapping[str, Any], name: str) -> float | None:
    """A mean error of log prices as a share of the price, as verdicts and cards say it."""
    error = performance.get(name)
    return None if error is None else math.expm1(error)


def scores_of(batch: Mapping[str, Any]) -> list[Score]:
    """The scores behind a batch's verdict, the most exceeded first."""
    verdict = newest_verdict(batch)
    if verdict is None:
        return []
    scores = [
        Score(
            name=known_text(FEATURES.get(name, name)),
            value=marks(f"{score['value']:.3f}"),
            limit=marks(f"{score['limit']:.3f}"),
            share=round(min(abs(score["value"]) / score["limit"] * 50, 100.0), 1),
            exceeded=bool(score["exceeded"]),
            method=_METHODS.get(score.get("method", ""), text("Reconstruction error")),
        )
        for name, score in _scores(verdict).items()
        if score.get("limit")
    ]
    return sorted(scores, key=lambda s: -s.share)


def distribution_chart(answer: Mapping[str, Any]) -> Chart:
    """The share of rows by bin, in the batch and before it."""
    written = _BINS.get(answer["feature"], words.number)
    labels = [_bin_label(each, written) for each in answer["bins"]]
    sides = {text("This batch"): answer["batch"]}
    if answer["before"] is not None:
        learned = text("What version {version} learned from", version=answer["champion_version"])
        sides[learned] = answer["before"]
    series: dict[str, list[float | None]] = {
        name: [rows / max(sum(side["rows"]), 1) for rows in side["rows"]]
        for name, side in sides.items()
    }
    return line_chart(labels, series, lambda share: words.per_cent(share, 0))


def _bin_label(each: Mapping[str, Any], written: Callable[[float], str]) -> str:
    if "name" in each:
        return words.written(str(each["name"])).replace("_", " ")
    if each["from"] is None:
        return f"<{written(each['to'])}"
    return f"{written(each['from'])}{'+' if each['to'] is None else ''}"


def distribution_note(answer: Mapping[str, Any]) -> str:
    """How many rows have no value, and what each step across means."""
    shares = []
    for says, side in (
        ("{share} in this batch", answer["batch"]),
        ("{share} before", answer["before"]),
    ):
        if side is not None:
            rows = sum(side["rows"]) + side["missing"]
            shares.append(text(says, share=words.per_cent(side["missing"] / max(rows, 1))))
    note = text("Without a value: {shares}.", shares=", ".join(shares))
    unit = _UNITS.get(answer["feature"], "")
    if not unit:
        return note
    step = text("Each point is the share of rows from its {unit} to the next.", unit=text(unit))
    return f"{step} {note}"


def missing_of(batch: Mapping[str, Any]) -> str:
    """Fields that are missing more often than before, as a sentence."""
    verdict = newest_verdict(batch)
    more = {
        name: field
        for name, field in (verdict or {}).get("missing", {}).items()
        if field.get("exceeded")
    }
    if not more:
        return ""
    texts = [
        f"{words.subject(name)} {words.per_cent(field['reference'])} → "
        f"{words.per_cent(field['rate'])}"
        for name, field in more.items()
    ]
    return text("Missing more often: {fields}.", fields=", ".join(texts))
