"""Lines of a CSV that need no CSV reader: no quotes, and as many commas in each as in the header.

They are cut at once, in a fifth of the time of ``csv``.
"""

from __future__ import annotations

import numpy as np

from tasador.listings.cells import PADDING, Cells
from tasador.listings.lines_ahead import LONGEST_CELL

_COMMA, _LINE_FEED, _CARRIAGE_RETURN = b",\n\r"


def plain_columns(lines: bytes, width: int) -> list[Cells] | None:
    """The cells, by column, of whole lines; None if ``csv`` might read them differently."""
    if b'"' in lines or b"\x00" in lines or not _is_utf_8(lines):
        return None
    characters = np.frombuffer(lines, dtype=np.uint8)
    ends = np.flatnonzero((characters == _COMMA) | (characters == _LINE_FEED))
    if not len(ends) or len(ends) % width:
        return None
    is_line_end = (characters[ends] == _LINE_FEED).reshape(-1, width)
    if not is_line_end[:, -1].all() or is_line_end[:, :-1].any():
        return None
    ends = np.ascontiguousarray(ends.reshape(-1, width).T)  # by column
    begins = np.empty_like(ends)
    begins[0, 0], begins[0, 1:], begins[1:] = 0, ends[-1, :-1] + 1, ends[:-1] + 1
    returns = characters[ends[-1] - 1] == _CARRIAGE_RETURN
    if np.count_nonzero(characters == _CARRIAGE_RETURN) != np.count_nonzero(returns):
        return None
    ends[-1] -= returns
    sizes = ends - begins
    if sizes.max() > LONGEST_CELL:
        return None
    data = lines + bytes(PADDING)
    return [Cells(data, begins[place], sizes[place]) for place in range(width)]


def _is_utf_8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
