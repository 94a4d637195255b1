"""The zip codes in the package are those of PyPI's zipcodes."""

import numpy as np
import pytest

from tasador.model.features import REACHES_KM
from tasador.training.geography import FILE, load_geography
from tests.kit.zip_codes import columns


@pytest.fixture(scope="module")
def geography():
    return load_geography()


def test_file_holds_the_zip_codes_of_the_package():
    with np.load(FILE) as file:
        for name, values in columns().items():
            np.testing.assert_array_equal(file[name], values, err_msg=name)


def test_positions_and_distances(geography):
    houston, new_york, none = geography.positions(np.array([77084, 10001, 0]))
    assert none == -1
    assert (geography.codes[houston], geography.codes[new_york]) == (77084, 10001)
    chord = np.linalg.norm(geography.points[houston] - geography.points[new_york])
    assert 2_300 < 2 * 6_371 * np.arcsin(chord / 2 / 6_371) < 2_330


def test_home_values_are_those_of_the_survey_or_of_the_nearest_zip_code(geography):
    worth = dict(zip(geography.codes.tolist(), np.exp(geography.home_value), strict=True))
    houston, new_york, detroit = worth[77084], worth[10021], worth[48205]
    np.testing.assert_allclose([houston, new_york, detroit], [215_600, 1_572_800, 47_800], 1e-4)
    # Post office boxes in Boulder, in which nobody lives.
    nearest = worth[80302]
    np.testing.assert_allclose(worth[80308], nearest, rtol=1e-4)
    # The survey names no median beyond these.
    assert geography.home_value.min() >= np.float32(np.log(9_999))
    assert geography.home_value.max() <= np.float32(np.log(2_000_001))


def test_zip_codes_around_and_those_that_represent_the_country(geography):
    assert geography.around.shape == (len(geography.codes), len(REACHES_KM))
    apart = np.linalg.norm(geography.points - geography.points[100], axis=1)
    expected = [np.log1p((apart <= km).sum()) for km in REACHES_KM]
    np.testing.assert_allclose(geography.around[100], expected, rtol=1e-6)
    assert 5_000 < len(geography.spread) < len(geography.codes) / 4
