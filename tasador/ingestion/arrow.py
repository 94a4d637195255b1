"""Arrow arrays from Python values and numpy arrays.

``pyarrow.array`` would do, but it imports pandas, which takes half a second and 60 MB.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from tasador.arrays import Array


def text_array(texts: Sequence[str | None]) -> pa.Array:
    """The texts as Arrow strings; they must be storable as UTF-8."""
    absent = map(operator.is_, texts, itertools.repeat(None))
    missing = np.fromiter(absent, dtype=bool, count=len(texts))
    present = [text or "" for text in texts] if missing.any() else texts
    joined = "".join(present)  # type: ignore[arg-type]
    if joined.isascii():
        sizes: Iterable[int] = map(len, present)  # type: ignore[arg-type]
        data = joined.encode()
    else:
        encoded = [text.encode() for text in present]  # type: ignore[union-attr]
        sizes, data = map(len, encoded), b"".join(encoded)
    return _binary(pa.string(), data, sizes, missing)


def bytes_array(values: Sequence[bytes]) -> pa.Array:
    """The values as Arrow binary."""
    return _binary(pa.binary(), b"".join(values), map(len, values), np.zeros(len(values), bool))


def scalar(text: str) -> pa.StringScalar:
    """An argument of Arrow's functions."""
    return text_array([text])[0]


def number_array(numbers: Array, missing: Array | None = None) -> pa.Array:
    """Numbers as Arrow's type of the same name; ``missing`` [n] are null."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    data = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.Array.from_buffers(kind, len(numbers), [_validity(missing), data])


def bool_array(values: Array) -> pa.Array:
    """Booleans [n]."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def _binary(kind: pa.DataType, data: bytes, sizes: Iterable[int], missing: Array) -> pa.Array:
    ends = np.zeros(len(missing) + 1, dtype=np.int32)
    ends[1:] = np.fromiter(itertools.accumulate(sizes), dtype=np.int32, count=len(missing))
    buffers = [_validity(missing), pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(missing), buffers)


def _validity(missing: Array | None) -> pa.Buffer | None:
    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))
