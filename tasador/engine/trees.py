"""The trees of a model as numpy arrays, and rows without missing values.

``tasador.engine.single_row`` and ``tasador.engine.tree_shap`` evaluate these arrays.
``tasador.engine.xgboost_json`` creates them when a model is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array

# What stands for a missing value in each half of a filled row.
_EITHER_END = np.array([[np.inf], [-np.inf]], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Trees:
    """All nodes of all trees, numbered consecutively.

    ``roots`` [trees] are the root nodes, ``depth`` is that of the deepest tree, ``base`` the
    prediction before any tree. Of shape [nodes]: ``feature`` is the column in a row after
    ``fill_missing``, ``threshold`` is NaN in a leaf, ``left`` is the left child (the right child
    follows it) and in a leaf the leaf itself, ``cover`` is the training weight that reached the
    node (the sum of the loss's second derivatives, as in the library), ``leaf`` is the value of a
    leaf and 0 elsewhere.
    """

    features: int
    depth: int
    base: np.float32
    roots: Array
    feature: Array
    threshold: Array
    left: Array
    cover: Array
    leaf: Array

    def children(self, nodes: Array) -> tuple[Array, Array]:
        """The left and the right children of nodes; a leaf is its own child."""
        left = self.left[nodes]
        return left, np.where(left == nodes, nodes, left + 1)

    def to_arrays(self) -> dict[str, Array]:
        """The fields by name, in small types."""
        small = {"roots": np.int32, "left": np.int32, "cover": np.float32}
        small["feature"] = np.min_scalar_type(2 * self.features).type
        return {
            field.name: np.asarray(getattr(self, field.name), dtype=small.get(field.name))
            for field in fields(self)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Trees:
        """Read what ``to_arrays`` wrote; raises KeyError or ValueError for anything else."""
        nodes = {
            name: np.asarray(arrays[name], dtype=kind)
            for name, kind in (
                ("feature", np.intp),
                ("threshold", np.float32),
                ("left", np.intp),
                ("cover", np.float64),
                ("leaf", np.float32),
            )
        }
        if len({values.shape for values in nodes.values()}) != 1:
            raise ValueError("the arrays of the nodes differ in length")
        features, depth = int(arrays["features"]), int(arrays["depth"])
        roots = np.asarray(arrays["roots"], dtype=np.intp)
        for values, end in (
            (nodes["feature"], 2 * features),
            (nodes["left"], len(nodes["left"])),
            (roots, len(nodes["left"])),
        ):
            if len(values) and not 0 <= values.min() <= values.max() < end:
                raise ValueError("a node refers to a feature or a node that does not exist")
        return cls(features, depth, np.float32(arrays["base"]), roots, **nodes)


class StoredTrees(NamedTuple):
    """What training stores of a price model and a spread model, in this order: their ``trees``, and
    their models for rows after ``fill_missing`` (UBJSON)."""

    trees: tuple[Trees, Trees]
    filled: tuple[bytes, bytes]


def fill_missing(rows: Array) -> Array:
    """Rows [..., 2 * features] without NaN from rows [..., features].

    The first half has +inf for NaN, which goes right at every node; the second half has -inf, which
    goes left. A node reads the half that matches its default direction.
    """
    filled = np.where(np.isnan(rows)[..., None, :], _EITHER_END, rows[..., None, :])
    return filled.reshape(*rows.shape[:-1], -1)


def boundary_rows(models: Sequence[Trees], count: int) -> Array:
    """Rows [count, features] to verify an engine with: the models' own thresholds, always the same.

    A wrong comparison shows on a threshold. One value in five is missing.
    """
    features = models[0].features
    rows = np.full((count, features), np.nan, dtype=np.float32)
    numbers = _scattered(count * features).reshape(count, features)
    for column in range(features):
        thresholds = np.concatenate(
            [m.threshold[~np.isnan(m.threshold) & (m.feature % features == column)] for m in models]
        )
        if len(thresholds):
            rows[:, column] = thresholds[numbers[:, column] % np.uint64(len(thresholds))]
    rows[_scattered(2 * rows.size)[rows.size :].reshape(rows.shape) % np.uint64(5) == 0] = np.nan
    return rows


def _scattered(count: int) -> Array:
    """``count`` pseudo-random unsigned 64-bit integers: SplitMix64 (Steele et al., 2014).

    Not numpy.random: importing it would slow a function's start.
    """
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
