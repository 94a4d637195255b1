"""The blend that the trees correct: it is fitted on rows, and judged on others."""

from dataclasses import replace

import numpy as np
import pytest

from tasador.model.blend import BLENDED_COLUMNS
from tasador.model.features import FEATURE_NAMES
from tasador.training.encoding import Sample
from tasador.training.views import MASKED_WEIGHT, Views

ROWS = 200


@pytest.fixture
def views():
    random = np.random.default_rng(0)
    log_price = random.normal(12.5, 0.5, ROWS)
    view = np.zeros((ROWS, len(FEATURE_NAMES)), dtype=np.float32)
    view[:, BLENDED_COLUMNS] = random.normal(0, 0.1, (ROWS, len(BLENDED_COLUMNS)))
    view[:, BLENDED_COLUMNS] += log_price[:, None]
    weight = np.linspace(0.5, 1.5, ROWS)
    return Views.of(Sample(view, (view + 0.05, view - 0.05), weight), log_price)


def test_prices_of_held_rows_do_not_shape_the_blend(views):
    """Otherwise the errors on these rows, and so the intervals, are too small."""
    held = np.arange(ROWS) % 5 == 0
    training, unseen = views.split(held)
    # Other prices of these rows change the blend of all rows, but not that of the split.
    moved = np.where(held, views.log_price + np.random.default_rng(1).normal(0, 1, ROWS), 0)
    others = Views.of(views.sample, np.where(held, moved, views.log_price))
    assert others.blend.to_names() != views.blend.to_names()
    assert others.split(held)[0].blend.to_names() == training.blend.to_names()
    assert unseen.blend is training.blend
    assert len(unseen.log_price) == held.sum()
    np.testing.assert_array_equal(training.log_price, views.log_price[~held])


@pytest.mark.parametrize("columns", [slice(None), [3, 0, 5]])
@pytest.mark.parametrize("hidden", [None, np.arange(ROWS) % 3 == 0])
def test_views_are_joined_row_by_row_with_their_residuals(views, hidden, columns):
    shown = np.ones(ROWS, dtype=bool) if hidden is None else hidden
    parts = [
        (views.sample.matrix, np.ones(ROWS, dtype=bool)),
        *((v, shown) for v in views.sample.masked),
    ]
    features, residual, weight = views.joined(hidden, columns)
    expected = [view[rows][:, columns] for view, rows in parts]
    np.testing.assert_array_equal(features, np.concatenate(expected))
    assert features.flags.c_contiguous
    prices = [views.log_price[rows] - views.blend.log_prices(view[rows]) for view, rows in parts]
    np.testing.assert_array_equal(residual, np.concatenate(prices))
    of_view = np.repeat([1.0, MASKED_WEIGHT / 2], [ROWS, 2 * shown.sum()])
    of_row = np.concatenate([views.sample.weight[rows] for _, rows in parts])
    np.testing.assert_array_equal(weight, of_view * of_row)
    # All rows count the same when a model is judged on them.
    judged = views.matrix(views.matrix(hidden=hidden, columns=columns), hidden, columns)
    np.testing.assert_array_equal(judged.get_weight(), of_view.astype(np.float32))


def test_masked_views_that_are_hidden_do_not_shape_the_blend(views):
    held, hidden = np.arange(ROWS) % 5 == 0, np.arange(ROWS) % 3 == 0
    training, _ = views.split(held, hidden)
    masked = tuple(np.where(hidden[:, None], view, 0) for view in views.sample.masked)
    without = replace(views, sample=views.sample._replace(masked=masked))
    assert without.split(held, hidden)[0].blend.to_names() == training.blend.to_names()
    assert without.split(held)[0].blend.to_names() != training.blend.to_names()
