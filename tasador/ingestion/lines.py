"""Rows of Arrow columns as lines of text, for the digest and for COPY."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.listings.arrow import content_of, scalar

_BACKSLASH, _SPACE = ord("\\"), ord(" ")


def copy_lines(columns: Sequence[pa.Array], *, plain: bool = False) -> pa.Buffer:
    """Rows in the text format of COPY: tabs between the values, \\N for a missing one.

    ``plain``: no value has a backslash or a control character.
    """
    if not plain:
        columns = [_escaped(column) for column in columns]
    return content_of(lines_of(columns, "\t", "\\N"))


def _escaped(column: pa.Array) -> pa.Array:
    characters = np.frombuffer(content_of(column), dtype=np.uint8)
    if characters.min(initial=_SPACE) >= _SPACE and not (characters == _BACKSLASH).any():
        return column
    for character, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        column = pc.replace_substring(column, character, escape)
    return column


def lines_of(columns: Sequence[pa.Array], separator: str, missing: str) -> pa.Array:
    """The rows as text, each with a line feed at its end."""
    *first, last = columns
    replaced = {"null_handling": "replace", "null_replacement": missing}
    if first and last.null_count == len(last):
        last = scalar(f"{missing}\n")
    else:
        last = pc.binary_join_element_wise(last, scalar("\n"), scalar(""), **replaced)
    if not first:
        return last
    return pc.binary_join_element_wise(*first, last, scalar(separator), **replaced)
