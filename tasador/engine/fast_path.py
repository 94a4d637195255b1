"""Faster ways to the engine's answers: each is tried against the library before it is used.

Making one takes longer than a first answer, so a process that starts does it, and imports this
module, when it has given that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.engine.booster import Booster
from tasador.engine.single_row import DEEPEST, Walk
from tasador.engine.trees import Trees, both_ways, both_ways_model, read_trees, trying_rows
from tasador.engine.xgboost_library import StoredModel

if TYPE_CHECKING:
    from tasador.engine.tree_shap import Shapley


# Rows on which the faster way must agree before it is used.
_TRIED, _EXPLAINED = 64, 8
# And how near contributions must come, since the library too adds them up in 32 bits.
_NEAR = 1e-5


def tables_of(boosters: Sequence[Booster]) -> Callable[[Array], list[Array]] | None:
    """A faster way to the predictions of many rows by each of the boosters, where that changes no
    bit of them; None if there is none.

    The library takes half the time for rows without a missing value, so each row is given twice,
    what is missing as plus and as minus infinity, and each node asks for the one that goes its way.
    """
    models = [trees for booster in boosters if (trees := trees_of(booster)) is not None]
    if len(models) < len(boosters):
        return None
    doubled = [
        Booster(StoredModel(both_ways_model(booster.stored(), booster.features)))
        for booster in boosters
    ]
    rows = trying_rows(models, _TRIED)

    def predict(matrix: Array) -> list[Array]:
        twice = both_ways(matrix)
        return [booster.predict(twice) for booster in doubled]

    expected = [booster.predict(rows) for booster in boosters]
    return predict if np.array_equal(predict(rows), expected) else None


def walk_of(boosters: Sequence[Booster]) -> Walk | None:
    """A faster way to the predictions of single rows by all of the boosters; None if there is none.

    It is made only if its answers are the library's, bit for bit, on rows made of the models' own
    limits. That takes some milliseconds, which a process that starts need not spend before its
    first answer.
    """
    models = [trees for booster in boosters if (trees := trees_of(booster)) is not None]
    if len(models) < len(boosters) or max(model.depth for model in models) > DEEPEST:
        return None
    walk, rows = Walk.of(models), trying_rows(models, _TRIED)
    answers = np.array([walk.predict(row) for row in rows], dtype=np.float32).T
    expected = [booster.predict(rows) for booster in boosters]
    return walk if np.array_equal(answers, expected) else None


def quick_contributions_of(booster: Booster) -> Shapley | None:
    """A faster way to the contributions of single rows; None if there is none.

    It is made only if it gives the library's answers, as far as 32 bits go, on rows made of the
    model's own limits; it takes longer than ``walk_of``.
    """
    from tasador.engine import tree_shap  # explain alone needs it

    trees = trees_of(booster)
    if trees is None or trees.depth > tree_shap.DEEPEST:
        return None
    rows = trying_rows([trees], _EXPLAINED)
    expected = booster.contributions(rows)
    quick = tree_shap.shapley_of(trees, float(expected[0, -1]))
    if quick is None:
        return None
    answers = np.array([quick.contributions(row) for row in rows])
    near = np.abs(answers - expected[:, :-1]) <= _NEAR * (1 + np.abs(answers))
    return quick if near.all() else None


def trees_of(booster: Booster) -> Trees | None:
    """The trees as numpy arrays; None where no other way but the library's may read them."""
    found = read_trees(booster.stored())
    return found if found is not None and found.features == booster.features else None
