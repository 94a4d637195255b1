"""Many rows of a payload decoded at once, if they are plain: twelve values each, and sound JSON.

msgspec decodes rows into structs, in a third of ``json``'s time (docs/decisions/0044). What it
refuses, such as NaN, ``json`` decodes. Neither reports a key that is there twice, so members are
counted. Rows that may be read differently than one by one are left to ``payload``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from tasador.listings.listing import COLUMNS
from tasador.source.json_reader import LENIENT

_PLAIN = {str, int, float, bool, type(None)}
_Plain = str | int | float | bool | None
_FIELDS = [(name, _Plain) for name in COLUMNS]
_OBJECTS = msgspec.json.Decoder(
    list[msgspec.defstruct("_Object", _FIELDS, forbid_unknown_fields=True, gc=False)]  # type: ignore[misc]
)
_LISTS = msgspec.json.Decoder(
    list[  # type: ignore[misc]
        msgspec.defstruct("_List", _FIELDS, array_like=True, forbid_unknown_fields=True, gc=False)
    ]
)
_GETTERS = [(name, attrgetter(name)) for name in COLUMNS]
_COLUMN_SET = frozenset(COLUMNS)
# What a column of text cannot hold: NUL, and lone surrogates (half of a pair looks like one).
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_SPACE_BEFORE_COLON = re.compile(r"[ \t\n\r]:")
_SPACE = " \t\n\r"


class PlainRows(NamedTuple):
    """Rows of plain values, by column, and how many characters of the payload they are.

    A column is a list, None for an absent value, or what else a reader of them returns.
    """

    rows: int
    columns: Mapping[str, Any]
    characters: int


def read_plain(text: str) -> PlainRows | None:
    """The whole rows at the beginning of ``text``, which begins with a row.

    None if there is none, or if any must be read one by one.
    """
    opening = text[:1]
    if (rows := storable_rows(text)) is None:
        return None
    columns = _strict(rows, opening) or _lenient(rows, opening)
    if columns is None:
        return None
    return PlainRows(len(columns[COLUMNS[0]]), columns, len(rows))


def storable_rows(text: str) -> str | None:
    """What is probably the whole rows at the beginning of ``text``, which begins with a row.

    None if there is none, or if columns of text cannot hold all that they contain.
    """
    opening = text[:1]
    if opening not in ("{", "[") or not (size := _whole_rows(text, "}" if opening == "{" else "]")):
        return None
    rows = text[:size]
    return rows if _is_storable(rows) else None


def _is_storable(text: str) -> bool:
    if "\x00" in text or ("\\" in text and _ESCAPED.search(text)):
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _whole_rows(text: str, closing: str) -> int:
    """Where the last whole row probably ends. If it does not, the rows are not JSON."""
    end = text.rfind("]")
    before = end - 1
    while before > 0 and text[before] in _SPACE:
        before -= 1
    if before > 0 and text[before] == closing:  # the end of all rows
        return before + 1
    return text.rfind(closing) + 1


def _strict(text: str, opening: str) -> dict[str, list[Any]] | None:
    decoder = _OBJECTS if opening == "{" else _LISTS
    try:
        read = decoder.decode(f"[{text}]")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if opening == "{" and not _has_members(text, len(COLUMNS) * len(read)):
        return None
    return {name: list(map(get, read)) for name, get in _GETTERS}


def _lenient(text: str, opening: str) -> dict[str, list[Any]] | None:
    try:
        read = LENIENT.decode(f"[{text}]")
    except (ValueError, RecursionError):
        return None
    if opening == "[":
        if set(map(type, read)) != {list} or set(map(len, read)) != {len(COLUMNS)}:
            return None
        columns = dict(zip(COLUMNS, map(list, zip(*read, strict=True)), strict=True))
    else:
        if set(map(type, read)) != {dict} or not _COLUMN_SET.issuperset(chain(*read)):
            return None
        if not _has_members(text, sum(map(len, read))):
            return None
        columns = {name: [row.get(name) for row in read] for name in COLUMNS}
    return columns if all(_PLAIN.issuperset(map(type, c)) for c in columns.values()) else None


def _has_members(text: str, expected: int) -> bool:
    """Whether no more than the ``expected`` members are written, so that no key is repeated."""
    if text.count(":") == expected:
        return True
    # Some texts have colons. A quote within a text is escaped, and counted here.
    return not _SPACE_BEFORE_COLON.search(text) and text.count('":') == expected
