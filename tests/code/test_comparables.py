"""Comparables: exact distances, weights of the kernels, and the same answers with an index."""

import numpy as np
import pytest

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.model import comparables, own_features
from tasador.model.candidates import CANDIDATES
from tasador.model.comparables import Comparables, query_of
from tasador.model.features import KERNELS, TERMS
from tasador.model.kernels import GaussianKernels
from tasador.model.own_features import centred, from_centred
from tasador.model.traits import TRAIT_WEIGHTS, TRAITS, traits_of, traits_of_one
from tasador.training.encoding import fit_all_rows
from tasador.training.rows import prepare_rows

ROWS, AREAS = 400, 3


@pytest.fixture
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
def requested():
    """The areas, traits and base prices of listings."""
    draw = np.random.default_rng(6)
    traits = draw.normal(0, 2, (ROWS, TRAITS)).astype(np.float32)
    return draw.integers(-1, AREAS, ROWS), traits, draw.normal(12.5, 0.5, ROWS)


def rounded(traits):
    return np.rint(traits.astype(np.float64) * 64) / 64


def test_squared_distances_are_exact(known, requested):
    areas, traits, _ = requested
    for area, one in zip(areas, traits, strict=True):
        found = known.neighbours(int(area), query_of(one))
        begin, end = known.start[[area, area + 1]] if area >= 0 else (0, 0)
        # Listings of the area itself, so that no kilometres are added.
        own = np.isfinite(found.squared) & (found.rows >= begin) & (found.rows < end)
        apart = rounded(known.traits[found.rows[own]]) - rounded(one)
        assert np.array_equal(found.squared[own], (apart**2).sum(axis=1).astype(np.float32))
        assert own.any() == (area >= 0)


@pytest.mark.parametrize("widths", [KERNELS, (0.5, 1.2), (1.2, 0.4), (0.3, 0.6, 1.2), (0.7,)])
def test_features_follow_the_kernel_formula(known, requested, widths, monkeypatch):
    monkeypatch.setattr(comparables, "KERNELS", widths)
    monkeypatch.setattr(comparables, "_KERNELS", GaussianKernels(widths))
    areas, traits, base = requested
    features = known.features(areas, traits, base)
    assert features.shape == (ROWS, 3 * len(widths))
    for row, area in enumerate(areas.tolist()):
        near = (
            []
            if area < 0
            else [(a, km) for a, km in zip(known.areas[area], known.km[area], strict=True)]
        )
        rows = [(n, km) for a, km in near if a >= 0 for n in range(*known.start[a : a + 2])]
        places = [n for n, _ in rows][:CANDIDATES]
        km = np.array([far for _, far in rows][:CANDIDATES])
        apart = rounded(known.traits[places]) - rounded(traits[row])
        squared = (apart**2).sum(axis=1) + (km / 4.0) ** 2
        for kernel, width in enumerate(widths):
            weight = np.exp(-0.5 * squared / width**2)
            total, shrunk = weight.sum(), weight.sum() + 0.3
            expected = [
                weight @ known.premium[places] / shrunk,
                weight @ (known.log_price[places] - base[row]) / shrunk,
                np.log(total + 1e-3),
            ]
            of_kernel = features[row, 3 * kernel : 3 * kernel + 3]
            np.testing.assert_allclose(of_kernel, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("widths", [(), (0.4, 0.4), (0.0, 1.0)])
def test_kernel_widths_must_be_distinct_and_positive(widths):
    with pytest.raises(ValueError, match="distinct and above 0"):
        GaussianKernels(widths)


def test_chunked_table_equals_single_listings_to_the_bit(known, requested, monkeypatch):
    monkeypatch.setattr(comparables, "_CHUNK", 37)
    areas, traits, base = requested
    singles = [
        known.features_of_one(known.neighbours(int(area), query_of(one)), level)
        for area, one, level in zip(areas, traits, base, strict=True)
    ]
    # As the matrix of features has them.
    of_table = known.features(areas, traits, base).astype(np.float32)
    assert np.array_equal(of_table, np.array(singles, dtype=np.float32))


def test_index_changes_no_bit(known, requested):
    areas, traits, base = (values[:300] for values in requested)
    zips, means, regression = np.arange(AREAS), np.zeros(4), np.linspace(0, 1, len(TERMS))

    def answers():
        queries = [query_of(one) for one in traits]
        singles = zip(areas.tolist(), queries, base, strict=True)
        return (
            known.features(areas, traits, base),
            np.array(
                [
                    known.features_of_one(known.neighbours(area, query), level)
                    for area, query, level in singles
                ]
            ),
            [
                known.nearest(
                    area,
                    known.neighbours(area, queries[0]),
                    zips,
                    means,
                    regression,
                    regression,
                    3e5,
                    4,
                )
                for area in range(-1, AREAS)
            ],
        )

    before = answers()
    known.build_index()
    after = answers()
    assert np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]


def test_traits_are_terms_by_name():
    terms = np.arange(float(len(TERMS)))
    expected = [
        weight * next(n for n, term in enumerate(TERMS) if term.name == name)
        for name, weight in TRAIT_WEIGHTS.items()
    ]
    assert traits_of(terms[None])[0].tolist() == pytest.approx(expected)
    assert traits_of_one(terms.tolist()).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("acre_lot", [0.0, 0.003, 0.12, 40.0])
@pytest.mark.parametrize("offset", [own_features._LOT_OFFSET, 0.5])
def test_lot_of_a_comparable_is_its_own(acre_lot, offset, monkeypatch):
    monkeypatch.setattr(own_features, "_LOT_OFFSET", offset)
    sold = Listing(
        price=200_000.0, house_size=1_000.0, bed=2.0, acre_lot=acre_lot, zip_code="33131"
    )
    other = Listing(price=900_000.0, house_size=4_000.0, bed=6.0, acre_lot=1.0, zip_code="33131")
    encoders = fit_all_rows(prepare_rows(arrays_of([sold, other] * 40)))
    nearest = encoders.nearest(encoders.encode(sold), 2e5, 1)[0]
    # The listing itself needs no adjustment, but for the little by which an extreme lot leans back.
    assert nearest.adjusted == pytest.approx(nearest.price, rel=2e-4)
    assert nearest.adjustments["acre_lot"] == 0
    # Prices are in dollars and lots are shown to a hundredth of an acre.
    assert (nearest.price, nearest.acre_lot) == (200_000, round(acre_lot, 2))


def test_from_centred_inverts_centred():
    numbers = {"house_size": 1_834.0, "bed": 3.0, "bath": 2.5, "acre_lot": 0.21}
    values = centred({name: np.array([value]) for name, value in numbers.items()})
    assert from_centred(*(float(value[0]) for value in values.values())) == pytest.approx(
        (1_834.0, 3.0, 2.5, 0.21)
    )
