"""JSON read from a file value by value, so that one value that cannot be read costs only itself.

``json`` reads a value: it accepts NaN, Infinity and integers of any length, which strict parsers
such as yajl refuse, and with that the whole payload. Where it fails, ``JsonReader`` finds the end
of the value by its brackets and strings and goes on behind it.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, NoReturn

from tasador.errors import SourceError

_CHUNK = 1 << 18  # bytes
_SPACE = re.compile(r"[ \t\n\r]*")
# Whatever decides where a value ends: a whole string, a bracket, or a string that does not end.
_MARK = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}"]', re.DOTALL)
_PLAIN = re.compile(r"[^][{},: \t\n\r]*")
_AFTER_VALUE = frozenset(" \t\n\r,]}")
_CLOSES = {"]": "[", "}": "{"}
TOO_DEEP = "is nested too deeply"


class BrokenOff(SourceError):
    """The text ends before its JSON does."""


class Unreadable(NamedTuple):
    """A value that is not JSON, or JSON beyond what can be read: the reason, as a phrase."""

    reason: str


class Repeating(dict[str, Any]):
    """An object that names a key more than once; it holds the last value of each."""


class JsonReader:
    """A cursor in a file of JSON. UTF-8, with or without a byte order mark.

    Memory is bounded by the largest value. Bytes that are not UTF-8 become lone surrogates, and are
    refused like those in the text itself (docs/listings.md). ``place`` says in errors where in the
    payload the cursor is.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        self._text, self._at = "", 0
        self._bytes_before = 0  # of _text in the file
        self._ended = False
        self.place = ""
        self._more()
        if self._text.startswith("\ufeff"):
            self._at = 1

    def peek(self) -> str:
        """The next character that is not white space, where the cursor goes; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            assert match is not None
            self._at = match.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def skip(self, expected: str) -> None:
        """Move past this character; SourceError if another one follows."""
        if self.peek() != expected:
            self.fail(f"{expected!r} is expected")
        self._at += 1

    def value(self) -> tuple[object, str]:
        """Read the next value: what ``json`` makes of it (or Unreadable), and its text.

        Raises BrokenOff if the file ends first, SourceError if there is no value.
        """
        if self.peek() in ",:]}":
            self.fail("a value is expected")
        while True:
            read: object
            try:
                read, end = _DECODER.raw_decode(self._text, self._at)
                complete = end < len(self._text) and self._text[end] in _AFTER_VALUE
            except (ValueError, RecursionError) as error:
                read, end, complete = Unreadable(_reason(error)), len(self._text), False
            if not complete and (end < len(self._text) or isinstance(read, Unreadable)):
                found = self._end_of_value()
                complete = found is not None
                if found is not None and found != end:
                    end = found
                    read = read if isinstance(read, Unreadable) else Unreadable("is not JSON")
            if complete or (self._ended and not isinstance(read, Unreadable)):
                text, self._at = self._text[self._at : end], end
                return read, text
            if not self._more():
                self.fail("it breaks off", BrokenOff)

    def ahead(self, characters: int) -> str:
        """The text from the next value on, ``characters`` of it; less at the end of the file."""
        self.peek()
        while (lacking := characters - len(self._text) + self._at) > 0 and self._more(lacking):
            pass
        return self._text[self._at : self._at + characters]

    def move(self, characters: int) -> None:
        """Move the cursor on, within the text that ``ahead`` returned."""
        self._at += characters

    def items(self, *, lenient: bool = False) -> Iterator[int]:
        """Step through an array: yields the number of each item, which the caller then reads.

        The caller may read several items at a time, up to the comma behind the last one. A
        ``lenient`` array may have a comma behind its last item.
        """
        self.skip("[")
        number = 0
        while self.peek() != "]":
            if number:
                self.skip(",")
                if lenient and self.peek() == "]":
                    break
            yield number
            number += 1
        self._at += 1

    def keys(self) -> Iterator[str]:
        """Step through an object: yields each key; the caller then reads its value."""
        self.skip("{")
        first = True
        while self.peek() != "}":
            if not first:
                self.skip(",")
            first = False
            if self.peek() != '"':
                self.fail("a key in double quotes is expected")
            key, _ = self.value()
            if not isinstance(key, str):
                self.fail("a key in double quotes is expected")
            self.skip(":")
            yield key
        self._at += 1

    def end(self) -> None:
        """Raise SourceError unless nothing follows."""
        if self.peek():
            self.fail("nothing is expected after the end")

    def fail(self, problem: str, kind: type[SourceError] = SourceError) -> NoReturn:
        """Raise an error that names the byte; BrokenOff at the end of the file."""
        place = f", {self.place}" if self.place else ""
        byte = self._bytes_before + self._bytes_read()
        if self._ended and self._at >= len(self._text):
            problem, kind = "it breaks off", BrokenOff
        raise kind(
            f"the source's answer is not the JSON that it should be at byte {byte:,}{place}: "
            f"{problem}"
        )

    def _more(self, lacking: int = 0) -> bool:
        """Read on, at least as much again as is unread; False at the end of the file."""
        if self._ended:
            return False
        self._bytes_before += self._bytes_read()
        unread = self._text[self._at :]
        chunk = self._file.read(max(_CHUNK, len(unread), lacking))
        self._ended = not chunk
        self._text, self._at = unread + self._utf8.decode(chunk, final=self._ended), 0
        return True

    def _bytes_read(self) -> int:
        """The bytes of the text before the cursor."""
        if self._text.isascii():
            return self._at
        return len(self._text[: self._at].encode("utf-8", "surrogateescape"))

    def _end_of_value(self) -> int | None:
        """Where the value at the cursor ends, by its strings and brackets; None if later."""
        if self._text[self._at] not in '[{"':
            match = _PLAIN.match(self._text, self._at)
            assert match is not None
            return match.end() if match.end() < len(self._text) or self._ended else None
        opened: list[str] = []
        for mark in _MARK.finditer(self._text, self._at):
            if mark[0] == '"':
                return None
            if mark[0] in "[{":
                opened.append(mark[0])
            elif mark[0] in _CLOSES:
                # A bracket left open inside ends with the one around it.
                while opened and opened.pop() != _CLOSES[mark[0]]:
                    pass
            if not opened:
                return mark.end()
        return None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; Repeating if one key hides another."""
    values = dict(pairs)
    return values if len(values) == len(pairs) else Repeating(values)


# Not strict: control characters are the listing's to refuse, with its field.
LENIENT = json.JSONDecoder(strict=False)
_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_pairs)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return TOO_DEEP
    if isinstance(error, json.JSONDecodeError):
        return "is not JSON"
    return "is a number with too many digits"  # Python reads 4,300
