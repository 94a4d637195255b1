"""The serving engine: xgboost's C library, driven by ctypes.

The library answers; the Python package around it would cost most of a serving process's start and
half of its memory (it pulls scipy in), for nothing that an answer needs. Every call is one of the
documented C API (https://xgboost.readthedocs.io/en/stable/c.html), and the answers are those of the
package, bit for bit. Training uses the package.
"""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.errors import BundleError
from tasador.trees import Trees, both_ways, both_ways_model, read_trees, trying_rows
from tasador.walk import DEEPEST, Walk

if TYPE_CHECKING:
    from tasador.shapley import Shapley

Array = np.ndarray[Any, Any]

_LIBRARY = "libxgboost.dylib" if sys.platform == "darwin" else "libxgboost.so"

# Rows on which the faster way must agree before it is used.
_TRIED, _EXPLAINED = 64, 8
# And how near contributions must come, since the library too adds them up in 32 bits.
_NEAR = 1e-5

_VALUE, _CONTRIBUTIONS = 0, 2
_DENSE = b'{"missing":NaN,"nthread":1}'
_IN_PLACE = (
    b'{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,'
    b'"missing":NaN,"strict_shape":false,"cache_id":0}'
)
_OF_MATRIX = (
    b'{"type":2,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false}'
)


class Booster:
    """A trained model that answers; safe to use from several threads.

    It has one thread of its own: parallel work is ``tasador.parts``, so that it never waits for a
    pool of OpenMP's, and the library leaves the interpreter's lock while it works.
    """

    def __init__(self, content: bytes) -> None:
        """Read what ``save_raw("ubj")`` of the Python package wrote; raises BundleError."""
        # The library ends the whole process over an empty buffer.
        if not content.startswith(b"{"):
            raise BundleError("it does not begin as a model that xgboost saved")
        self._library = _library()
        self._handle = ctypes.c_void_p()
        _check(self._library.XGBoosterCreate(None, 0, ctypes.byref(self._handle)))
        # Not at exit: a request may still be in the library then.
        weakref.finalize(self, self._library.XGBoosterFree, self._handle).atexit = False
        size = ctypes.c_uint64(len(content))
        _check(self._library.XGBoosterLoadModelFromBuffer(self._handle, content, size))
        _check(self._library.XGBoosterSetParam(self._handle, b"nthread", b"1"))
        found = ctypes.c_uint64()
        _check(self._library.XGBoosterGetNumFeature(self._handle, ctypes.byref(found)))
        self.features = found.value
        self._many: Booster | None = None

    def quicken(self) -> None:
        """Make the predictions of many rows faster from now on, where that changes no bit of them.

        The library takes half the time for rows without a missing value, so each row is given
        twice, what is missing as plus and as minus infinity, and each node asks for the one that
        goes its way.
        """
        content = both_ways_model(self._saved())
        trees = self.trees()
        if content is None or trees is None:
            return
        many, rows = Booster(content), trying_rows([trees], _TRIED)
        if np.array_equal(many.predict(both_ways(rows)), self.predict(rows)):
            self._many = many

    def trees(self) -> Trees | None:
        """The trees as numpy arrays; None where no other way but the library's may read them."""
        found = read_trees(self._saved())
        return found if found is not None and found.features == self.features else None

    def _saved(self) -> bytes:
        size, start = ctypes.c_uint64(), ctypes.c_void_p()
        _check(
            self._library.XGBoosterSaveModelToBuffer(
                self._handle, b'{"format":"ubj"}', ctypes.byref(size), ctypes.byref(start)
            )
        )
        return ctypes.string_at(start, size.value)

    def predict(self, matrix: Array) -> Array:
        """Predictions [n] float32 of rows [n, features], NaN where a value is missing."""
        matrix = self._checked(matrix)
        if self._many is not None and len(matrix) > 1:
            return self._many.predict(both_ways(matrix))
        return self._answer(
            len(matrix),
            lambda *out: self._library.XGBoosterPredictFromDense(
                self._handle, _interface(matrix), _IN_PLACE, None, *out
            ),
        )

    def contributions(self, matrix: Array) -> Array:
        """Exact Tree-SHAP values [n, features + 1] float32 of each row; the base comes last.

        They add up to the prediction (Lundberg et al., Nature Machine Intelligence 2, 2020).
        """
        matrix = self._checked(matrix)
        rows = ctypes.c_void_p()
        _check(
            self._library.XGDMatrixCreateFromDense(_interface(matrix), _DENSE, ctypes.byref(rows))
        )
        try:
            found = self._answer(
                matrix.shape[0] * (self.features + 1),
                lambda *out: self._library.XGBoosterPredictFromDMatrix(
                    self._handle, rows, _OF_MATRIX, *out
                ),
            )
        finally:
            self._library.XGDMatrixFree(rows)
        return found.reshape(len(matrix), self.features + 1)

    def _checked(self, matrix: Array) -> Array:
        if matrix.ndim != 2 or matrix.shape[1] != self.features:
            raise BundleError(
                f"the model takes {self.features} features a row, "
                f"but the matrix has the shape {matrix.shape}"
            )
        return np.ascontiguousarray(matrix, dtype=np.float32)

    def _answer(self, size: int, call: Callable[..., int]) -> Array:
        """What a call leaves in the library's buffer of this thread, copied."""
        shape, dimensions = ctypes.c_void_p(), ctypes.c_uint64()
        values = ctypes.c_void_p()
        _check(call(ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(values)))
        return np.frombuffer(ctypes.string_at(values, 4 * size), dtype=np.float32)


