"""What training derives from a model in xgboost's JSON, so that serving parses none of it.

``read_trees`` gives the trees as arrays. ``filled_model`` gives a model for rows that went through
``fill_missing``: the library takes half the time for rows without a missing value.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.engine.trees import Trees
from tasador.engine.xgboost_library import StoredModel
from tasador.errors import BundleError

# The prediction of these objectives is the sum of the leaves.
_OBJECTIVES = ("reg:pseudohubererror", "reg:absoluteerror", "reg:squarederror")


def read_trees(content: bytes) -> Trees:
    """The trees of a model in xgboost's JSON.

    Raises BundleError for a model whose prediction is not the plain sum of the leaves of trees
    with numeric splits.
    """
    learner = json.loads(content)["learner"]
    _require_plain(learner)
    parameters, trees = learner["learner_model_param"], _trees_of(learner)
    features = int(parameters["num_feature"])

    def column(name: str, kind: type[np.generic]) -> Array:
        return np.concatenate([np.asarray(tree[name], dtype=kind) for tree in trees])

    sizes = np.array([len(tree["left_children"]) for tree in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
    left, right = column("left_children", np.intp), column("right_children", np.intp)
    value, missing_left = column("split_conditions", np.float32), column("default_left", np.bool_)
    leaf = left < 0
    if not np.array_equal(right[~leaf], left[~leaf] + 1):
        raise BundleError("the right child of a node does not follow the left one")
    left = np.where(leaf, np.arange(len(left)), left + np.repeat(roots, sizes))
    feature = column("split_indices", np.intp) + features * missing_left
    return Trees(
        features=features,
        depth=_depth(roots, left, leaf),
        base=np.float32(parameters["base_score"].strip("[]")),
        roots=roots,
        feature=np.where(leaf, 0, feature),
        threshold=np.where(leaf, np.float32(np.nan), value),
        left=left,
        cover=column("sum_hessian", np.float64),
        leaf=np.where(leaf, value, np.float32(0)),
    )


def filled_model(content: bytes) -> bytes:
    """The model for rows [n, 2 * features] after ``fill_missing``, as UBJSON.

    ``content`` is a model in xgboost's JSON that ``read_trees`` accepts.
    """
    model = json.loads(content)
    learner = model["learner"]
    features = int(learner["learner_model_param"]["num_feature"])
    for tree in _trees_of(learner):
        tree["split_indices"] = [
            index + features if default_left and left >= 0 else index
            for index, default_left, left in zip(
                tree["split_indices"], tree["default_left"], tree["left_children"], strict=True
            )
        ]
        tree["tree_param"]["num_feature"] = str(2 * features)
    learner["learner_model_param"]["num_feature"] = str(2 * features)
    return StoredModel(json.dumps(model).encode()).to_ubjson()


def _require_plain(learner: dict[str, Any]) -> None:
    booster, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if booster != "gbtree" or objective not in _OBJECTIVES:
        raise BundleError(f"a {booster} model with the objective {objective} is not supported")
    trees = _trees_of(learner)
    if not trees or learner["learner_model_param"]["num_target"] != "1":
        raise BundleError("a model without trees or with several targets is not supported")
    for tree in trees:
        if tree["categories_nodes"] or tree["tree_param"]["size_leaf_vector"] not in ("0", "1"):
            raise BundleError("categorical splits and vector leaves are not supported")


def _trees_of(learner: dict[str, Any]) -> list[dict[str, Any]]:
    trees: list[dict[str, Any]] = learner["gradient_booster"]["model"]["trees"]
    return trees


def _depth(roots: Array, left: Array, leaf: Array) -> int:
    depth, level = 0, roots[~leaf[roots]]
    while len(level):
        children = np.concatenate([left[level], left[level] + 1])
        depth, level = depth + 1, children[~leaf[children]]
    return depth
