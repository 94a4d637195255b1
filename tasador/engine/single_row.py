"""One row through all trees of several models at once, three levels at a time.

Three levels below a node have seven comparisons. All of them are made, for all trees together, and
their seven bits select one of the eight nodes below. The leaves are summed in the library's order
and precision, so the result is the library's, bit for bit. See
docs/decisions/0002-single-row-traversal.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tasador.arrays import Array
from tasador.engine.trees import Trees, fill_missing
from tasador.errors import BundleError

_LEVELS = 3
_EXITS = 2**_LEVELS
# The tables of deeper trees take more memory than they save time.
_MAX_DEPTH = 9


def _exit_table() -> Array:
    """Which of the eight exits each combination of the seven comparisons selects [256]."""
    exits = []
    for bits in range(256):
        node = 0
        for _ in range(_LEVELS):
            node = 2 * node + 1 + (bits >> (7 - node) & 1)
        exits.append(node - (_EXITS - 1))
    return np.array(exits, dtype=np.intp)


_EXIT_OF = _exit_table()


@dataclass(frozen=True, slots=True)
class SingleRow:
    """The trees of several models, side by side.

    A stage covers three levels. Its ``feature`` and ``threshold`` have the shape [nodes that begin
    the stage, _EXITS]: seven nodes each, and an unused column. Node n leads to the nodes
    n * _EXITS ... of the next stage. ``first`` [trees] is where the first stage leads, ``leaf``
    [nodes after the last stage] their values; ``models`` are the slices of trees of each model,
    ``bases`` the models' base predictions.
    """

    first: Array
    stages: tuple[tuple[Array, Array], ...]
    leaf: Array
    models: tuple[slice, ...]
    bases: tuple[np.float32, ...]

    @classmethod
    def of(cls, models: Sequence[Trees]) -> SingleRow:
        """Lay the trees out; raises BundleError if one is too deep."""
        depth = max(model.depth for model in models)
        if depth > _MAX_DEPTH:
            raise BundleError(f"the trees are {depth} levels deep; {_MAX_DEPTH} are supported")
        layouts = [_layout(model, max(depth, 1)) for model in models]
        ends = np.cumsum([0, *(len(model.roots) for model in models)]).tolist()
        stages = tuple(
            (
                np.concatenate([feature for feature, _ in stage]),
                np.concatenate([threshold for _, threshold in stage]),
            )
            for stage in zip(*(stages for stages, _ in layouts), strict=True)
        )
        return cls(
            np.arange(ends[-1]) * _EXITS,
            stages,
            np.concatenate([leaf for _, leaf in layouts]),
            tuple(slice(*pair) for pair in pairwise(ends)),
            tuple(model.base for model in models),
        )

    def predict(self, row: Array) -> list[float]:
        """The prediction of each model for a row [features], float32 with NaN for missing."""
        values = fill_missing(row)
        (feature, threshold), *later_stages = self.stages
        node = self.first + _EXIT_OF.take(np.packbits(values.take(feature) >= threshold))
        for feature, threshold in later_stages:
            goes_right = values.take(feature.take(node, axis=0)) >= threshold.take(node, axis=0)
            node = node * _EXITS + _EXIT_OF.take(np.packbits(goes_right))
        leaves = self.leaf.take(node)
        predictions = []
        for trees, base in zip(self.models, self.bases, strict=True):
            terms = leaves[trees]
            terms[0] += base
            predictions.append(float(np.add.accumulate(terms)[-1]))
        return predictions


def _layout(model: Trees, depth: int) -> tuple[list[tuple[Array, Array]], Array]:
    """The stages of one model, and the values of the nodes after the last stage."""
    stages = []
    begin = model.roots
    for _ in range(0, depth, _LEVELS):
        levels = [begin[:, None]]
        for _ in range(_LEVELS):
            levels.append(np.stack(model.children(levels[-1]), axis=2).reshape(len(begin), -1))
        inner = np.concatenate(levels[:-1], axis=1)
        # Small types, so that more of the table stays in the processor's cache.
        feature = np.zeros((len(begin), _EXITS), dtype=np.min_scalar_type(2 * model.features))
        threshold = np.full((len(begin), _EXITS), np.nan, dtype=np.float32)
        feature[:, :-1], threshold[:, :-1] = model.feature[inner], model.threshold[inner]
        stages.append((feature, threshold))
        begin = levels[-1].ravel()
    return stages, model.leaf[begin]
