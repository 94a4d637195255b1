"""The checks, made one after the other, and what they add up to."""

from __future__ import annotations

import numpy as np

from tasador.gate.compare import Comparison, compare
from tasador.gate.decision import Check, Decision, Policy, check
from tasador.gate.measures import Evaluation, r2, rmse
from tasador.gate.slices import slices_of

_NO_CHAMPION = "There is no champion yet to be compared with."


def judge(
    challenger: Evaluation, champion: Evaluation | None, policy: Policy | None = None
) -> Decision:
    """Judge the challenger on the permanent holdout, against the champion where there is one.

    Both evaluations must be of the same rows in the same order; ValueError otherwise.
    """
    policy = policy or Policy()
    if champion is not None and not _same_rows(challenger, champion):
        raise ValueError("challenger and champion were not evaluated on the same holdout rows")
    against = _unopposed(policy) if champion is None else _against(challenger, champion, policy)
    checks = [*_alone(challenger, policy), *against]
    failed = [found.says for found in checks if not found.passed]
    if failed:
        return Decision(False, failed, checks)
    return Decision(True, [against[0].says, checks[0].says], checks)


def _alone(model: Evaluation, policy: Policy) -> list[Check]:
    explained, error = r2(model.actual, model.predicted), rmse(model.actual, model.predicted)
    inside = (model.actual >= model.low["90"]) & (model.actual <= model.high["90"])
    covered = float(np.mean(inside))
    properties = len(np.unique(model.key.astype(str)))
    slack = policy.coverage_slack + 2 * float(np.sqrt(2 * 0.9 * 0.1 / properties))
    golden = model.golden_difference
    return [
        check(
            "r2",
            explained >= policy.least_r2,
            explained,
            policy.least_r2,
            f"R² on the permanent holdout is {explained:.3f}; at least {policy.least_r2:g} is "
            f"asked for ({len(model.actual):,} rows).",
        ),
        check(
            "rmse",
            error <= policy.most_rmse,
            error,
            policy.most_rmse,
            f"RMSE on the permanent holdout is ${error:,.0f}; at most ${policy.most_rmse:,.0f} is "
            "allowed.",
        ),
        check(
            "golden_parity",
            golden <= policy.golden_tolerance,
            golden,
            policy.golden_tolerance,
            f"Serving and training engine differ by {golden:.1e} on the golden rows; at most "
            f"{policy.golden_tolerance:.0e} is allowed.",
        ),
        check(
            "coverage_90",
            abs(covered - 0.9) <= slack,
            covered,
            slack,
            f"The 90 % interval holds {covered:.1%} of the prices; within {slack:.1%} of 90 % is "
            f"asked for ({policy.coverage_slack:.0%} and the noise of {properties:,} properties).",
        ),
    ]


def _unopposed(policy: Policy) -> list[Check]:
    limits = {
        "better_than_champion": 0.0,
        "log_error_against_champion": 0.0,
        "r2_against_champion": 0.0,
        "slices_against_champion": policy.slice_loss,
        "holdout_covers_champion": policy.states_covered,
    }
    return [check(name, True, 0.0, limit, _NO_CHAMPION) for name, limit in limits.items()]


def _against(challenger: Evaluation, champion: Evaluation, policy: Policy) -> list[Check]:
    found = compare(challenger, champion, slices_of(challenger, policy), policy)
    return [
        *_overall(found, policy),
        _slices(found, policy),
        _covered(champion, policy),
    ]


def _overall(found: Comparison, policy: Policy) -> list[Check]:
    """Better at all, not worse in log error, not worse in R²."""
    log_error, explained = found.log_error, found.r2
    better = log_error.low > 0 or explained.low > 0
    leads = (
        f"log error {_signed(-log_error.mean)} [{_signed(-log_error.high)} to "
        f"{_signed(-log_error.low)}], R² {_signed(explained.mean)} [{_signed(explained.low)} to "
        f"{_signed(explained.high)}] at {policy.confidence:.0%}"
    )
    return [
        check(
            "better_than_champion",
            better,
            max(log_error.low, explained.low),
            0.0,
            f"{'Better' if better else 'No better'} than the champion on the same rows beyond "
            f"noise: {leads}.",
        ),
        check(
            "log_error_against_champion",
            log_error.high >= 0,
            log_error.high,
            0.0,
            f"The mean log error is {'not ' if log_error.high >= 0 else ''}worse than the "
            f"champion's beyond noise ({_signed(-log_error.mean)}).",
        ),
        check(
            "r2_against_champion",
            explained.high >= 0,
            explained.high,
            0.0,
            f"R² is {'not ' if explained.high >= 0 else ''}worse than the champion's beyond noise "
            f"({_signed(explained.mean)}).",
        ),
    ]


def _slices(comparison: Comparison, policy: Policy) -> Check:
    found, limit = comparison.slices, policy.slice_loss
    in_bands = max(limit, policy.slice_trade * comparison.improved)
    # Written so that a loss that is not a number counts as one.
    ruined = [
        part
        for part in found
        if part.beyond_noise and not part.loss <= (in_bands if part.part.kind == "price" else limit)
    ]
    ruined.sort(key=lambda part: -part.loss)
    named = ", ".join(
        f"{part.part.name} (log error {part.old:.3f} to {part.new:.3f}, "
        f"{part.part.rows.sum():,} rows)"
        for part in ruined
    )
    allowed = f"{limit:.0%}" if in_bands == limit else f"{limit:.0%} ({in_bands:.0%} in a band)"
    states = sum(part.part.kind == "state" for part in found)
    says = (
        f"Much worse than the champion in {named}; at most {allowed} is allowed."
        if ruined
        else f"In none of {states} large states and {len(found) - states} price bands is it worse "
        f"than the champion by more than {allowed} beyond noise."
    )
    worst = max((part.loss for part in found), default=0.0)
    return check("slices_against_champion", not ruined, worst, limit, says)


def _covered(champion: Evaluation, policy: Policy) -> Check:
    """Whether the holdout can show what the champion knows: its states are in it."""
    name, limit = "holdout_covers_champion", policy.states_covered
    if not champion.knows:
        return check(name, True, 1.0, limit, "The champion was trained on no state by name.")
    held = {str(state).casefold() for state in champion.state if state}
    met = sum(state.casefold() in held for state in champion.knows)
    share = met / len(champion.knows)
    says = (
        f"The holdout has rows of {met} of the {len(champion.knows)} states that the champion was "
        f"trained on; at least {limit:.0%} is asked for"
    )
    if share >= limit:
        return check(name, True, share, limit, f"{says}.")
    return check(
        name,
        False,
        share,
        limit,
        f"{says}: on so narrow a holdout nothing can be said against it. Ingest the batches that "
        "it was trained on.",
    )


def _same_rows(one: Evaluation, other: Evaluation) -> bool:
    return np.array_equal(one.key, other.key) and np.array_equal(one.actual, other.actual)


def _signed(value: float) -> str:
    return f"{value:+.4f}"
