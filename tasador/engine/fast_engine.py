"""An engine that is faster than the library and gives the same answers.

Building it takes longer than a first answer, and so does importing this module. A process that
starts does both after its first answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.engine.booster import Booster
from tasador.engine.engine import Engine
from tasador.engine.single_row import SingleRow
from tasador.engine.trees import StoredTrees, Trees, boundary_rows, fill_missing
from tasador.engine.xgboost_library import StoredModel
from tasador.errors import BundleError

if TYPE_CHECKING:
    from tasador.engine.tree_shap import TreeShap


# Rows that predictions and explanations are verified on.
_PREDICTED_ROWS, _EXPLAINED_ROWS = 64, 8
# Allowed difference of contributions, relative to 1 + their size: the library sums in 32 bits.
_CONTRIBUTION_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class FastEngine:
    """An ``Engine``: numpy for one row, models without missing values for many."""

    library: Engine
    single_row: SingleRow
    filled: tuple[Booster, Booster]
    tree_shap: TreeShap | None

    @property
    def explains_inline(self) -> bool:
        """Whether it was built with ``explains``."""
        return self.tree_shap is not None

    def predict(self, matrix: Array) -> tuple[Array, Array]:
        """See ``Engine``."""
        rows = fill_missing(np.asarray(matrix, dtype=np.float32))
        price, spread = self.filled
        return price.predict(rows), spread.predict(rows)

    def predict_one(self, row: Array) -> tuple[float, float]:
        """See ``Engine``."""
        price, spread = self.single_row.predict(row)
        return price, spread

    def contributions(self, matrix: Array) -> Array:
        """See ``Engine``."""
        return self.library.contributions(matrix)

    def contributions_one(self, row: Array) -> tuple[Array, float]:
        """See ``Engine``."""
        if self.tree_shap is None:
            return self.library.contributions_one(row)
        return self.tree_shap.contributions(row), self.tree_shap.base


def fast_engine(library: Engine, stored: StoredTrees, *, explains: bool = False) -> FastEngine:
    """An engine verified against ``library``, on rows made of the models' own thresholds.

    Predictions are equal to the bit, contributions up to the rounding of 32 bits. ``explains``
    optimises ``contributions_one`` too. Raises BundleError if an answer differs, or if the trees
    are too deep.
    """
    rows = boundary_rows(stored.trees, _PREDICTED_ROWS)
    single_row = SingleRow.of(stored.trees)
    price, spread = (Booster(StoredModel(content)) for content in stored.filled)
    tree_shap = _tree_shap(library, stored.trees[0]) if explains else None
    engine = FastEngine(library, single_row, (price, spread), tree_shap)
    expected = np.array(library.predict(rows))
    _require_equal("tables", engine.predict(rows), expected)
    _require_equal("single rows", [engine.predict_one(row) for row in rows], expected.T)
    return engine


def _require_equal(what: str, answers: Sequence[object], expected: Array) -> None:
    if not np.array_equal(np.array(answers, dtype=np.float32), expected):
        raise BundleError(f"the fast engine predicts {what} differently from the library")


def _tree_shap(library: Engine, trees: Trees) -> TreeShap:
    from tasador.engine.tree_shap import TreeShap  # only explain needs it

    rows = boundary_rows([trees], _EXPLAINED_ROWS)
    expected = library.contributions(rows)
    tree_shap = TreeShap.of(trees, float(expected[0, -1]))
    values = np.array([tree_shap.contributions(row) for row in rows])
    near = np.abs(values - expected[:, :-1]) <= _CONTRIBUTION_TOLERANCE * (1 + np.abs(values))
    if not near.all():
        raise BundleError("the fast engine explains differently from the library")
    return tree_shap
