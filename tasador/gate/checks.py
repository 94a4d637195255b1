"""The checks of the gate, and the decision that follows from them."""

from __future__ import annotations

import numpy as np

from tasador.gate.churn import Churn, churn_check
from tasador.gate.compare import Comparison, compare
from tasador.gate.decision import Check, Decision, Policy, make_check
from tasador.gate.measures import Evaluation, r2, rmse
from tasador.gate.ratio_checks import ratio_checks
from tasador.gate.slices import NEWEST, PRICE, STATE, Slice, slices_of

NO_CHAMPION = "There is no champion yet to compare with."


def judge(
    challenger: Evaluation,
    champion: Evaluation | None,
    policy: Policy | None = None,
    *,
    without: str = NO_CHAMPION,
    churn: Churn | None = None,
) -> Decision:
    """Judge the challenger on the permanent holdout, and against the champion if there is one.

    ``without`` is the reason why there is none, ``churn`` how far the values of recorded requests
    move. Both evaluations must cover the same rows in the same order; raises ValueError otherwise.
    """
    policy = policy or Policy()
    slices = slices_of(challenger, policy)
    if champion is None:
        comparison_checks = _checks_without_champion(policy, without)
    elif not _same_rows(challenger, champion):
        raise ValueError("challenger and champion were not evaluated on the same holdout rows")
    else:
        comparison_checks = _comparison_checks(challenger, champion, slices, policy)
    checks = [
        *_absolute_checks(challenger, policy),
        *comparison_checks,
        *ratio_checks(challenger, champion, slices, policy),
        churn_check(churn, policy),
    ]
    failed = [check.says for check in checks if not check.passed]
    if failed:
        return Decision(False, failed, checks)
    return Decision(True, [comparison_checks[0].says, checks[0].says], checks)


def _absolute_checks(model: Evaluation, policy: Policy) -> list[Check]:
    explained, error = r2(model.actual, model.predicted), rmse(model.actual, model.predicted)
    inside = (model.actual >= model.low["90"]) & (model.actual <= model.high["90"])
    coverage = float(np.mean(inside))
    properties = len(np.unique(model.key.astype(str)))
    slack = policy.coverage_slack + 2 * float(np.sqrt(2 * 0.9 * 0.1 / properties))
    golden = model.golden_difference
    return [
        make_check(
            "r2",
            explained >= policy.least_r2,
            explained,
            policy.least_r2,
            f"R² on the permanent holdout is {explained:.3f}; at least {policy.least_r2:g} is "
            f"required ({len(model.actual):,} rows).",
        ),
        make_check(
            "rmse",
            error <= policy.most_rmse,
            error,
            policy.most_rmse,
            f"RMSE on the permanent holdout is ${error:,.0f}; at most ${policy.most_rmse:,.0f} is "
            "allowed.",
        ),
        make_check(
            "golden_parity",
            golden <= policy.golden_tolerance,
            golden,
            policy.golden_tolerance,
            f"Serving and training engines differ by {golden:.1e} on the golden rows; at most "
            f"{policy.golden_tolerance:.0e} is allowed.",
        ),
        make_check(
            "coverage_90",
            abs(coverage - 0.9) <= slack,
            coverage,
            slack,
            f"The 90 % interval contains {coverage:.1%} of the prices; a value within {slack:.1%} "
            f"of 90 % is required ({policy.coverage_slack:.0%} plus the noise of {properties:,} "
            "properties).",
        ),
    ]


def _checks_without_champion(policy: Policy, without: str) -> list[Check]:
    limits = {
        "better_than_champion": 0.0,
        "log_error_against_champion": 0.0,
        "r2_against_champion": 0.0,
        "slices_against_champion": policy.slice_loss,
        "newest_batch_against_champion": policy.slice_loss,
        "holdout_covers_champion": policy.states_covered,
    }
    return [make_check(name, True, 0.0, limit, without) for name, limit in limits.items()]


def _comparison_checks(
    challenger: Evaluation, champion: Evaluation, slices: list[Slice], policy: Policy
) -> list[Check]:
    comparison = compare(challenger, champion, slices, policy)
    unchanged = np.array_equal(challenger.predicted, champion.predicted)
    return [
        *_overall_checks(comparison, policy, unchanged=unchanged),
        _slices_check(comparison, policy),
        _newest_batch_check(comparison, policy),
        _holdout_coverage_check(champion, policy),
    ]


