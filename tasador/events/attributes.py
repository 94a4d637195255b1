"""The attributes of a CloudEvent: their names, types and encoding in HTTP headers.

As CloudEvents 1.0 says (spec.md, "Type System"; HTTP protocol binding, 3.1.3). Every error names
the attribute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from tasador.events.event import EventError
from tasador.events.timestamps import EXAMPLE, is_timestamp

CORE = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
_REQUIRED = ("id", "source", "type")
_NAME = re.compile(r"[a-z0-9]+")
# Control characters, noncharacters and halves of surrogate pairs.
_DISALLOWED = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ud800-\udfff"
    + "".join(chr((plane << 16) + low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
_MEDIA_TYPE = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+ *(?:;[ -~]*)?", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def from_header(name: str, value: str) -> str:
    """The value of an attribute in an HTTP header: unquoted, then percent-decoded once."""
    if not value.isascii():
        raise EventError(f"{name}: percent-encode what is not ASCII, as UTF-8 (for ñ: %C3%B1)")
    if value.startswith('"'):
        match = _QUOTED.fullmatch(value)
        if match is None:
            raise EventError(f"{name}: the quoted text does not end, or something follows it")
        value = _ESCAPED.sub(r"\1", match[1])
    if "%" not in value:
        return value
    if stray := _STRAY_PERCENT.search(value):
        text = value[stray.start() : stray.start() + 3]
        raise EventError(f"{name}: {text!r} is not percent-encoded; write a % as %25")
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise EventError(f"{name}: the percent-encoded bytes are not UTF-8") from None


def checked(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The attributes as text, without those that are null; raises EventError.

    Values are text, and in JSON also true, false and integers of 32 bits.
    """
    version = attributes.get("specversion")
    if version is None:
        raise EventError("specversion: a CloudEvent needs this attribute; '1.0' is read")
    if version != "1.0":
        raise EventError(f"specversion is {repr(version)[:20]}; the text '1.0' is read")
    texts = {name: _text(name, value) for name, value in attributes.items() if value is not None}
    for name in _REQUIRED:
        if not texts.get(name):
            raise EventError(
                f"{name}: a CloudEvent needs this attribute, as a text that is not empty"
            )
    for name in ("subject", "datacontenttype", "dataschema"):
        if texts.get(name) == "":
            raise EventError(f"{name}: the text is empty; leave the attribute out")
    if "datacontenttype" in texts and not _MEDIA_TYPE.fullmatch(texts["datacontenttype"]):
        raise EventError(f"datacontenttype is {texts['datacontenttype'][:100]!r}, not a media type")
    if "time" in texts and not is_timestamp(texts["time"]):
        raise EventError(f"time is {texts['time'][:50]!r}, not a time of RFC 3339 like {EXAMPLE}")
    return texts


def _text(name: str, value: object) -> str:
    if name not in CORE and (not _NAME.fullmatch(name) or name == "data"):
        raise EventError(
            f"{name[:64]!r} cannot name an attribute of a CloudEvent: "
            "names have only the letters a to z and digits"
        )
    if isinstance(value, str):
        if found := _DISALLOWED.search(value):
            raise EventError(f"{name}: the character U+{ord(found[0]):04X} is not allowed")
        return value
    if name not in CORE:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            if not -(2**31) <= value < 2**31:
                raise EventError(f"{name}: the integer does not fit in 32 bits; send it as text")
            return str(value)
    raise EventError(f"{name}: {type(value).__name__} is not a type of an attribute; send a text")
