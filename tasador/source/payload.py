"""A payload in a file: whether it is complete, its head, and its rows one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import ijson

from tasador.errors import SourceError

_BUFFER = 1 << 16
_HEAD = ("group_number", "day", "batch_number")
_TRUNCATED = re.compile(r"premature|incomplete", re.IGNORECASE)


class Head(NamedTuple):
    """What a payload says about itself; None where it says nothing (older servers send no day)."""

    batch_number: int
    group_number: int | None
    day: str | None


def read_head(path: Path) -> Head:
    """The values next to ``data``; SourceError if the file is not a payload of the source.

    Stops as soon as it has them: servers write the head first.
    """
    values: dict[str, object] = {}
    has_data = False
    try:
        with path.open("rb") as file:
            for prefix, event, value in ijson.parse(file, buf_size=_BUFFER, use_float=True):
                if prefix in _HEAD:
                    values[prefix] = value
                elif prefix == "data" and event != "end_array":
                    if event != "start_array":
                        raise SourceError(f"the source's data is no list of rows but a {event}")
                    has_data = True
                if has_data and "batch_number" in values and "group_number" in values:
                    break
    except ijson.JSONError as error:
        raise _not_json(error) from error
    if not has_data:
        raise SourceError("the source's answer has no data")
    number = _whole_number(values, "batch_number")
    if number is None:
        raise SourceError("the source's answer has no batch_number")
    day = values.get("day")
    return Head(
        number, _whole_number(values, "group_number"), day if isinstance(day, str) else None
    )


def rows(path: Path) -> Iterator[object]:
    """Decode the rows one by one, each an object or a list, in constant memory.

    Raises SourceError where the JSON is broken, after the rows before it.
    """
    try:
        with path.open("rb") as file:
            yield from ijson.items(file, "data.item", buf_size=_BUFFER, use_float=True)
    except ijson.JSONError as error:
        raise _not_json(error) from error


def is_truncated(path: Path) -> bool:
    """Whether the JSON in the file ends before it is complete."""
    try:
        with path.open("rb") as file:
            for _ in ijson.basic_parse(file, buf_size=_BUFFER, use_float=True):
                pass
    except ijson.JSONError as error:
        return _TRUNCATED.search(str(error)) is not None
    return False


def _whole_number(values: dict[str, object], name: str) -> int | None:
    """A whole number, which may be sent as text; None if absent."""
    value = values.get(name)
    if value is None:
        return None
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise SourceError(f"the source's {name} is {text[:50]!r}, not a whole number")
    return int(text)


def _not_json(error: Exception) -> SourceError:
    first = str(error).strip("b'\"").split("\\n")[0].split("\n")[0]
    return SourceError(f"the source's answer is not the JSON that it should be: {first}")
