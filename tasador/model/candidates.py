"""Candidates: the known listings that a listing is compared with, those of the nearest zip codes.

numpy alone: serving imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array

# Zip codes looked at, listings kept of each, and candidates taken in all.
AREAS = 24
KEPT = 64
CANDIDATES = 128
# A place so far away is as unlike as one that differs by 1 in what ``tasador.model.comparables``
# weighs.
_KM = 4.0
_PLACES = np.arange(CANDIDATES)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Runs:
    """By area the runs of rows that are its candidates, CANDIDATES in all, the last run standing
    for those that there are not.

    [areas + 1, AREAS + 1]: ``count`` is how long a run is; ``told`` holds side by side, to be
    repeated at one time, ``shift`` (what its rows are ahead of their places among the candidates)
    and ``unlike`` (what its distance adds, inf where there are none).
    """

    count: Array
    told: Array

    def candidates(self, area: Array) -> tuple[Array, Array]:
        """Rows [n, CANDIDATES] and what their distance adds to how unlike they are."""
        # As one number of eight bytes, ``told`` is moved in half the time.
        whole = self.told.view(np.int64).take(area, axis=0, mode="wrap").ravel()
        moved = np.repeat(whole, self.count[area].ravel())
        told = moved.view(self.told.dtype).reshape(len(area), CANDIDATES)
        return told["shift"] + _PLACES, told["unlike"]

    def candidates_of_one(self, area: int) -> tuple[Array, Array]:
        """``candidates`` of one area [CANDIDATES]."""
        told = np.repeat(self.told[area], self.count[area])
        return told["shift"] + _PLACES, told["unlike"]


def runs_of(start: Array, areas: Array, km: Array) -> Runs:
    """Of each row of ``areas``: the nearest are emptied one after the other until there are enough.

    Where there are fewer than AREAS, -1 stands for none.
    """
    shape = (len(areas) + 1, areas.shape[1] + 1)
    begin = start[areas]
    size = np.where(areas < 0, 0, np.minimum(start[areas + 1] - begin, KEPT))
    through = np.cumsum(size, axis=1, dtype=np.int16)
    np.minimum(through, CANDIDATES, out=through)
    count = np.zeros(shape, dtype=np.uint8)
    told = np.zeros(shape, dtype=[("shift", np.int32), ("unlike", np.float32)])
    shift, unlike = told["shift"], told["unlike"]
    count[:-1, 0] = through[:, 0]
    np.subtract(through[:, 1:], through[:, :-1], out=count[:-1, 1:-1], casting="unsafe")
    np.subtract(begin, through - count[:-1, :-1], out=shift[:-1, :-1])
    filled = count.sum(axis=1)
    count[:, -1], shift[:, -1] = CANDIDATES - filled, -filled
    unlike[:] = np.inf
    np.square(km / np.float32(_KM), out=unlike[:-1, :-1])
    return Runs(count, told)
