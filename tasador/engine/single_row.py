"""One row through all trees of several models at once, three levels at a time.

From a node three levels are seven comparisons, whether or not the row comes by; they are made for
all trees together, and their seven bits say at which of eight nodes it has arrived. The leaves are
added up in the library's order and precision, so the answer is the library's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tasador.arrays import Array
from tasador.engine.trees import Trees, both_ways

_LEVELS = 3
_EXITS = 2**_LEVELS
# Deeper trees would take more room than they save time.
DEEPEST = 9


def _exits() -> Array:
    """Which of the eight nodes the seven comparisons, packed as bits, lead to [256]."""
    found = []
    for code in range(256):
        node = 0
        for _ in range(_LEVELS):
            node = 2 * node + 1 + (code >> (7 - node) & 1)
        found.append(node - (_EXITS - 1))
    return np.array(found, dtype=np.intp)


_EXIT = _exits()


@dataclass(frozen=True, slots=True)
class Walk:
    """The trees of several models, side by side.

    A stage is three levels: ``feature`` and ``limit`` [nodes that begin one, _EXITS] of its seven
    nodes (the last place is empty); the n-th of them leads to the nodes from _EXITS n on.
    ``first`` [trees] is where the first stage leads, ``leaf`` [nodes after the last] what they add;
    ``parts`` says which trees are each model's, ``bases`` what it begins with.
    """

    first: Array
    stages: tuple[tuple[Array, Array], ...]
    leaf: Array
    parts: tuple[slice, ...]
    bases: tuple[np.float32, ...]

    @classmethod
    def of(cls, models: Sequence[Trees]) -> Walk:
        """Lay the trees out; none may be deeper than DEEPEST."""
        made = [_laid_out(model, max(m.depth for m in models)) for model in models]
        ends = np.cumsum([0, *(len(model.roots) for model in models)]).tolist()
        stages = tuple(
            (np.concatenate([f for f, _ in same]), np.concatenate([limit for _, limit in same]))
            for same in zip(*(stages for stages, _ in made), strict=True)
        )
        return cls(
            np.arange(ends[-1]) * _EXITS,
            stages,
            np.concatenate([leaf for _, leaf in made]),
            tuple(slice(*pair) for pair in pairwise(ends)),
            tuple(model.base for model in models),
        )

    def predict(self, row: Array) -> list[float]:
        """What each model predicts for a row [features] of float32, NaN for a missing value."""
        values = both_ways(row)
        (feature, limit), *deeper = self.stages
        at = self.first + _EXIT.take(np.packbits(values.take(feature) >= limit))
        for feature, limit in deeper:
            right = values.take(feature.take(at, axis=0)) >= limit.take(at, axis=0)
            at = at * _EXITS + _EXIT.take(np.packbits(right))
        found = self.leaf.take(at)
        told = []
        for part, base in zip(self.parts, self.bases, strict=True):
            own = found[part]
            own[0] += base
            told.append(float(np.add.accumulate(own)[-1]))
        return told


def _laid_out(model: Trees, depth: int) -> tuple[list[tuple[Array, Array]], Array]:
    """The stages of one model, and what the nodes after the last of them add."""
    stages = []
    begin = model.roots
    for _ in range(0, depth, _LEVELS):
        levels = [begin[:, None]]
        for _ in range(_LEVELS):
            levels.append(np.stack(model.children(levels[-1]), axis=2).reshape(len(begin), -1))
        inner = np.concatenate(levels[:-1], axis=1)
        # Small, so that more of them stay near the processor.
        feature = np.zeros((len(begin), _EXITS), dtype=np.min_scalar_type(2 * model.features))
        limit = np.full((len(begin), _EXITS), np.nan, dtype=np.float32)
        feature[:, :-1], limit[:, :-1] = model.feature[inner], model.limit[inner]
        stages.append((feature, limit))
        begin = levels[-1].ravel()
    return stages, model.leaf[begin]
