"""Lines of a CSV that need no CSV reader: no quotes, and as many commas in each as in the header.

They are cut at once, in a fifth of the time of ``csv``.
"""

from __future__ import annotations

import numpy as np

from tasador.listings.lines_ahead import LONGEST_CELL


def plain_columns(lines: bytes, width: int) -> list[list[str]] | None:
    """The cells, by column, of whole lines; None if ``csv`` might read them differently."""
    if b"\r" in lines and lines.count(b"\r") == lines.count(b"\r\n"):
        lines = lines.replace(b"\r\n", b"\n")
    if b'"' in lines or b"\r" in lines or b"\x00" in lines:
        return None
    characters = np.frombuffer(lines, dtype=np.uint8)
    ends = np.flatnonzero((characters == ord(",")) | (characters == ord("\n")))
    if not len(ends) or len(ends) % width or np.diff(ends).max(initial=0) > LONGEST_CELL:
        return None
    is_line_end = (characters[ends] == ord("\n")).reshape(-1, width)
    if not is_line_end[:, -1].all() or is_line_end[:, :-1].any():
        return None
    try:
        text = lines.decode()
    except UnicodeDecodeError:
        return None
    cells = text[:-1].replace("\n", ",").split(",")
    return [cells[place::width] for place in range(width)]
