"""xgboost's C library through ctypes: loading it, calling it, and a model that it has parsed.

The Python package imports scipy, which would take most of a serving process's start-up time and
half of its memory. All calls belong to the documented C API
(https://xgboost.readthedocs.io/en/stable/c.html). This module does not import numpy, so that a
starting process can parse its model while it imports the rest. See
docs/decisions/0001-xgboost-by-ctypes.md.
"""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from tasador.errors import BundleError

_LIBRARY = "libxgboost.dylib" if sys.platform == "darwin" else "libxgboost.so"


class StoredModel:
    """A model in the library's memory; ``handle`` is valid for as long as this object lives."""

    def __init__(self, content: bytes) -> None:
        """Parse a model saved by xgboost as UBJSON or JSON; raises BundleError."""
        # The library aborts the process when the buffer is empty.
        if not content.startswith(b"{"):
            raise BundleError("it does not start like a model saved by xgboost")
        calls = library()
        self.handle = ctypes.c_void_p()
        check(calls.XGBoosterCreate(None, 0, ctypes.byref(self.handle)))
        # Not at exit: a request may still be inside the library.
        weakref.finalize(self, calls.XGBoosterFree, self.handle).atexit = False
        size = ctypes.c_uint64(len(content))
        check(calls.XGBoosterLoadModelFromBuffer(self.handle, content, size))
        check(calls.XGBoosterSetParam(self.handle, b"nthread", b"1"))

    @property
    def features(self) -> int:
        """The number of features of a row."""
        features = ctypes.c_uint64()
        check(library().XGBoosterGetNumFeature(self.handle, ctypes.byref(features)))
        return features.value

    def to_ubjson(self) -> bytes:
        """The model as UBJSON."""
        size, start = ctypes.c_uint64(), ctypes.c_void_p()
        check(
            library().XGBoosterSaveModelToBuffer(
                self.handle, b'{"format":"ubj"}', ctypes.byref(size), ctypes.byref(start)
            )
        )
        return ctypes.string_at(start, size.value)


def version() -> str:
    """The version of the library, for example "3.2.0"."""
    numbers = [ctypes.c_int() for _ in range(3)]
    library().XGBoostVersion(*map(ctypes.byref, numbers))
    return ".".join(str(number.value) for number in numbers)


def sleep_while_waiting() -> None:
    """Let OpenMP's threads sleep while they wait; call this before the library is loaded.

    Spinning threads make training ten times slower when other processes need the cores.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@cache
def library() -> Any:
    """The functions of the library; ctypes releases the GIL during each call."""
    # Locate the package without importing it.
    spec = PathFinder.find_spec("xgboost")
    if spec is None or not spec.submodule_search_locations:
        raise BundleError("xgboost is not installed, so no model can be loaded")
    path = Path(spec.submodule_search_locations[0], "lib", _LIBRARY)
    sleep_while_waiting()
    try:
        calls = ctypes.CDLL(str(path))
    except OSError as error:
        raise BundleError(f"xgboost's library cannot be loaded: {error}") from error
    pointer, text, out = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
    calls.XGBGetLastError.argtypes = ()
    calls.XGBGetLastError.restype = text
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
        getattr(calls, name).argtypes = arguments
    return calls


def check(code: int) -> None:
    """Raise BundleError with the library's message if ``code`` is not 0."""
    if code != 0:
        message = (library().XGBGetLastError() or b"unknown").decode(errors="replace")
        raise BundleError(message.splitlines()[0])
