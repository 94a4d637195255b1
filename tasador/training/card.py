"""The card of a training: plots and tables for data scientists."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.flowkit import image_of, show_prices
from tasador.gate.slices import PRICE_BANDS
from tasador.model.threads import in_chunks
from tasador.ratio_study import words
from tasador.ratio_study.groups import DECILE
from tasador.training.effects_plot import effects_figure
from tasador.training.evaluation import ratio_study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tasador.gate.churn import Churn
    from tasador.gate.measures import Evaluation
    from tasador.ratio_study.study import Group
    from tasador.training.search import SearchResult
    from tasador.training.verbs import Judgement
    from tasador.warehouse.ledger import LedgerEntry

# Holdout rows in the SHAP summary; with more the dots only overlap.
_SHOWN = 500

_MEASURES = (
    ("R²", "r2", "{:.3f}"),
    ("RMSE", "rmse", "${:,.0f}"),
    ("mean absolute error", "mae", "${:,.0f}"),
    ("median error", "median_error", "{:.1%}"),
    ("coverage of the 90 % interval", "coverage_90", "{:.1%}"),
    ("median width of it, relative to the price", "width_90", "{:.0%}"),
    ("median ratio", "median_ratio", "{:.3f}"),
    ("COD", "cod", "{:.1f}"),
    ("PRD", "prd", "{:.3f}"),
    ("PRB", "prb", "{:+.3f}"),
    ("MKI", "mki", "{:.3f}"),
    ("VEI", "vei", "{:+.1f}"),
    ("within 10 % of the price (PPE10)", "ppe_10", "{:.1%}"),
    ("rows of the permanent holdout", "rows", "{:,.0f}"),
)


def sections(judgement: Judgement, search: SearchResult) -> Iterator[Any]:
    """The card's components, from the decision to the study."""
    from metaflow.cards import Markdown, Table

    record = judgement.record
    reasons = "".join(f"\n- {reason}" for reason in record.reasons)
    yield Markdown(f"# {record.model}: {record.decision}\n{reasons}")
    yield Markdown("## Comparison with the champion on the same rows of the permanent holdout")
    yield Table(_measures(judgement), headers=["", "challenger", _champion(judgement)])
    yield Markdown("## The gate")
    yield Table(
        [["✔" if c["passed"] else "✘", c["name"], c["says"]] for c in record.checks],
        headers=["", "check", "result"],
    )
    yield from _ratios(judgement.challenger)
    if judgement.ledger:
        yield Markdown(
            "## The ledger: median error on the batches after each version's training\n\nThe line "
            "is the error that the permanent holdout promised when the version was judged."
        )
        yield image_of(_ledger(judgement.ledger))
    if judgement.churn is not None:
        yield from _churn(judgement.churn)
    yield Markdown("## Errors")
    yield image_of(_residuals(judgement.challenger))
    yield Markdown("## Feature effects (SHAP, in log price)")
    yield image_of(_shap_summary(judgement))
    yield Markdown("## The study")
    yield image_of(_learning(search))
    yield Table(
        [[str(name), f"{value:.4g}"] for name, value in search.params.items()],
        headers=["parameter", "chosen"],
    )
    batches = ", ".join(batch_id[:12] for batch_id in record.batch_ids)
    yield Markdown(
        f"Trained on batches {batches}. Digest `{record.digest}`, MLflow run `{record.run_id}`, "
        f"correlation id `{record.correlation_id}`."
    )


def _champion(judgement: Judgement) -> str:
    version = judgement.record.champion_version
    return f"champion, version {version}" if version else "no champion yet"


def _measures(judgement: Judgement) -> list[list[str]]:
    challenger = judgement.challenger.metrics
    champion = {} if judgement.champion is None else judgement.champion.metrics
    return [
        [
            label,
            form.format(challenger[name]) if name in challenger else "",
            form.format(champion[name]) if name in champion else "",
        ]
        for label, name, form in _MEASURES
    ]


def _ratios(evaluation: Evaluation) -> Iterator[Any]:
    from metaflow.cards import Markdown, Table

    study = ratio_study(evaluation, states=False)
    yield Markdown("## Ratio study")
    if not study.overall.figures:
        yield Markdown(f"{words.TOO_FEW}.")
        return
    yield Table(words.detail_rows(study.overall), headers=words.DETAIL_HEADERS)
    tenths = words.kinds(study).get(DECILE, [])
    if len(tenths) > 1:
        yield image_of(_ratio_curve(tenths))
    yield Markdown("\n".join(f"- {note}" for note in words.notes(study)))


