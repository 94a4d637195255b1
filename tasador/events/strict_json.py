"""JSON as RFC 8259 says, without what Python's reader adds: what is read can be written again."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

# Levels of objects and arrays. Python's reader and writer both have a limit that depends on their
# caller, so what one reads the other might not write.
MAX_DEPTH = 64

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(ValueError):
    """Not JSON, or not JSON that every reader reads alike. The message says why."""


def loads(body: bytes) -> Any:
    """The value in UTF-8 encoded JSON, with or without a byte order mark; raises NotJson.

    It also refuses NaN and infinities, numbers too large for a float, halves of surrogate pairs,
    an object that has a member twice, and more than MAX_DEPTH levels.
    """
    unusual: list[str] = []

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            unusual.append(text)
        return value

    try:
        text = body.decode("utf-8-sig")
        value = json.loads(
            text, parse_constant=number, parse_float=number, object_pairs_hook=_object
        )
    except UnicodeDecodeError as error:
        raise NotJson(f"byte {error.start} is not UTF-8") from None
    except NotJson:
        raise
    except RecursionError:
        raise NotJson(f"it has more than {MAX_DEPTH} levels") from None
    except ValueError as error:
        # The rest of a message about a number of 5,000 digits is about Python.
        raise NotJson(str(error).partition("; use sys.")[0][:200]) from None
    if _is_deeper(value, MAX_DEPTH):
        raise NotJson(f"it has more than {MAX_DEPTH} levels")
    if unusual or _SURROGATE.search(text):
        _check_values(value, "")
    return value


def repeated_member(body: bytes) -> str | None:
    """The first member that an object has twice, like ``listings[3].bed``, or None.

    ``body`` is JSON as ``json.loads`` reads it; raises what that raises.
    """
    return _repeated(json.loads(body, object_pairs_hook=_marked), "")


class _Repeating(dict[str, Any]):
    """An object that has the member ``name`` twice."""

    name = ""


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    name = _twice(pairs)
    if name is None:
        return dict(pairs)
    marked = _Repeating(pairs)
    marked.name = name
    return marked


def _repeated(value: Any, path: str) -> str | None:
    if isinstance(value, _Repeating):
        return f"{path}.{value.name[:64]}" if path else value.name[:64]
    if isinstance(value, dict):
        members = ((f"{path}.{name}" if path else name, each) for name, each in value.items())
    elif isinstance(value, list):
        members = ((f"{path}[{index}]", each) for index, each in enumerate(value))
    else:
        return None
    found = (_repeated(each, where) for where, each in members)
    return next((name for name in found if name is not None), None)


def _check_values(value: Any, path: str) -> None:
    """Raise NotJson that names the first value which JSON cannot have."""
    if isinstance(value, float) and not math.isfinite(value):
        what = "NaN; send null for a missing value" if math.isnan(value) else "too large"
        raise NotJson(f"{path or 'the number'} is {what}")
    if isinstance(value, str) and not _is_text(value):
        raise NotJson(f"{path or 'the text'} has half of a surrogate pair")
    if isinstance(value, dict):
        for name, member in value.items():
            where = f"{path}.{name}" if path else name
            if not _is_text(name):
                raise NotJson(f"{where[:100]!a} has half of a surrogate pair")
            _check_values(member, where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_values(item, f"{path}[{index}]")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (name := _twice(pairs)) is not None:
        raise NotJson(f"the member {name[:64]!r} is given twice")
    return dict(pairs)


def _twice(pairs: list[tuple[str, Any]]) -> str | None:
    """The first name that is given twice."""
    if len(dict(pairs)) == len(pairs):
        return None
    counts = Counter(name for name, _ in pairs)
    return next(name for name, count in counts.items() if count > 1)


def _is_deeper(value: Any, most: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(most):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return bool(level)
