"""Candidates: the known listings that a listing is compared with, from the nearest zip codes.

numpy alone: serving imports this module.
"""

from __future__ import annotations

import numpy as np

from tasador.arrays import Array

# Zip codes searched, listings kept per zip code, and candidates taken in all.
AREAS = 24
KEPT = 64
CANDIDATES = 128
# Kilometres that count as a difference of 1 in the traits of ``tasador.model.comparables``.
_KM = 4.0
_PLACES = np.arange(CANDIDATES)


class CandidateRuns:
    """The candidates of each area as runs of adjacent rows, CANDIDATES rows in all.

    [areas + 1, AREAS + 1]: ``count`` is the length of each run. ``offsets`` is a structured array:
    ``shift`` is what to add to a candidate's place (0, 1, ...) to get its row, and ``squared`` what
    the kilometres add to its squared distance. The last run of an area fills up with no candidates,
    at a distance of inf; the last area, which -1 stands for, has none at all.
    """

    def __init__(self, count: Array, offsets: Array) -> None:
        self.count = count
        self.offsets = offsets

    def candidates(self, area: Array) -> tuple[Array, Array]:
        """Rows [n, CANDIDATES], and what the kilometres add to their squared distances."""
        # Both fields as one integer of eight bytes: numpy moves that in half the time.
        whole = self.offsets.view(np.int64).take(area, axis=0, mode="wrap").ravel()
        repeated = np.repeat(whole, self.count[area].ravel())
        offsets = repeated.view(self.offsets.dtype).reshape(len(area), CANDIDATES)
        return offsets["shift"] + _PLACES, offsets["squared"]

    def candidates_of_one(self, area: int) -> tuple[Array, Array]:
        """``candidates`` of one area [CANDIDATES]."""
        whole = self.offsets.view(np.int64)[area].repeat(self.count[area])
        offsets = whole.view(self.offsets.dtype)
        return offsets["shift"] + _PLACES, offsets["squared"]


def candidate_runs(start: Array, areas: Array, km: Array) -> CandidateRuns:
    """The runs of each row of ``areas`` [n, AREAS], taken from the nearest area on.

    ``areas`` are the nearest areas, -1 for none, ``km`` [n, AREAS] their distances, and ``start``
    [areas + 1] the first row of each area.
    """
    shape = (len(areas) + 1, areas.shape[1] + 1)
    begin = start[areas]
    size = np.where(areas < 0, 0, np.minimum(start[areas + 1] - begin, KEPT))
    through = np.cumsum(size, axis=1, dtype=np.int16)
    np.minimum(through, CANDIDATES, out=through)
    count = np.zeros(shape, dtype=np.uint8)
    offsets = np.zeros(shape, dtype=[("shift", np.int32), ("squared", np.float32)])
    shift, squared = offsets["shift"], offsets["squared"]
    count[:-1, 0] = through[:, 0]
    np.subtract(through[:, 1:], through[:, :-1], out=count[:-1, 1:-1], casting="unsafe")
    np.subtract(begin, through - count[:-1, :-1], out=shift[:-1, :-1])
    filled = count.sum(axis=1)
    count[:, -1], shift[:, -1] = CANDIDATES - filled, -filled
    squared[:] = np.inf
    np.square(km / np.float32(_KM), out=squared[:-1, :-1])
    return CandidateRuns(count, offsets)
