"""The plots on the card of a training."""

import numpy as np
import pytest

from tasador.model.model_ref import ModelRef
from tasador.training import card
from tasador.training.effects_plot import effects_figure, shades, stacked
from tasador.warehouse.ledger import LedgerEntry
from tests.kit.records import WHEN


def test_effects_figure_shows_the_largest_effects_first():
    random = np.random.default_rng(0)
    values = random.normal(size=(40, 20)) * np.arange(20)
    matrix = random.normal(size=(40, 20))
    matrix[:, 19] = np.nan
    matrix[::2, 18] = np.nan
    matrix[:, 17] = 3.0
    figure = effects_figure(values, matrix, [f"feature {number}" for number in range(20)])
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    sizes = np.abs(values).mean(axis=0)
    assert labels == [f"feature {number}" for number in np.argsort(-sizes)[:15]]
    dots = sum(len(collection.get_offsets()) for collection in figure.axes[0].collections)
    assert dots == 15 * 40


@pytest.mark.parametrize("rows", [1, 2, 500])
def test_stacked_dots_do_not_coincide(rows):
    effect = np.round(np.random.default_rng(rows).normal(size=rows), 1)
    height = stacked(effect)
    assert np.abs(height).max() <= 0.4
    assert len(set(zip(effect, height, strict=True))) == rows


def test_shades_are_between_the_quantiles():
    assert shades(np.array([np.nan, np.nan])) == pytest.approx([np.nan] * 2, nan_ok=True)
    assert shades(np.array([2.0, np.nan, 2.0])) == pytest.approx([0.5, np.nan, 0.5], nan_ok=True)
    feature = np.append(np.arange(101.0), np.nan)
    shade = shades(feature)
    assert (shade[0], shade[5], shade[50], shade[95], shade[100]) == (0, 0, 0.5, 1, 1)
    assert np.isnan(shade[-1])
    # Few rows have it: the quantiles are equal.
    assert shades(np.append(np.zeros(99), 1.0))[-1] == 1


def test_ledger_is_drawn_oldest_first_with_what_was_promised():
    entries = [
        LedgerEntry(
            model=ModelRef("tasador-price", version, f"d{version}"),
            batch_id=f"batch-{version}",
            judged_at=WHEN,
            figures={"rows": 2000.0, "median_error": version / 10},
            promised=promised,
        )
        for version, promised in ((3, {}), (2, {"median_error": 0.15}), (1, {"median_error": 0.1}))
    ]
    axes = card._ledger(entries).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [10, 20, 30]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [10, 15, np.nan])
    assert "version 1" in axes.get_xticklabels()[0].get_text()