def walk_of(boosters: Sequence[Booster]) -> Walk | None:
    """A faster way to the predictions of single rows by all of the boosters; None if there is none.

    It is made only if its answers are the library's, bit for bit, on rows made of the models' own
    limits. That takes some milliseconds, which a process that starts need not spend before its
    first answer.
    """
    models = [trees for booster in boosters if (trees := booster.trees()) is not None]
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
    from tasador import shapley as exact  # explain alone needs it

    trees = booster.trees()
    if trees is None or trees.depth > exact.DEEPEST:
        return None
    rows = trying_rows([trees], _EXPLAINED)
    expected = booster.contributions(rows)
    shapley = exact.shapley_of(trees, float(expected[0, -1]))
    if shapley is None:
        return None
    answers = np.array([shapley.contributions(row) for row in rows])
    near = np.abs(answers - expected[:, :-1]) <= _NEAR * (1 + np.abs(answers))
    return shapley if near.all() else None


def version() -> str:
    """The version of the library, like "3.2.0"."""
    parts = [ctypes.c_int() for _ in range(3)]
    _library().XGBoostVersion(*map(ctypes.byref, parts))
    return ".".join(str(part.value) for part in parts)


def sleep_while_waiting() -> None:
    """Let OpenMP's threads sleep while they wait: spinning makes training ten times slower where
    other work wants the machine. OpenMP reads the setting when it is loaded, so this comes first.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@cache
def _library() -> Any:
    # Found but not imported: importing the package is what this module saves.
    spec = PathFinder.find_spec("xgboost")
    if spec is None or not spec.submodule_search_locations:
        raise BundleError("xgboost is not installed: nothing can read a model")
    path = Path(spec.submodule_search_locations[0], "lib", _LIBRARY)
    sleep_while_waiting()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise BundleError(f"xgboost's library cannot be loaded: {error}") from error
    pointer, text, out = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
    library.XGBGetLastError.argtypes = ()
    library.XGBGetLastError.restype = text
    for name, arguments in {
        "XGBoostVersion": (out, out, out),
        "XGBoosterCreate": (pointer, ctypes.c_uint64, out),
        "XGBoosterFree": (pointer,),
        "XGBoosterLoadModelFromBuffer": (pointer, text, ctypes.c_uint64),
        "XGBoosterSaveModelToBuffer": (pointer, text, out, out),
        "XGBoosterSetParam": (pointer, text, text),
        "XGBoosterGetNumFeature": (pointer, out),
        "XGBoosterPredictFromDense": (pointer, text, text, pointer, out, out, out),
        "XGBoosterPredictFromDMatrix": (pointer, pointer, text, out, out, out),
        "XGDMatrixCreateFromDense": (text, text, out),
        "XGDMatrixFree": (pointer,),
    }.items():
        getattr(library, name).argtypes = arguments
    return library


def _check(code: int) -> None:
    if code != 0:
        told = (_library().XGBGetLastError() or b"unknown").decode(errors="replace")
        raise BundleError(told.splitlines()[0])


def _interface(matrix: Array) -> bytes:
    rows, columns = matrix.shape
    address = matrix.__array_interface__["data"][0]
    return (
        f'{{"data":[{address},true],"shape":[{rows},{columns}],"strides":null,'
        f'"typestr":"<f4","version":3}}'
    ).encode()