def _churn(churn: Churn) -> Iterator[Any]:
    from metaflow.cards import Markdown, Table

    yield Markdown(
        f"## Requests priced again\n\nOf {churn.requests:,} distinct requests to the champion, "
        f"{churn.moved:.1%} would move by more than {churn.threshold:.0%}; the median change is "
        f"{churn.median:+.1%}. The largest moves:"
    )
    yield Table(largest_moves(churn), headers=["champion", "challenger", "change", "request"])


def largest_moves(churn: Churn) -> list[list[str]]:
    """A row for each listed move: both prices, the change, and what was given in the request."""
    return [
        [
            f"${move.before:,.0f}",
            f"${move.after:,.0f}",
            f"{move.change:+.0%}",
            ", ".join(f"{name} {value}" for name, value in move.listing.items()),
        ]
        for move in churn.worst
    ]


def _ledger(entries: Sequence[LedgerEntry]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    oldest_first = entries[::-1]
    places = np.arange(len(oldest_first))
    measured = [100 * entry.figures["median_error"] for entry in oldest_first]
    promised = [100 * entry.promised.get("median_error", np.nan) for entry in oldest_first]
    axes.bar(places, measured, width=0.6, alpha=0.5, label="on the batch")
    axes.step(places, promised, where="mid", color="black", label="promised")
    labels = [f"{entry.batch_id[:6]}\nversion {entry.model.version}" for entry in oldest_first]
    shown = slice(None, None, max(1, len(labels) // 10))
    axes.set_xticks(places[shown], labels[shown], fontsize=8)
    axes.set(ylabel="median error (%)", ylim=(0, None))
    axes.legend(fontsize=8)
    return figure


def _ratio_curve(tenths: Sequence[Group]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    middle = [group.estimate for group in tenths]
    ends = np.array([group.ratios for group in tenths]).T
    axes.fill_between(middle, ends[0], ends[4], alpha=0.15, linewidth=0, label="10 to 90 %")
    axes.fill_between(middle, ends[1], ends[3], alpha=0.35, linewidth=0, label="quartiles")
    axes.plot(middle, ends[2], "o-", color="black", label="median")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="estimate ($, tenths)", ylabel="estimate / price")
    show_prices(axes.xaxis)
    axes.legend(fontsize=8)
    return figure


def _residuals(evaluation: Evaluation) -> Figure:
    from matplotlib.figure import Figure

    actual, predicted = evaluation.actual, evaluation.predicted
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    left.scatter(actual, predicted, s=6, alpha=0.3, linewidths=0)
    left.plot(ends, ends, color="black", linewidth=0.8)
    left.set(xscale="log", yscale="log", xlabel="price ($)", ylabel="predicted price ($)")
    show_prices(left.xaxis, left.yaxis)
    errors, labels = [], []
    for low, high in itertools.pairwise(PRICE_BANDS):
        inside = (actual >= low) & (actual < high)
        if inside.any():
            errors.append(100 * (predicted[inside] / actual[inside] - 1))
            end = f"${low / 1000:,.0f}k" if np.isinf(high) else f"${high / 1000:,.0f}k"
            labels.append(f"{'above' if np.isinf(high) else 'up to'} {end}\nn = {inside.sum():,}")
    right.boxplot(errors, showfliers=False, whis=(5, 95))
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xticks(range(1, len(labels) + 1), labels, fontsize=8)
    right.set(ylabel="error (% of the price), whiskers 5 to 95 %")
    return figure


def _shap_summary(judgement: Judgement) -> Figure:
    from tasador.listings.table import columns_of

    bundle = judgement.bundle
    matrix = bundle.encoders.transform(columns_of(judgement.holdout.head(_SHOWN)))
    work = lambda rows: bundle.engine.contributions(matrix[rows])  # noqa: E731
    values = np.concatenate(in_chunks(work, len(matrix), 2, 1))
    return effects_figure(values[:, :-1], matrix, bundle.manifest.features)


def _learning(search: SearchResult) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    completed = [(t.number, t.value) for t in search.trials if t.value is not None]
    pruned = [t.number for t in search.trials if t.value is None]
    numbers, values = zip(*completed, strict=True)
    axes.plot(numbers, values, "o", label="trial")
    axes.plot(numbers, np.minimum.accumulate(values), drawstyle="steps-post", label="best so far")
    if pruned:
        axes.plot(pruned, [max(values)] * len(pruned), "x", color="grey", label="pruned")
    axes.set_xticks([*numbers, *pruned])
    axes.set(xlabel="trial", ylabel="mean absolute log error")
    axes.legend()
    return figure
