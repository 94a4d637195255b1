"""Likeness by a product of matrices is exact, and the weights are those of the kernels."""

import numpy as np
import pytest

from tasador.model import comparables
from tasador.model.candidates import CANDIDATES
from tasador.model.comparables import TRAITS, Comparables, query_of
from tasador.model.features import KERNELS

LISTINGS, AREAS = 400, 3


@pytest.fixture(scope="module")
def known():
    draw = np.random.default_rng(5)
    sizes = np.array([40, 64, 60])
    return Comparables(
        start=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        areas=np.array([[0, 1, -1], [1, 0, -1], [2, -1, -1]], dtype=np.int32),
        km=np.array([[0, 3, 0], [0, 3, 0], [0, 0, 0]], dtype=np.float32),
        traits=draw.normal(0, 2, (sizes.sum(), TRAITS)).astype(np.float32),
        premium=draw.normal(0, 0.3, sizes.sum()).astype(np.float32),
        log_price=draw.normal(12.5, 0.5, sizes.sum()).astype(np.float32),
        given=np.ones((sizes.sum(), 4), dtype=bool),
    )


@pytest.fixture(scope="module")
def asked():
    draw = np.random.default_rng(6)
    traits = draw.normal(0, 2, (LISTINGS, TRAITS)).astype(np.float32)
    return draw.integers(-1, AREAS, LISTINGS), traits, draw.normal(12.5, 0.5, LISTINGS)


def in_steps(traits):
    return np.rint(traits.astype(np.float64) * 64) / 64


def test_distances_are_exact(known, asked):
    areas, traits, _ = asked
    for area, one in zip(areas, traits, strict=True):
        taken, _, unlike, _ = known._likeness(int(area), query_of(one))
        begin, end = known.start[[area, area + 1]] if area >= 0 else (0, 0)
        own = np.isfinite(unlike) & (taken >= begin) & (taken < end)
        apart = in_steps(known.traits[taken[own]]) - in_steps(one)
        # Of the area itself, so that no kilometres are added.
        assert np.array_equal(unlike[own], (apart**2).sum(axis=1).astype(np.float32))
        assert own.any() == (area >= 0)


def test_features_are_what_the_kernels_say(known, asked):
    areas, traits, base = asked
    found = known.features(areas, traits, base)
    assert found.shape == (LISTINGS, 3 * len(KERNELS))
    for row, area in enumerate(areas.tolist()):
        near = (
            []
            if area < 0
            else [(a, km) for a, km in zip(known.areas[area], known.km[area], strict=True)]
        )
        rows = [(n, km) for a, km in near if a >= 0 for n in range(*known.start[a : a + 2])]
        places = [n for n, _ in rows][:CANDIDATES]
        km = np.array([far for _, far in rows][:CANDIDATES])
        apart = in_steps(known.traits[places]) - in_steps(traits[row])
        unlike = (apart**2).sum(axis=1) + (km / 4.0) ** 2
        for kernel, width in enumerate(KERNELS):
            weight = np.exp(-0.5 * unlike / width**2)
            total, pulled = weight.sum(), weight.sum() + 0.3
            expected = [
                weight @ known.premium[places] / pulled,
                weight @ (known.log_price[places] - base[row]) / pulled,
                np.log(total + 1e-3),
            ]
            told = found[row, 3 * kernel : 3 * kernel + 3]
            np.testing.assert_allclose(told, expected, rtol=2e-5, atol=2e-5)


def test_a_table_in_parts_gives_the_bits_of_single_listings(known, asked, monkeypatch):
    monkeypatch.setattr(comparables, "_CHUNK", 37)
    areas, traits, base = asked
    singles = [
        known.features_of_one(int(area), query_of(one), level)
        for area, one, level in zip(areas, traits, base, strict=True)
    ]
    assert np.array_equal(known.features(areas, traits, base), np.array(singles))
