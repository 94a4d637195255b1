"""Detecting a changed unit from the two distributions alone."""

import numpy as np
import pandas as pd
import pytest

from tasador.drift.reasons import describe_shift
from tasador.drift.units import find_unit

METRES = 0.092903


def sizes(rows: int = 4_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(7.5, 0.5, rows).round()


def measured(values: np.ndarray, name: str = "house_size") -> pd.Series:
    return pd.Series(np.log1p(values), name=name)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_find_unit_with_the_share_of_values_in_square_metres(share):
    batch = sizes(3_000, seed=1)
    broken = np.random.default_rng(2).random(len(batch)) < share
    unit = find_unit(measured(sizes()), measured(np.where(broken, batch * METRES, batch)))
    assert unit is not None
    assert unit.name == "square metres"
    assert unit.share == pytest.approx(share, abs=0.03)
    message = describe_shift(measured(sizes()), measured(batch), 0.3, 0.1, unit)
    assert message.startswith(f"house_size looks like square metres in {unit.share:.0%} of the")


def test_find_unit_of_all_values_omits_the_share():
    batch = measured(sizes(seed=1) * METRES)
    unit = find_unit(measured(sizes()), batch)
    assert unit.name == "square metres"
    assert unit.share == pytest.approx(1, abs=0.02)
    assert describe_shift(measured(sizes()), batch, 1.0, 0.1, unit).startswith(
        "house_size looks like square metres: median"
    )


@pytest.mark.parametrize("factor", [0.3, 0.6, 0.8, 1.0, 1.3, 3.0])
def test_find_unit_ignores_larger_and_smaller_houses(factor):
    assert find_unit(measured(sizes()), measured(sizes(seed=1) * factor)) is None


def test_find_unit_ignores_many_small_houses():
    small = np.random.default_rng(3).lognormal(6.3, 0.2, 1_500)
    batch = np.concatenate([sizes(1_500, seed=1), small])
    assert find_unit(measured(sizes()), measured(batch)) is None


def test_find_unit_square_feet_and_cents():
    lots, price = sizes() / 8_000, sizes() * 150
    some = np.where(np.arange(len(lots)) % 4 == 0, lots * 43_560, lots)
    assert find_unit(measured(lots, "acre_lot"), measured(some, "acre_lot")).name == "square feet"
    assert find_unit(measured(price, "price"), measured(price * 100, "price")).name == "cents"
    assert find_unit(measured(price, "bed"), measured(price * 100, "bed")) is None


def test_find_unit_without_values_is_none():
    assert find_unit(measured(sizes()), measured(np.array([]))) is None
    assert find_unit(measured(np.zeros(5)), measured(sizes())) is None
