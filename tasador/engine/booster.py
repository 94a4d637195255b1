"""The serving engine: xgboost's C library (``tasador.engine.xgboost_library``) on numpy's arrays.

The answers are those of the Python package, bit for bit. Training uses the package.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from tasador.arrays import Array
from tasador.engine.xgboost_library import StoredModel, check, library
from tasador.errors import BundleError

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

    It has one thread of its own: parallel work is ``tasador.model.threads``, so that it never
    waits for a
    pool of OpenMP's, and the library leaves the interpreter's lock while it works.
    """

    def __init__(self, model: StoredModel) -> None:
        self._model = model
        self.features = model.features

    def stored(self) -> bytes:
        """The model as ``StoredModel`` reads it."""
        return self._model.saved()

    def predict(self, matrix: Array) -> Array:
        """Predictions [n] float32 of rows [n, features], NaN where a value is missing."""
        matrix = self._checked(matrix)
        return self._answer(
            len(matrix),
            lambda *out: library().XGBoosterPredictFromDense(
                self._model.handle, _interface(matrix), _IN_PLACE, None, *out
            ),
        )

    def contributions(self, matrix: Array) -> Array:
        """Exact Tree-SHAP values [n, features + 1] float32 of each row; the base comes last.

        They add up to the prediction (Lundberg et al., Nature Machine Intelligence 2, 2020).
        """
        matrix = self._checked(matrix)
        rows = ctypes.c_void_p()
        check(library().XGDMatrixCreateFromDense(_interface(matrix), _DENSE, ctypes.byref(rows)))
        try:
            found = self._answer(
                matrix.shape[0] * (self.features + 1),
                lambda *out: library().XGBoosterPredictFromDMatrix(
                    self._model.handle, rows, _OF_MATRIX, *out
                ),
            )
        finally:
            library().XGDMatrixFree(rows)
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
        check(call(ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(values)))
        return np.frombuffer(ctypes.string_at(values, 4 * size), dtype=np.float32)


def _interface(matrix: Array) -> bytes:
    rows, columns = matrix.shape
    address = matrix.__array_interface__["data"][0]
    return (
        f'{{"data":[{address},true],"shape":[{rows},{columns}],"strides":null,'
        f'"typestr":"<f4","version":3}}'
    ).encode()
