"""A payload in a file: whether it is complete, its head, and its rows one by one."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tasador.errors import SourceError
from tasador.listings.listing import COLUMNS, Listing, read_row
from tasador.listings.value_reader import FieldProblem, read_value
from tasador.source.json_reader import TOO_DEEP, BrokenOff, JsonReader, Unreadable
from tasador.source.plain_rows import PlainRows, read_plain

_HEAD = ("group_number", "day", "batch_number")
_LARGEST = 2**31 - 1  # of a number in the head
# Characters of the blocks in which rows are decoded at once. A block that is not plain is tried
# again with an eighth, and after the smallest one some rows are read one by one.
_LARGEST_BLOCK = 3 << 19
_SMALLEST_BLOCK = 16 << 10
_ROWS_ALONE = 64
_WAITING_ROWS = 4_096
_SHOWN = 200  # characters of a value in a problem
_PLAIN = frozenset({str, float, int, bool, type(None)})


class Head(NamedTuple):
    """What a payload says about itself; None where it says nothing (older servers send no day)."""

    batch_number: int
    group_number: int | None
    day: str | None


class Row(NamedTuple):
    """One row: an object, a list or (if it is not JSON) its text, and what JSON hid or refused."""

    raw: object
    problems: tuple[FieldProblem, ...] = ()


Block = PlainRows | list[Row]


def read_head(path: Path) -> Head:
    """The values next to ``data``; SourceError if the file is not a payload of the source.

    Stops as soon as it has them: servers write the head first.
    """
    values: dict[str, object] = {}
    has_data = False
    with path.open("rb") as file:
        for key, value in _members(JsonReader(file)):
            has_data |= key == "data"
            if key in _HEAD:
                values[key] = value
            if has_data and "batch_number" in values and "group_number" in values:
                break
    if not has_data:
        raise SourceError("the source's answer has no data")
    number = _whole_number(values, "batch_number")
    if number is None:
        raise SourceError("the source's answer has no batch_number")
    day = values.get("day")
    return Head(
        number, _whole_number(values, "group_number"), day if isinstance(day, str) else None
    )


def rows(path: Path) -> Iterator[Row]:
    """Decode the rows one by one, each an object or a list, in constant memory.

    A row that is not JSON is a row with a problem. No row is lost to a comma after the last one,
    which is accepted. Raises SourceError, with the byte, where the
    JSON around the rows is broken, after the rows before it.
    """
    with path.open("rb") as file:
        for key, value in _members(JsonReader(file)):
            if key == "data" and isinstance(value, Row):
                yield value


def blocks(
    file: BinaryIO, decode: Callable[[str], PlainRows | None] = read_plain
) -> Iterator[Block]:
    """Decode the rows as ``rows`` does, about ten thousand at a time.

    Plain rows come as columns; the others, one by one, as a list of Row.
    """
    for key, value in _members(JsonReader(file), lambda reader: _blocks(reader, decode)):
        if key == "data" and isinstance(value, PlainRows | list):
            yield value


def read_payload_row(row: Row) -> tuple[Listing, list[FieldProblem]]:
    """Read a row as ``listing.read_row`` does, with the problems of its JSON."""
    listing, problems = read_row(row.raw)
    if not row.problems:
        return listing, problems
    known = {problem.field for problem in row.problems}
    if "row" in known:
        return Listing(), list(row.problems)
    listing = listing._replace(**dict.fromkeys(known.intersection(COLUMNS)))
    return listing, [*row.problems, *(p for p in problems if p.field not in known)]


def is_truncated(path: Path) -> bool:
    """Whether the JSON in the file ends before it is complete."""
    try:
        with path.open("rb") as file:
            for _ in _members(JsonReader(file)):
                pass
    except BrokenOff:
        return True
    except SourceError:
        return False
    return False


def _members(
    reader: JsonReader, read: Callable[[JsonReader], Iterator[object]] | None = None
) -> Iterator[tuple[str, object]]:
    """The payload's keys and values; of ``data``, first None and then what ``read`` yields.

    That is each Row by default.
    """
    has_data = False
    for key in reader.keys():  # noqa: SIM118 - a step through the text, not a dictionary
        if key != "data":
            value, _ = reader.value()
            if isinstance(value, Unreadable) and key in _HEAD:
                reader.fail(f"{key} {value.reason}")
            yield key, value
            continue
        if has_data:
            reader.fail("data comes twice")
        has_data = True
        if (first := reader.peek()) and first != "[":
            kind = {"{": "an object", '"': "text"}.get(first, "a single value")
            raise SourceError(f"the source's data is {kind}, not a list of rows")
        yield key, None
        for item in (read or _rows)(reader):
            yield key, item
        reader.place = ""
    reader.end()


def _rows(reader: JsonReader) -> Iterator[Row]:
    for number in reader.items(lenient=True):
        reader.place = f"row {number}"
        yield _row(*reader.value())


def _blocks(reader: JsonReader, decode: Callable[[str], PlainRows | None]) -> Iterator[Block]:
    """The rows in blocks: as many at once as plain JSON goes on, the others one by one."""
    size, alone, number = _LARGEST_BLOCK, 0, 0
    waiting: list[Row] = []
    for _ in reader.items(lenient=True):
        reader.place = f"row {number}"
        plain = None
        while not alone and (plain := decode(reader.ahead(size))) is None:
            if size > _SMALLEST_BLOCK:
                size //= 8
            else:
                alone = _ROWS_ALONE
        if plain is None:
            waiting.append(_row(*reader.value()))
            alone -= 1
            number += 1
        if waiting and (plain is not None or len(waiting) == _WAITING_ROWS):
            yield waiting
            waiting = []
        if plain is not None:
            reader.move(plain.characters)
            yield plain
            number += plain.rows
            size = min(2 * size, _LARGEST_BLOCK)
    if waiting:
        yield waiting


def _row(raw: object, text: str) -> Row:
    """The row of a JSON value; one with anything but plain values is read member by member."""
    if type(raw) is dict and _PLAIN.issuperset(map(type, raw.values())):
        return Row(raw)
    if type(raw) is list and _PLAIN.issuperset(map(type, raw)):
        return Row(raw)
    if isinstance(raw, dict | list | Unreadable):
        return _by_member(text, raw.reason if isinstance(raw, Unreadable) else "is not JSON")
    return Row(raw)


def _by_member(text: str, reason: str) -> Row:
    """Read a row that has values which are not plain: their text, and a problem for each."""
    reader = JsonReader(io.BytesIO(text.encode("utf-8", "surrogateescape")))
    try:
        if reader.peek() == "{":
            return _object([(key, *reader.value()) for key in reader.keys()])  # noqa: SIM118
        if reader.peek() == "[":
            return _list([reader.value() for _ in reader.items()])
    except SourceError:
        pass  # not even its members can be told apart
    return Row(text, (FieldProblem("row", reason, text[:_SHOWN]),))


def _object(members: list[tuple[str, object, str]]) -> Row:
    texts: dict[str, list[str]] = {}
    problems: dict[str, FieldProblem] = {}
    values: dict[str, object] = {}
    for name, value, text in members:
        values[name], problem = _cell(name, value, text)
        if problem is not None:
            problems[name] = problem
        texts.setdefault(name, []).append(text)
    for name, given in texts.items():
        if len(given) > 1:
            shown = ", ".join(given)[:_SHOWN]
            problems[name] = FieldProblem(name, "is given more than once", shown)
    return Row(values, tuple(problems.values()))


def _list(cells: list[tuple[object, str]]) -> Row:
    names = COLUMNS if len(cells) == len(COLUMNS) else ("row",) * len(cells)
    read = [_cell(name, *cell) for name, cell in zip(names, cells, strict=True)]
    problems = tuple(problem for _, problem in read if problem is not None)
    return Row([value for value, _ in read], problems)


def _cell(name: str, value: object, text: str) -> tuple[object, FieldProblem | None]:
    """The value as it is stored, and why it is refused; only its text is kept of such a value."""
    if isinstance(value, Unreadable) and value.reason != TOO_DEEP:
        return text, FieldProblem(name, value.reason, text[:_SHOWN])
    if isinstance(value, Unreadable | dict | list):
        _, problem = read_value(name, [])  # the listing's own words for what is not plain
        assert problem is not None
        return text, problem._replace(value=text[:_SHOWN])
    return value, None


def _whole_number(values: dict[str, object], name: str) -> int | None:
    """A whole number, which may be sent as text; None if absent."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 3.0 is an integer in JSON
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise SourceError(f"the source's {name} is {text[:50]!r}, not a whole number")
    text = text.lstrip("0") or "0"
    if len(text) > len(str(_LARGEST)) or int(text) > _LARGEST:
        raise SourceError(f"the source's {name} is {text[:50]}, at most {_LARGEST:,} is possible")
    return int(text)
