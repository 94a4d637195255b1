"""xgboost's C library, driven by ctypes: how it is found and called, and a model that it has read.

The Python package around it would cost most of a serving process's start and half of its memory (it
pulls scipy in), for nothing that an answer needs. Every call is one of the documented C API
(https://xgboost.readthedocs.io/en/stable/c.html). Not even numpy is imported here: a process that
starts reads its model while it still imports the rest.
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
    """A model in the library's memory, made of what ``save_raw("ubj")`` of the package wrote.

    ``handle`` is the library's, to be given back once nobody has this object.
    """

    def __init__(self, content: bytes) -> None:
        """Read it; raises BundleError."""
        # The library ends the whole process over an empty buffer.
        if not content.startswith(b"{"):
            raise BundleError("it does not begin as a model that xgboost saved")
        calls = library()
        self.handle = ctypes.c_void_p()
        check(calls.XGBoosterCreate(None, 0, ctypes.byref(self.handle)))
        # Not at exit: a request may still be in the library then.
        weakref.finalize(self, calls.XGBoosterFree, self.handle).atexit = False
        size = ctypes.c_uint64(len(content))
        check(calls.XGBoosterLoadModelFromBuffer(self.handle, content, size))
        check(calls.XGBoosterSetParam(self.handle, b"nthread", b"1"))

    @property
    def features(self) -> int:
        """How many features a row has."""
        found = ctypes.c_uint64()
        check(library().XGBoosterGetNumFeature(self.handle, ctypes.byref(found)))
        return found.value

    def saved(self) -> bytes:
        """The model as it is stored."""
        size, start = ctypes.c_uint64(), ctypes.c_void_p()
        check(
            library().XGBoosterSaveModelToBuffer(
                self.handle, b'{"format":"ubj"}', ctypes.byref(size), ctypes.byref(start)
            )
        )
        return ctypes.string_at(start, size.value)


def version() -> str:
    """The version of the library, like "3.2.0"."""
    parts = [ctypes.c_int() for _ in range(3)]
    library().XGBoostVersion(*map(ctypes.byref, parts))
    return ".".join(str(part.value) for part in parts)


def sleep_while_waiting() -> None:
    """Let OpenMP's threads sleep while they wait: spinning makes training ten times slower where
    other work wants the machine. OpenMP reads the setting when it is loaded, so this comes first.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@cache
def library() -> Any:
    """The library's functions, which leave the interpreter's lock while they work."""
    # Found but not imported: importing the package is what this module saves.
    spec = PathFinder.find_spec("xgboost")
    if spec is None or not spec.submodule_search_locations:
        raise BundleError("xgboost is not installed: nothing can read a model")
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
    """Raise BundleError with what the library says, where a call's ``code`` is not 0."""
    if code != 0:
        told = (library().XGBGetLastError() or b"unknown").decode(errors="replace")
        raise BundleError(told.splitlines()[0])
