"""Whether Arrow's texts are plain, so that no value needs to be read by itself.

``listings.plain_texts`` tells the same of Python's texts. Making those takes longer than reading
them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasador.arrays import Array
from tasador.listings.arrow import content_of, ends_of, text_array
from tasador.listings.plain_texts import DATE_SIZE, are_dates, are_plain_characters
from tasador.listings.rules import LONGEST_TEXT, MISSING_TEXTS, Kind

_SPACE = ord(" ")
_MISSING = text_array(sorted(MISSING_TEXTS))


def is_plain(texts: pa.Array, kind: Kind) -> bool:
    """Whether each text would be read unchanged as a value of the kind, and each null as a missing
    one. False may be wrong."""
    if kind == "name":
        return _are_names(texts)
    return kind == "date" and _are_dates(texts)


def _are_names(texts: pa.Array) -> bool:
    content = content_of(texts).to_pybytes()
    if not are_plain_characters(content.decode()):
        return False
    ends = ends_of(texts)
    begin, end = ends[:-1], ends[1:]
    if not _has_sizes(texts, end - begin, 1, LONGEST_TEXT):
        return False
    characters = np.frombuffer(content, dtype=np.uint8)
    at_ends = np.concatenate((begin[begin < end], end[begin < end] - 1)) - ends[0]
    if (characters[at_ends] == _SPACE).any():
        return False
    missing = pc.is_in(pc.ascii_lower(texts), value_set=_MISSING)
    return not pc.any(missing).as_py()


def _are_dates(texts: pa.Array) -> bool:
    if not _has_sizes(texts, np.diff(ends_of(texts)), DATE_SIZE, DATE_SIZE):
        return False
    characters = np.frombuffer(content_of(texts), dtype=np.uint8).reshape(-1, DATE_SIZE)
    return are_dates(characters.astype(np.int64) - ord("0"))


def _has_sizes(texts: pa.Array, sizes: Array, least: int, most: int) -> bool:
    """Whether all texts but the nulls, which have none, have so many bytes."""
    allowed = np.count_nonzero((sizes >= least) & (sizes <= most))
    return bool(allowed + texts.null_count == len(texts))
