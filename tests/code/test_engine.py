"""The engines predict as xgboost's Python package does, bit for bit, and free their memory."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tasador.engine.booster import Booster
from tasador.engine.engine import LibraryEngine
from tasador.engine.fast_engine import fast_engine
from tasador.engine.single_row import SingleRow
from tasador.engine.tree_shap import TreeShap
from tasador.engine.trees import StoredTrees, Trees, boundary_rows
from tasador.engine.xgboost_json import filled_model, read_trees
from tasador.engine.xgboost_library import StoredModel, version
from tasador.errors import BundleError
from tasador.training.boosting import import_xgboost

FEATURES = 12
ROWS = 5_001


@pytest.fixture(scope="module")
def matrix():
    made = np.random.default_rng(0)
    matrix = made.normal(size=(ROWS, FEATURES)).astype(np.float32)
    matrix[made.random(matrix.shape) < 0.2] = np.nan
    return matrix


@pytest.fixture(
    scope="module", params=["reg:pseudohubererror", "reg:absoluteerror", "reg:squarederror"]
)
def package(request, matrix):
    xgboost = import_xgboost()
    label = np.nan_to_num(matrix) @ np.arange(FEATURES) + 12
    params = {"max_depth": 6, "nthread": 1, "objective": request.param}
    return xgboost.train(params, xgboost.DMatrix(matrix, label), 60)


@pytest.fixture
def booster(package):
    return Booster(StoredModel(bytes(package.save_raw("ubj"))))


def test_predict_equals_package(package, booster, matrix):
    expected = package.inplace_predict(matrix)
    assert booster.features == FEATURES
    assert np.array_equal(booster.predict(matrix), expected)
    singles = [booster.predict(matrix[n : n + 1])[0] for n in range(50)]
    assert np.array_equal(singles, expected[:50])


def train(matrix, label, params, rounds):
    xgboost = import_xgboost()
    return xgboost.train({"nthread": 1, **params}, xgboost.DMatrix(matrix, label), rounds)


def library_of(*models):
    return LibraryEngine(*(Booster(StoredModel(bytes(m.save_raw("ubj")))) for m in models))


def trees_of(model):
    return read_trees(bytes(model.save_raw("json")))


def stored_trees(*models):
    saved = [bytes(model.save_raw("json")) for model in models]
    return StoredTrees(tuple(map(read_trees, saved)), tuple(map(filled_model, saved)))


def edge_rows(models, matrix):
    """Ordinary rows, rows on and just above the models' thresholds, and extreme ones."""
    on = boundary_rows([trees_of(model) for model in models], 200)
    above = np.nextafter(on[:50], np.float32(np.inf))
    constant = [np.full(FEATURES, value, np.float32) for value in (np.nan, np.inf, -np.inf, 0.0)]
    return np.vstack([matrix[:100], on, above, constant])


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 6, 7, 8, 9])
def test_fast_engine_equals_library(package, matrix, depth):
    label = np.sin(3 * np.nan_to_num(matrix)).sum(axis=1)
    models = [package, train(matrix, label, {"max_depth": depth, "max_leaves": 40}, 11)]
    library = library_of(*models)
    engine = fast_engine(library, stored_trees(*models))
    rows = edge_rows(models, matrix)
    expected = np.array(library.predict(rows))
    assert np.array_equal(np.array(engine.predict(rows)), expected)
    assert np.array_equal(np.array([engine.predict_one(row) for row in rows]), expected.T)
    assert not engine.explains_inline
    values, base = engine.contributions_one(rows[0])
    assert np.array_equal([*values, base], library.contributions(rows[:1])[0])


def test_fast_engine_explains(package, matrix):
    library = library_of(package, package)
    engine = fast_engine(library, stored_trees(package, package), explains=True)
    assert engine.explains_inline
    values, base = engine.contributions_one(matrix[0])
    expected = library.contributions(matrix[:1])[0]
    np.testing.assert_allclose([*values, base], expected, atol=1e-4)
    assert np.array_equal(engine.contributions(matrix[:5]), library.contributions(matrix[:5]))


@pytest.mark.parametrize(
    ("depth", "rounds", "growth"),
    [
        (1, 5, {}),
        (2, 30, {}),
        (5, 30, {}),
        (6, 60, {}),
        (7, 30, {"min_child_weight": 30}),
        (8, 40, {}),
        (9, 10, {"grow_policy": "lossguide", "max_leaves": 30}),
    ],
)
@pytest.mark.parametrize("features", [1, 3, FEATURES])
def test_tree_shap_equals_library(matrix, depth, rounds, growth, features):
    # With few features, every path splits on the same one several times.
    columns = np.ascontiguousarray(matrix[:, :features])
    label = np.sin(3 * np.nan_to_num(columns)).sum(axis=1) + np.nan_to_num(columns)[:, 0] ** 2
    model = train(columns, label, {"max_depth": depth, **growth}, rounds)
    booster, trees = library_of(model, model).price, trees_of(model)
    rows = np.vstack([columns[:60], boundary_rows([trees], 60)])
    expected = booster.contributions(rows)
    tree_shap = TreeShap.of(trees, float(expected[0, -1]))
    values = np.array([tree_shap.contributions(row) for row in rows])
    size = np.abs(label).max()
    np.testing.assert_allclose(values, expected[:, :-1], atol=2e-6 * size * max(1, rounds / 10))
    np.testing.assert_allclose(
        values.sum(axis=1) + tree_shap.base, booster.predict(rows), atol=1e-5 * size
    )


