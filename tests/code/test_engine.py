"""The serving engine answers as the Python package does, bit for bit, and frees what it takes."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tasador.engine import fast_path
from tasador.engine.booster import Booster
from tasador.engine.trees import read_trees, trying_rows
from tasador.engine.xgboost_library import StoredModel, version
from tasador.errors import BundleError
from tasador.training.study import training_engine

FEATURES = 12
ROWS = 5_001


@pytest.fixture(scope="module")
def matrix():
    made = np.random.default_rng(0)
    matrix = made.normal(size=(ROWS, FEATURES)).astype(np.float32)
    matrix[made.random(matrix.shape) < 0.2] = np.nan
    return matrix


@pytest.fixture(scope="module", params=["reg:absoluteerror", "reg:squarederror"])
def package(request, matrix):
    xgboost = training_engine()
    label = np.nan_to_num(matrix) @ np.arange(FEATURES) + 12
    params = {"max_depth": 6, "nthread": 1, "objective": request.param}
    return xgboost.train(params, xgboost.DMatrix(matrix, label), 60)


@pytest.fixture
def booster(package):
    return Booster(StoredModel(bytes(package.save_raw("ubj"))))


def test_predictions_are_those_of_the_package_bit_for_bit(package, booster, matrix):
    expected = package.inplace_predict(matrix)
    assert booster.features == FEATURES
    assert np.array_equal(booster.predict(matrix), expected)
    singles = [booster.predict(matrix[n : n + 1])[0] for n in range(50)]
    assert np.array_equal(singles, expected[:50])


def trained(matrix, label, params, rounds):
    xgboost = training_engine()
    package = xgboost.train({"nthread": 1, **params}, xgboost.DMatrix(matrix, label), rounds)
    return Booster(StoredModel(bytes(package.save_raw("ubj"))))


def edges(booster, matrix):
    """Rows, and rows made of the limits of the model and beyond them."""
    made = trying_rows([fast_path.trees_of(booster)], 200)
    same = [np.full(FEATURES, value, np.float32) for value in (np.nan, np.inf, -np.inf, 0.0)]
    return np.vstack([matrix[:100], made, np.nextafter(made[:50], np.float32(np.inf)), same])


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 6, 7, 8, 9])
def test_the_walk_through_several_models_is_the_library_bit_for_bit(booster, matrix, depth):
    label = np.sin(3 * np.nan_to_num(matrix)).sum(axis=1)
    other = trained(matrix, label, {"max_depth": depth, "max_leaves": 40}, 11)
    walk = fast_path.walk_of([booster, other])
    rows = edges(booster, matrix)
    found = np.array([walk.predict(row) for row in rows])
    for place, model in enumerate((booster, other)):
        assert np.array_equal(found[:, place], model.predict(rows))


def test_tables_through_several_models_are_the_library_bit_for_bit(booster, matrix):
    label = np.sin(3 * np.nan_to_num(matrix)).sum(axis=1)
    models = [booster, trained(matrix, label, {"max_depth": 4}, 11)]
    rows = edges(booster, matrix)
    expected = [model.predict(rows) for model in models]
    assert np.array_equal(fast_path.tables_of(models)(rows), expected)


@pytest.mark.parametrize(
    ("depth", "rounds", "grown"),
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
def test_quick_contributions_are_those_of_the_library(matrix, depth, rounds, grown, features):
    # With few features every path asks for the same one again and again.
    few = np.ascontiguousarray(matrix[:, :features])
    label = np.sin(3 * np.nan_to_num(few)).sum(axis=1) + np.nan_to_num(few)[:, 0] ** 2
    booster = trained(few, label, {"max_depth": depth, **grown}, rounds)
    quick = fast_path.quick_contributions_of(booster)
    rows = np.vstack([few[:60], trying_rows([fast_path.trees_of(booster)], 60)])
    expected = booster.contributions(rows)
    found = np.array([quick.contributions(row) for row in rows])
    size = np.abs(label).max()
    np.testing.assert_allclose(found, expected[:, :-1], atol=2e-6 * size * max(1, rounds / 10))
    assert np.allclose(quick.base, expected[:, -1])
    np.testing.assert_allclose(
        found.sum(axis=1) + quick.base, booster.predict(rows), atol=1e-5 * size
    )


def test_a_model_that_a_quick_way_would_answer_otherwise_is_left_to_the_library(matrix):
    label = (np.sin(20 * np.nan_to_num(matrix[:, 0])) > 0).astype(float)
    deep = {"max_depth": 12, "min_child_weight": 0}
    assert fast_path.tables_of([trained(matrix, label, {"booster": "dart"}, 5)]) is None
    for params in ({"objective": "binary:logistic"}, {"booster": "dart"}, deep):
        booster = trained(matrix, label, params, 5)
        assert fast_path.walk_of([booster]) is None
        assert fast_path.quick_contributions_of(booster) is None
    assert read_trees(b"{L" + bytes(7)) is None


def test_damaged_tables_are_not_used(booster, monkeypatch):
    def spoilt(content):
        trees = read_trees(content)
        trees.leaf[:] += 0.001
        trees.cover[trees.roots] *= 2
        return trees

    monkeypatch.setattr(fast_path, "read_trees", spoilt)
    assert fast_path.walk_of([booster]) is None
    assert fast_path.quick_contributions_of(booster) is None


def test_contributions_are_those_of_the_package_bit_for_bit(package, booster, matrix):
    rows = training_engine().DMatrix(matrix[:41])
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
def test_any_layout_of_the_rows_is_read(booster, matrix, changed):
    assert np.array_equal(booster.predict(changed(matrix)), booster.predict(matrix))
    assert booster.predict(matrix[:0]).shape == (0,)


@pytest.mark.parametrize("content", [b"", b"{}", b"not a model"])
def test_what_is_no_model_is_refused_in_one_line(content):
    with pytest.raises(BundleError) as caught:
        StoredModel(content)
    assert len(str(caught.value).splitlines()) == 1


def test_a_cut_model_is_refused(package):
    content = bytes(package.save_raw("ubj"))
    with pytest.raises(BundleError):
        StoredModel(content[: len(content) // 2])


@pytest.mark.parametrize("shape", [(3, FEATURES - 1), (3, FEATURES + 1), (FEATURES,)])
def test_rows_of_another_width_are_refused(booster, shape):
    wrong = np.zeros(shape, dtype=np.float32)
    for answer in (booster.predict, booster.contributions):
        with pytest.raises(BundleError, match=f"takes {FEATURES} features"):
            answer(wrong)


def test_threads_get_their_own_answers(booster, matrix):
    expected, explained = booster.predict(matrix), booster.contributions(matrix[:64])
    wrong = []

    def ask(start):
        for n in range(start, start + 200):
            row = matrix[n % ROWS : n % ROWS + 1]
            if booster.predict(row)[0] != expected[n % ROWS]:
                wrong.append(n)
            if not np.array_equal(
                booster.contributions(matrix[n % 64 : n % 64 + 1])[0], explained[n % 64]
            ):
                wrong.append(n)

    callers = [threading.Thread(target=ask, args=(1_000 * n,)) for n in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_is_taken_is_freed(package, matrix):
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


def test_the_library_is_called_without_its_package_and_without_numpy():
    code = (
        "import sys; from tasador.engine.xgboost_library import version; version();"
        "print(sorted({'numpy', 'xgboost', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert version() == training_engine().__version__
