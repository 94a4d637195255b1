"""Cut a CSV of listings into the six batches of the course, as it is read.

The course's rule, of the rows in which none of the twelve columns is missing:

    0  price <= 300,000, for_sale, house_size >= 1500, not in Massachusetts
    1  the same with house_size < 1500
    2  price <= 300,000, sold, not in Massachusetts
    3  price <= 300,000, in Massachusetts
    4  300,000 < price <= 500,000
    5  price > 500,000

The order "random" deals every row out evenly instead, its mess kept.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasador.errors import TasadorError
from tasador.listings.listing import COLUMNS, FieldProblem
from tasador.listings.table import open_csv
from tasador.source.scenarios import BATCHES
from tasador.source.stored import Form, StoredBatch

Order = Literal["course", "random"]

LOW, MIDDLE, LARGE = 300_000.0, 500_000.0, 1_500.0

_DEAL_SEED = 20_240_501
# What pandas, with which the course cut its file, reads as a missing cell.
_MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN")
) | frozenset(("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"))
_STATUS, _PRICE = COLUMNS.index("status"), COLUMNS.index("price")
_STATE, _SIZE = COLUMNS.index("state"), COLUMNS.index("house_size")


@dataclass(frozen=True, slots=True)
class Cut:
    """Six batches, and what the file held: ``rows`` in all, of which these were left out.

    ``incomplete`` rows lack a value, ``unruled`` ones fit no batch of the course's rule,
    ``malformed`` ones have more or fewer values than the header.
    """

    batches: tuple[StoredBatch, ...]
    rows: int
    incomplete: int
    unruled: int
    malformed: int


def cut(path: Path, order: Order = "course", form: Form = "object") -> Cut:
    """Cut a Kaggle CSV, or a .gz of one; a row at a time, into files.

    Raises TasadorError, naming the file, where it cannot be read, lacks one of the twelve columns,
    or holds no row for any batch.
    """
    batches = tuple(StoredBatch(form) for _ in range(BATCHES))
    try:
        return _cut(path, order, batches)
    except BaseException:
        for batch in batches:
            batch.close()
        raise


def _cut(path: Path, order: Order, batches: tuple[StoredBatch, ...]) -> Cut:
    header, lines = open_csv(path, require=COLUMNS)
    places = [header.index(name) for name in COLUMNS]
    deal = random.Random(_DEAL_SEED)
    hand: list[int] = []
    rows = incomplete = unruled = malformed = 0
    for _, values in lines:
        rows += 1
        if isinstance(values, FieldProblem):
            malformed += 1
            continue
        texts = [values[place].strip() for place in places]
        if order == "random":
            # Each six rows go to six batches, so that the batches are even in size and in place.
            if not hand:
                hand = deal.sample(range(BATCHES), BATCHES)
            number: int | None = hand.pop()
        elif not _MISSING.isdisjoint(texts):
            incomplete += 1
            continue
        else:
            number = course_batch(texts)
        if number is None:
            unruled += 1
        else:
            batches[number].add_texts(texts)
    if not any(batch.rows for batch in batches):
        raise TasadorError(
            f"{path} has {rows} rows, and none of them goes into a batch: {incomplete} incomplete, "
            f"{unruled} outside the course's rule, {malformed} malformed"
        )
    for batch in batches:
        batch.finished()
    return Cut(batches, rows, incomplete, unruled, malformed)


def course_batch(texts: list[str]) -> int | None:
    """The batch of a complete row (values in column order) by the course's rule; None for none."""
    try:
        price, size = float(texts[_PRICE]), float(texts[_SIZE])
    except ValueError:
        return None
    if price > MIDDLE:
        return 5
    if price > LOW:
        return 4
    if texts[_STATE] == "Massachusetts":
        return 3
    if texts[_STATUS] == "sold":
        return 2
    if texts[_STATUS] == "for_sale":
        return 0 if size >= LARGE else 1
    return None