@pytest.mark.parametrize("params", [{"objective": "binary:logistic"}, {"booster": "dart"}])
def test_read_trees_refuses_other_models(matrix, params):
    label = (np.sin(20 * np.nan_to_num(matrix[:, 0])) > 0).astype(float)
    with pytest.raises(BundleError, match="not supported"):
        trees_of(train(matrix, label, params, 5))


def test_fast_engine_refuses_deep_trees(matrix):
    label = (np.sin(20 * np.nan_to_num(matrix[:, 0])) > 0).astype(float)
    deep = train(matrix, label, {"max_depth": 12, "min_child_weight": 0}, 5)
    with pytest.raises(BundleError, match="levels deep"):
        fast_engine(library_of(deep, deep), stored_trees(deep, deep))
    with pytest.raises(BundleError, match="cannot be explained"):
        TreeShap.of(trees_of(deep), 0.0)


def test_fast_engine_refuses_trees_that_differ(package, matrix):
    library, stored = library_of(package, package), stored_trees(package, package)
    other = train(matrix, np.nan_to_num(matrix[:, 0]), {"max_depth": 3}, 5)
    with pytest.raises(BundleError, match="predicts tables differently"):
        fast_engine(library, stored._replace(filled=stored_trees(other, other).filled))
    trees = trees_of(package)
    trees.leaf[:] += 0.001
    with pytest.raises(BundleError, match="predicts single rows differently"):
        fast_engine(library, stored._replace(trees=(trees, trees)))
    trees = trees_of(package)
    trees.cover[trees.roots] *= 2
    with pytest.raises(BundleError, match="explains differently"):
        fast_engine(library, stored._replace(trees=(trees, trees)), explains=True)


def test_trees_survive_storing(package, matrix):
    trees = trees_of(package)
    arrays = trees.to_arrays()
    again = Trees.from_arrays(arrays)
    row = matrix[0]
    assert SingleRow.of([again]).predict(row) == SingleRow.of([trees]).predict(row)
    for name, values in trees.to_arrays().items():
        assert np.array_equal(again.to_arrays()[name], values, equal_nan=True), name


@pytest.mark.parametrize("name", ["feature", "left", "roots"])
@pytest.mark.parametrize("value", [-1, 100_000])
def test_trees_from_arrays_refuses_bad_reference(package, name, value):
    arrays = trees_of(package).to_arrays()
    bad = arrays[name].astype(np.int64)
    bad[0] = value
    with pytest.raises(ValueError, match="does not exist"):
        Trees.from_arrays({**arrays, name: bad})


def test_trees_from_arrays_refuses_other_lengths(package):
    arrays = trees_of(package).to_arrays()
    with pytest.raises(ValueError, match="differ in length"):
        Trees.from_arrays({**arrays, "leaf": arrays["leaf"][1:]})


def test_contributions_equal_package(package, booster, matrix):
    rows = import_xgboost().DMatrix(matrix[:41])
    expected = package.predict(rows, pred_contribs=True)
    assert np.array_equal(booster.contributions(matrix[:41]), expected)
    assert booster.contributions(matrix[:0]).shape == (0, FEATURES + 1)


@pytest.mark.parametrize(
    "changed",
    [
        lambda m: m.astype(np.float64),
        np.asfortranarray,
        lambda m: np.repeat(m, 2, axis=1)[:, ::2],
    ],
)
def test_predict_accepts_any_memory_layout(booster, matrix, changed):
    assert np.array_equal(booster.predict(changed(matrix)), booster.predict(matrix))
    assert booster.predict(matrix[:0]).shape == (0,)


@pytest.mark.parametrize("content", [b"", b"{}", b"not a model"])
def test_stored_model_refuses_other_content(content):
    with pytest.raises(BundleError) as caught:
        StoredModel(content)
    assert len(str(caught.value).splitlines()) == 1


def test_stored_model_refuses_truncated_content(package):
    content = bytes(package.save_raw("ubj"))
    with pytest.raises(BundleError):
        StoredModel(content[: len(content) // 2])


@pytest.mark.parametrize("shape", [(3, FEATURES - 1), (3, FEATURES + 1), (FEATURES,)])
def test_predict_refuses_wrong_width(booster, shape):
    wrong = np.zeros(shape, dtype=np.float32)
    for method in (booster.predict, booster.contributions):
        with pytest.raises(BundleError, match=f"takes {FEATURES} features"):
            method(wrong)


def test_predict_and_contributions_are_thread_safe(booster, matrix):
    expected, explained = booster.predict(matrix), booster.contributions(matrix[:64])
    wrong = []

    def call(start):
        for n in range(start, start + 200):
            row = matrix[n % ROWS : n % ROWS + 1]
            if booster.predict(row)[0] != expected[n % ROWS]:
                wrong.append(n)
            if not np.array_equal(
                booster.contributions(matrix[n % 64 : n % 64 + 1])[0], explained[n % 64]
            ):
                wrong.append(n)

    callers = [threading.Thread(target=call, args=(1_000 * n,)) for n in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_boosters_free_their_memory(package, matrix):
    content = bytes(package.save_raw("ubj"))

    def use(times):
        for _ in range(times):
            booster = Booster(StoredModel(content))
            booster.predict(matrix[:1])
            booster.contributions(matrix[:8])

    use(50)
    before = resident()
    use(400)
    assert resident() - before < 8_000_000


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_library_imports_neither_numpy_nor_xgboost_package():
    code = (
        "import sys; from tasador.engine.xgboost_library import version; version();"
        "print(sorted({'numpy', 'xgboost', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert version() == import_xgboost().__version__
