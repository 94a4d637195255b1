"""Renew tasador/training/zip_codes.npz from PyPI's ``zipcodes``: python -m tests.kit.zip_codes"""

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


if __name__ == "__main__":
    np.savez_compressed(FILE, **columns())
