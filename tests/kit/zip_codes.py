"""Renew tasador/training/zip_codes.npz from PyPI's ``zipcodes``: python -m tests.kit.zip_codes"""

import numpy as np
import zipcodes

from tasador.training.geography import FILE, UNITS_PER_DEGREE


def columns():
    """The arrays of the file: codes, and locations in whole units of degrees."""
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
    return {"codes": codes, "latitude": units[:, 0], "longitude": units[:, 1]}


if __name__ == "__main__":
    np.savez_compressed(FILE, **columns())
