"""Split a CSV of listings into the six batches of the course, row by row.

The course's rule, for rows in which none of the twelve columns is missing:

    0  price <= 300,000, for_sale, house_size >= 1500, not in Massachusetts
    1  the same with house_size < 1500
    2  price <= 300,000, sold, not in Massachusetts
    3  price <= 300,000, in Massachusetts
    4  300,000 < price <= 500,000
    5  price > 500,000

The order "random" spreads all rows evenly over the batches instead, incomplete ones too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasador.errors import TasadorError
from tasador.listings.csv_file import open_csv
from tasador.listings.listing import COLUMNS
from tasador.listings.rules import MISSING_TEXTS
from tasador.listings.value_reader import FieldProblem, cleaned, read_value
from tasador.source.scenarios import BATCHES
from tasador.source.stored import Form, StoredBatch

Order = Literal["course", "random"]

LOW, MIDDLE, LARGE = 300_000.0, 500_000.0, 1_500.0

_SHUFFLE_SEED = 20_240_501
_PRICE, _STATUS = COLUMNS.index("price"), COLUMNS.index("status")
_STATE, _SIZE = COLUMNS.index("state"), COLUMNS.index("house_size")
# What the course's rule needs; the random order needs only the price.
_RULE = ("price", "status", "state", "house_size")


@dataclass(frozen=True, slots=True)
class SplitCsv:
    """Six batches, and how many ``rows`` the file has. Some of them are in no batch:

    ``incomplete`` rows lack a value, ``unmatched`` ones fit no batch of the course's rule,
    ``malformed`` ones have more or fewer values than the header.
    """

    batches: tuple[StoredBatch, ...]
    rows: int
    incomplete: int
    unmatched: int
    malformed: int


def split_csv(path: Path, order: Order = "course", form: Form = "object") -> SplitCsv:
    """Split a Kaggle CSV (plain, .gz, or alone in a .zip) into batches on disk, in constant memory.

    Raises TasadorError, naming the file, if it cannot be read, lacks a column that the order needs,
    or has no row for any batch.
    """
    batches = tuple(StoredBatch(form) for _ in range(BATCHES))
    try:
        return _split(path, order, batches)
    except BaseException:
        for batch in batches:
            batch.close()
        raise


def _split(path: Path, order: Order, batches: tuple[StoredBatch, ...]) -> SplitCsv:
    header, lines = open_csv(path, require=_RULE if order == "course" else ("price",))
    # Older editions lack some columns: their values are missing, but the rows are not incomplete.
    places = [header.index(name) if name in header else None for name in COLUMNS]
    existing = [place for place in places if place is not None]
    shuffle = random.Random(_SHUFFLE_SEED)
    turns: list[int] = []
    rows = incomplete = unmatched = malformed = 0
    for _, values, _ in lines:
        rows += 1
        if isinstance(values, FieldProblem):
            malformed += 1
            continue
        cells = list(map(cleaned, values))
        texts = ["" if place is None else cells[place] for place in places]
        if order == "random":
            # Every six rows go to six batches, so batches are of one size and cover the whole file.
            if not turns:
                turns = shuffle.sample(range(BATCHES), BATCHES)
            number: int | None = turns.pop()
        elif not MISSING_TEXTS.isdisjoint([cells[place].lower() for place in existing]):
            incomplete += 1
            continue
        else:
            number = course_batch(texts)
        if number is None:
            unmatched += 1
        else:
            batches[number].add_texts(texts)
    if not any(batch.rows for batch in batches):
        raise TasadorError(
            f"{path} has {rows} rows, and none of them goes into a batch: {incomplete} incomplete, "
            f"{unmatched} outside the course's rule, {malformed} malformed"
        )
    for batch in batches:
        batch.finish()
    return SplitCsv(batches, rows, incomplete, unmatched, malformed)


def course_batch(texts: list[str]) -> int | None:
    """The batch of a complete row (cells in column order); None if no rule matches."""
    price, _ = read_value("price", texts[_PRICE])
    size, _ = read_value("house_size", texts[_SIZE])
    if not isinstance(price, float) or not isinstance(size, float):
        return None
    if price > MIDDLE:
        return 5
    if price > LOW:
        return 4
    if read_value("state", texts[_STATE])[0] == "Massachusetts":
        return 3
    status = read_value("status", texts[_STATUS])[0]
    if status == "sold":
        return 2
    if status == "for_sale":
        return 0 if size >= LARGE else 1
    return None
