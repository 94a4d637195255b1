"""The trees of a model as numpy arrays, read from what xgboost saves.

The library takes a quarter of a millisecond for a row of a few hundred trees, most of it in getting
ready for many, and ten times that to say what each feature adds. ``tasador.engine.single_row`` and
``tasador.engine.tree_shap`` do both from these arrays, a row at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasador.arrays import Array

# What these objectives predict is the sum itself.
_PLAIN = ("reg:absoluteerror", "reg:squarederror")
_USED = (
    "left_children",
    "right_children",
    "split_conditions",
    "split_indices",
    "default_left",
    "sum_hessian",
)


@dataclass(frozen=True, slots=True)
class Trees:
    """All nodes of all trees, in one numbering.

    ``roots`` [trees] are their first nodes. ``feature`` [nodes] is the place in ``both_ways`` of a
    row. ``limit`` [nodes] is NaN at a leaf, which no value reaches. ``left`` [nodes] is the left
    child, whose neighbour is the right one; a leaf's is itself. ``cover`` [nodes] is what of the
    training data passed, ``leaf`` [nodes] what a leaf adds, 0 elsewhere.
    """

    features: int
    roots: Array
    depth: int
    feature: Array
    limit: Array
    left: Array
    cover: Array
    leaf: Array
    base: np.float32

    def children(self, nodes: Array) -> tuple[Array, Array]:
        """The left and right children of nodes; a leaf stands for both of its own."""
        left = self.left[nodes]
        return left, np.where(left == nodes, nodes, left + 1)


def both_ways(rows: Array) -> Array:
    """[with +inf for NaN, with -inf for NaN] of rows [..., features]: so a missing value goes where
    a node's ``feature`` sends it."""
    features = rows.shape[-1]
    found = np.concatenate([rows, rows], axis=-1)
    missing = np.isnan(rows)
    if missing.any():
        found[..., :features][missing] = np.inf
        found[..., features:][missing] = -np.inf
    return found


def both_ways_model(content: bytes, features: int) -> bytes:
    """The model for rows that went through ``both_ways``, in xgboost's UBJSON, made of one for rows
    of ``features`` that ``read_trees`` takes."""
    # The arrays that are read are windows into it.
    buffer = bytearray(content)
    for tree in _Reader(buffer).value()["learner"]["gradient_booster"]["model"]["trees"]:
        inner = tree["left_children"] >= 0
        tree["split_indices"][inner & (tree["default_left"] != 0)] += features
    told, doubled = (
        b"num_featureSL" + len(text).to_bytes(8, "big") + text.encode()
        for text in (str(features), str(2 * features))
    )
    return bytes(buffer).replace(told, doubled)


def trying_rows(models: Sequence[Trees], count: int) -> Array:
    """Rows [count, features] to try a way of our own on: made of the limits themselves, where a
    wrong comparison shows, one value in five missing."""
    made = np.random.default_rng(0)
    features = models[0].features
    rows = np.full((count, features), np.nan, dtype=np.float32)
    for place in range(features):
        limits = np.concatenate(
            [m.limit[~np.isnan(m.limit) & (m.feature % features == place)] for m in models]
        )
        if len(limits):
            rows[:, place] = made.choice(limits, count)
    rows[made.random(rows.shape) < 0.2] = np.nan
    return rows


def read_trees(content: bytes) -> Trees | None:
    """The trees of a model in xgboost's UBJSON; None where this walk would not be the library's."""
    try:
        learner = _Reader(content).value()["learner"]
        booster, param = learner["gradient_booster"], learner["learner_model_param"]
        model = booster["model"]
        trees = model["trees"]
        base = np.float32(param["base_score"].strip("[]"))
        simple = (
            booster["name"] == "gbtree"
            and learner["objective"]["name"] in _PLAIN
            and param["num_target"] == "1"
            and not any(tree["categories_nodes"].size for tree in trees)
            and all(tree["tree_param"]["size_leaf_vector"] in ("0", "1") for tree in trees)
        )
        if not simple or not trees:
            return None
        left, right, limit, feature, missing_left, cover = (
            np.concatenate([tree[name] for tree in trees]) for name in _USED
        )
    except (KeyError, TypeError, ValueError, IndexError, struct.error, AttributeError):
        return None
    sizes = np.array([len(tree["left_children"]) for tree in trees])
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    leaf = left < 0
    if not np.array_equal(right[~leaf], left[~leaf] + 1):
        return None
    features = int(param["num_feature"])
    moved = np.where(leaf, np.arange(len(left)), left + np.repeat(first, sizes))
    return Trees(
        features=features,
        roots=first.astype(np.intp),
        depth=_depth(first, moved, leaf),
        feature=np.where(leaf, 0, feature + features * (missing_left != 0)).astype(np.intp),
        limit=np.where(leaf, np.float32(np.nan), limit).astype(np.float32),
        left=moved.astype(np.intp),
        cover=cover.astype(np.float64),
        leaf=np.where(leaf, limit, 0).astype(np.float32),
        base=base,
    )


def _depth(roots: Array, left: Array, leaf: Array) -> int:
    depth, level = 0, roots[~leaf[roots]]
    while len(level):
        children = np.concatenate([left[level], left[level] + 1])
        depth, level = depth + 1, children[~leaf[children]]
    return depth


_NUMBERS = {
    "i": (struct.Struct(">b"), ">i1"),
    "U": (struct.Struct(">B"), ">u1"),
    "I": (struct.Struct(">h"), ">i2"),
    "l": (struct.Struct(">i"), ">i4"),
    "L": (struct.Struct(">q"), ">i8"),
    "d": (struct.Struct(">f"), ">f4"),
    "D": (struct.Struct(">d"), ">f8"),
}
_CONSTANTS = {"T": True, "F": False, "Z": None}


class _Reader:
    """UBJSON (https://ubjson.org) as xgboost writes it: typed arrays as numpy arrays."""

    def __init__(self, content: bytes | bytearray) -> None:
        self._content = content
        self._at = 0

    def value(self) -> Any:
        """The value that begins here."""
        kind = self._next()
        if kind == "{":
            return self._object()
        if kind == "[":
            return self._array()
        if kind == "S":
            return self._text()
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        return self._number(kind)

    def _next(self) -> str:
        kind = chr(self._content[self._at])
        self._at += 1
        return kind

    def _number(self, kind: str) -> Any:
        layout = _NUMBERS[kind][0]
        (number,) = layout.unpack_from(self._content, self._at)
        self._at += layout.size
        return number

    def _text(self) -> str:
        end = self._at + 1 + 8
        if self._content[self._at] == 76:  # "L", which xgboost always writes
            size = int.from_bytes(self._content[self._at + 1 : end], "big")
            self._at = end
        else:
            size = self._number(self._next())
        text = self._content[self._at : self._at + size]
        self._at += size
        return text.decode()

    def _object(self) -> dict[str, Any]:
        found = {}
        while self._content[self._at] != 125:  # "}"
            name = self._text()
            found[name] = self.value()
        self._at += 1
        return found

    def _array(self) -> Any:
        if self._content[self._at] == 36:  # "$": all of one type
            kind = chr(self._content[self._at + 1])
            self._at += 3  # "$", the type, "#"
            size = self._number(self._next())
            layout = np.dtype(_NUMBERS[kind][1])
            found = np.frombuffer(self._content, layout, size, self._at)
            self._at += size * layout.itemsize
            return found
        if self._content[self._at] == 35:  # "#": so many
            self._at += 1
            return [self.value() for _ in range(self._number(self._next()))]
        items = []
        while self._content[self._at] != 93:  # "]"
            items.append(self.value())
        self._at += 1
        return items