def _overall_checks(comparison: Comparison, policy: Policy, *, unchanged: bool) -> list[Check]:
    """Better overall, not worse in log error, not worse in R².

    ``unchanged``: both models predict the same prices, as after a training on the same data.
    """
    log_error, explained = comparison.log_error, comparison.r2
    better = log_error.low > 0 or explained.low > 0
    change = (
        f"log error {_signed(-log_error.mean)} [{_signed(-log_error.high)} to "
        f"{_signed(-log_error.low)}], R² {_signed(explained.mean)} [{_signed(explained.low)} to "
        f"{_signed(explained.high)}] at {policy.confidence:.0%}"
    )
    says = (
        f"{'Better' if better else 'Not better'} than the champion on the same rows beyond "
        f"noise: {change}."
    )
    if unchanged:
        says = (
            "Not better than the champion: it predicts the same price for every row of the "
            "holdout. A training on the same data with the same settings gives the same model."
        )
    return [
        make_check(
            "better_than_champion",
            better,
            max(log_error.low, explained.low),
            0.0,
            says,
        ),
        make_check(
            "log_error_against_champion",
            log_error.high >= 0,
            log_error.high,
            0.0,
            f"The mean log error is {'not ' if log_error.high >= 0 else ''}worse than the "
            f"champion's beyond noise ({_signed(-log_error.mean)}).",
        ),
        make_check(
            "r2_against_champion",
            explained.high >= 0,
            explained.high,
            0.0,
            f"R² is {'not ' if explained.high >= 0 else ''}worse than the champion's beyond noise "
            f"({_signed(explained.mean)}).",
        ),
    ]


def _slices_check(comparison: Comparison, policy: Policy) -> Check:
    losses = [loss for loss in comparison.slices if loss.slice.kind != NEWEST]
    limit = policy.slice_loss
    limit_in_bands = max(limit, policy.slice_trade * comparison.improved)
    # "not <=" rather than ">", so that NaN counts as a loss.
    much_worse = [
        loss
        for loss in losses
        if loss.beyond_noise
        and not loss.growth <= (limit_in_bands if loss.slice.kind == PRICE else limit)
    ]
    much_worse.sort(key=lambda loss: -loss.growth)
    names = ", ".join(
        f"{loss.slice.name} (log error {loss.champion_error:.3f} to {loss.challenger_error:.3f}, "
        f"{loss.slice.rows.sum():,} rows)"
        for loss in much_worse
    )
    allowed = f"{limit:.0%}"
    if limit_in_bands != limit:
        allowed += f" ({limit_in_bands:.0%} in a price band)"
    states = sum(loss.slice.kind == STATE for loss in losses)
    says = (
        f"Much worse than the champion in {names}; at most {allowed} is allowed."
        if much_worse
        else f"Not worse than the champion by more than {allowed} beyond noise in any of {states} "
        f"large states and {len(losses) - states} price bands."
    )
    worst = max((loss.growth for loss in losses), default=0.0)
    return make_check("slices_against_champion", not much_worse, worst, limit, says)


def _newest_batch_check(comparison: Comparison, policy: Policy) -> Check:
    """Whether the challenger loses on the batch that the champion's ledger ends with."""
    name, limit = "newest_batch_against_champion", policy.slice_loss
    loss = next((loss for loss in comparison.slices if loss.slice.kind == NEWEST), None)
    if loss is None:
        says = "The newest batch has too few rows of the holdout to compare the models on."
        return make_check(name, True, 0.0, limit, says)
    # "not <=" rather than ">", so that NaN counts as a loss.
    much_worse = loss.beyond_noise and not loss.growth <= limit
    says = (
        f"{'Much worse' if much_worse else 'Not worse'} than the champion on the newest batch: log "
        f"error {loss.champion_error:.3f} to {loss.challenger_error:.3f} on "
        f"{loss.slice.rows.sum():,} rows that no model was trained on; at most {limit:.0%} more "
        "beyond noise is allowed."
    )
    return make_check(name, not much_worse, loss.growth, limit, says)


def _holdout_coverage_check(champion: Evaluation, policy: Policy) -> Check:
    """Whether the holdout covers the champion's states, so that it can show a loss there."""
    name, limit = "holdout_covers_champion", policy.states_covered
    if not champion.known_states:
        return make_check(name, True, 1.0, limit, "The champion was trained on no named state.")
    held = {str(state).casefold() for state in champion.state if state}
    covered = sum(state.casefold() in held for state in champion.known_states)
    share = covered / len(champion.known_states)
    says = (
        f"The holdout has rows of {covered} of the {len(champion.known_states)} states that the "
        f"champion was trained on; at least {limit:.0%} is required"
    )
    if share >= limit:
        return make_check(name, True, share, limit, f"{says}.")
    return make_check(
        name,
        False,
        share,
        limit,
        f"{says}: a holdout this narrow cannot show where the challenger is worse. Ingest the "
        "batches that the champion was trained on.",
    )


def _same_rows(first: Evaluation, second: Evaluation) -> bool:
    return np.array_equal(first.key, second.key) and np.array_equal(first.actual, second.actual)


def _signed(value: float) -> str:
    return f"{value:+.4f}"
