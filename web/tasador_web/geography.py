"""The zip codes of the United States: city, state and coordinates.

The build writes a table of PyPI's ``zipcodes`` next to the app, since that package takes seconds
to load; the server reads the table in a tenth of one. No Reflex here.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tasador.listings.states import state_name

TABLE = "zip_codes.csv"
_MILES_OF_A_DEGREE = 69.172


class ZipCode(NamedTuple):
    """A zip code: its city, its state's name, and its centre in degrees."""

    code: str
    city: str
    state: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Geography:
    """The zip codes by code; empty where the app was not built."""

    by_code: dict[str, ZipCode]

    def within(self, centre: ZipCode, miles: float) -> list[ZipCode]:
        """The zip codes at most ``miles`` from the centre, along either axis."""
        return [
            other
            for other in self.by_code.values()
            if max(map(abs, offset(centre, other.latitude, other.longitude))) <= miles
        ]


def offset(centre: ZipCode, latitude: float, longitude: float) -> tuple[float, float]:
    """Miles to the east and to the south of the centre, on a plane that touches it."""
    east = (longitude - centre.longitude) * math.cos(math.radians(centre.latitude))
    return east * _MILES_OF_A_DEGREE, (centre.latitude - latitude) * _MILES_OF_A_DEGREE


def write_table(path: str | Path) -> None:
    """Write the table from the package."""
    import zipcodes

    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        for entry in zipcodes.list_all():  # type: ignore[no-untyped-call]
            if entry["lat"] and entry["long"]:
                row = ZipCode(
                    entry["zip_code"],
                    entry["city"],
                    state_name(entry["state"]),
                    float(entry["lat"]),
                    float(entry["long"]),
                )
                writer.writerow(row)


def read_table(path: Path) -> Geography:
    """Read the table; without one, no zip code is known."""
    if not path.is_file():
        return Geography({})
    with path.open(newline="") as file:
        rows = [ZipCode(r[0], r[1], r[2], float(r[3]), float(r[4])) for r in csv.reader(file)]
    return Geography({row.code: row for row in rows})


@cache
def geography() -> Geography:
    """The table of the build."""
    return read_table(Path(__file__).resolve().parents[1] / TABLE)
