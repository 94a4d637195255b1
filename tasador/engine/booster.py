"""One xgboost model on numpy arrays, evaluated by xgboost's C library.

The results equal those of the Python package, bit for bit. Training uses the package.
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
_CONTRIBUTIONS = (
    b'{"type":2,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false}'
)


class Booster:
    """A trained model; safe to use from several threads.

    Each call uses one thread and releases the GIL. For parallel work see ``tasador.model.threads``,
    which never waits for OpenMP's thread pool.
    """

    def __init__(self, model: StoredModel) -> None:
        self._model = model
        self.features = model.features

    def predict(self, matrix: Array) -> Array:
        """Predictions, float32 [n], for rows [n, features] with NaN for a missing value."""
        matrix = self._checked(matrix)
        return self._output(
            len(matrix),
            lambda *out: library().XGBoosterPredictFromDense(
                self._model.handle, _interface(matrix), _IN_PLACE, None, *out
            ),
        )

    def contributions(self, matrix: Array) -> Array:
        """Exact Tree-SHAP values, float32 [n, features + 1], for rows [n, features].

        The base is last. Each row adds up to its prediction (Lundberg et al., Nature Machine
        Intelligence 2, 2020).
        """
        matrix = self._checked(matrix)
        rows = ctypes.c_void_p()
        check(library().XGDMatrixCreateFromDense(_interface(matrix), _DENSE, ctypes.byref(rows)))
        try:
            values = self._output(
                matrix.shape[0] * (self.features + 1),
                lambda *out: library().XGBoosterPredictFromDMatrix(
                    self._model.handle, rows, _CONTRIBUTIONS, *out
                ),
            )
        finally:
            library().XGDMatrixFree(rows)
        return values.reshape(len(matrix), self.features + 1)

    def _checked(self, matrix: Array) -> Array:
        if matrix.ndim != 2 or matrix.shape[1] != self.features:
            raise BundleError(
                f"the model takes {self.features} features a row, "
                f"but the matrix has the shape {matrix.shape}"
            )
        return np.ascontiguousarray(matrix, dtype=np.float32)

    def _output(self, size: int, call: Callable[..., int]) -> Array:
        """A copy of the thread-local buffer that the call fills, float32 [size]."""
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
