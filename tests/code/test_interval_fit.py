"""Intervals hold as often for small errors as for large ones, and as often in each state."""

import numpy as np
import pytest

from tasador.model.intervals import GROUPS, reaches, size_of
from tasador.training.interval_fit import UnseenRows, fit_intervals

STATES = np.array(["Texas", "Ohio", None], dtype=object)
COMPLETE = GROUPS.index("complete")


def drawn(rows, seed):
    """Errors whose tails are heavier where they are large, and that Ohio has more of."""
    draw = np.random.default_rng(seed)
    matrix = draw.uniform(0, 1, (rows, 3)).astype(np.float32)
    state = draw.integers(0, 3, rows)
    tail = np.where(matrix[:, 0] > 0.5, draw.standard_t(2.5, rows), draw.normal(size=rows))
    errors = 0.05 * np.exp(2 * matrix[:, 0]) * np.where(state == 1, 1.5, 1.0) * tail
    return UnseenRows(
        matrix=matrix,
        errors=errors,
        groups=np.full(rows, COMPLETE),
        states=STATES[state],
        second_half=draw.random(rows) < 0.5,
        calibrates=np.ones(rows, dtype=bool),
    )


def covered(fitted, rows, *, corrected):
    """Which prices lie in the 90 % interval, and the sizes by which the rows are ordered."""
    sizes = size_of(fitted.spread.inplace_predict(rows.matrix).astype(float))
    factor = fitted.size_factors.of_table(sizes, {"state": rows.states}) if corrected else 1.0
    below, above = reaches(fitted.intervals, "90", rows.groups, sizes * factor)
    return (rows.errors >= -below) & (rows.errors <= above), sizes


def test_intervals_cover_small_and_large_errors_and_each_state():
    unseen = drawn(12_000, seed=2)
    # Many rows, since the factor of a state with few is close to 1.
    fitted = fit_intervals(drawn(30_000, seed=1), seed=0)
    inside, sizes = covered(fitted, unseen, corrected=True)
    raw, _ = covered(fitted, unseen, corrected=False)
    tenths = np.array_split(np.argsort(sizes), 10)
    parts = [*tenths, *(np.flatnonzero(unseen.states == state) for state in STATES)]
    assert inside.mean() == pytest.approx(0.9, abs=0.012)
    for part in parts:
        assert inside[part].mean() == pytest.approx(0.9, abs=0.035)
    # Without the factors some part is far off.
    assert max(abs(raw[part].mean() - 0.9) for part in parts) > 0.05


def test_factors_do_not_jump_between_neighbours():
    factors = fit_intervals(drawn(8_000, seed=1), seed=0).size_factors
    assert set(factors.states) == {"Texas", "Ohio"}
    sizes = np.linspace(0.01, 3, 3_001)
    step = np.abs(np.diff(factors.between(sizes)))
    assert step.max() < 0.05
    single = [factors.of_one(size, None) for size in sizes]
    np.testing.assert_allclose(single, factors.between(sizes), rtol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 60])
def test_few_rows_have_one_factor(rows):
    few = drawn(rows, seed=rows)
    fitted = fit_intervals(few, seed=0)
    assert len(fitted.size_factors.points) == 1
    assert fitted.size_factors.states == {}
    for ends in fitted.intervals.values():
        assert np.isfinite(list(ends.values())).all()
