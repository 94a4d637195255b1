"""Arrow arrays from Python values and numpy arrays.

``pyarrow.array`` would do, but it imports pandas, which takes half a second and 60 MB.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from tasador.arrays import Array

# Between joined texts, to find them by numpy.
_SEPARATOR = "\x00"


def text_array(texts: Sequence[str | None]) -> pa.Array:
    """The texts as Arrow strings; they must be storable as UTF-8."""
    missing = None
    present = texts
    if None in texts:
        missing = np.fromiter(map(operator.is_, texts, itertools.repeat(None)), bool, len(texts))
        present = [text or "" for text in texts]
    data = _SEPARATOR.join(present).encode()  # type: ignore[arg-type]
    characters = np.frombuffer(data, dtype=np.uint8)
    separators = np.flatnonzero(characters == ord(_SEPARATOR))
    if len(separators) != max(len(texts) - 1, 0):  # a text has one
        encoded = [text.encode() for text in present]  # type: ignore[union-attr]
        return _binary(pa.string(), b"".join(encoded), _ends(encoded), missing)
    ends: Array = np.append(separators, len(data))[: len(texts)] - np.arange(len(texts))
    return _binary(pa.string(), np.delete(characters, separators), ends, missing)


def bytes_array(values: Sequence[bytes]) -> pa.Array:
    """The values as Arrow binary."""
    return _binary(pa.binary(), b"".join(values), _ends(values))


@lru_cache(maxsize=64)
def scalar(text: str) -> pa.StringScalar:
    """An argument of Arrow's functions."""
    return text_array([text])[0]


def ends_of(texts: pa.Array) -> Array:
    """Where each text ends in its buffer, int32 [n + 1], behind where the first one begins."""
    if not len(texts):
        return np.zeros(1, dtype=np.int32)
    offsets = np.frombuffer(texts.buffers()[1], dtype=np.int32)
    return offsets[texts.offset : texts.offset + len(texts) + 1]


def content_of(texts: pa.Array) -> pa.Buffer:
    """The texts one after the other."""
    ends = ends_of(texts)
    data = texts.buffers()[2] or pa.py_buffer(b"")
    return data.slice(int(ends[0]), int(ends[-1] - ends[0]))


def number_array(numbers: Array, missing: Array | None = None) -> pa.Array:
    """Numbers as Arrow's type of the same name; ``missing`` [n] are null."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    data = pa.py_buffer(np.ascontiguousarray(numbers))
    return pa.Array.from_buffers(kind, len(numbers), [_validity(missing), data])


def bool_array(values: Array) -> pa.Array:
    """Booleans [n]."""
    bits = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])


def _ends(values: Sequence[bytes]) -> Array:
    return np.fromiter(itertools.accumulate(map(len, values)), np.int32, len(values))


def _binary(
    kind: pa.DataType, data: bytes | Array, ends: Array, missing: Array | None = None
) -> pa.Array:
    offsets = np.zeros(len(ends) + 1, dtype=np.int32)
    offsets[1:] = ends
    buffers = [_validity(missing), pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, len(ends), buffers)


def _validity(missing: Array | None) -> pa.Buffer | None:
    if missing is None or not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))
