"""Every reader of listings, as functions of the same rows that return the same form.

A reader takes rows, each a dict of raw values, and returns for each of them the values as read
(without the price) and the refused fields with their reasons. It may return None for a row that its
format cannot hold.
"""

import csv
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

from functions.batch_reader import read_batch
from functions.http import HttpProblem, Request, parse_json
from functions.listings import listing_from_json
from tasador.events import read
from tasador.events.event import PREDICTION_REQUESTED, EventError
from tasador.listings.arrays import listing_at
from tasador.listings.by_column import read_columns
from tasador.listings.listing import COLUMNS, INPUTS, Listing, read_listing, read_row
from tasador.listings.table import read_csv
from tasador.scoring import price_file
from tasador.source.course import split_csv
from tasador.source.payload import read_payload_row
from tasador.source.payload import rows as payload_rows

PRICE = 100_000.0


def reading(listing, problems=()):
    """A listing and its problems in the form that readers are compared in."""
    values = {name: repr(getattr(listing, name)) for name in INPUTS}
    return values, {(p.field, p.reason) for p in problems}


def one_by_one(rows):
    """``read_listing``, which the others are compared with."""
    return [reading(*read_listing(row)) for row in rows]


def as_lists(rows):
    """Rows of a batch as lists in column order."""
    return [
        reading(*read_row([PRICE if name == "price" else row.get(name) for name in COLUMNS]))
        for row in rows
    ]


def by_column(rows):
    """``read_columns``."""
    columns = {name: [row.get(name) for row in rows] for name in INPUTS}
    read_, problems, _ = read_columns(columns, len(rows))
    found = [[] for _ in rows]
    for row, problem in problems:
        found[row].append(problem)
    return [reading(listing_at(read_, row), found[row]) for row in range(len(rows))]


def answered(request):
    """The reading of a request for one price: a function that parses it or raises HttpProblem."""
    try:
        return reading(request())
    except HttpProblem as problem:
        return None, {(p.field, p.reason) for p in _unprocessable(problem)}


def _unprocessable(problem):
    assert problem.status == 422
    return problem.errors


def predict(rows):
    """POST /predict and /explain."""
    return [
        answered(lambda row=row: listing_from_json(parse_json(json.dumps(row).encode())))
        for row in rows
    ]


def event(rows):
    """prediction.requested; an event that the door refuses has no reading."""
    found = []
    for row in rows:
        envelope = {"specversion": "1.0", "id": "1", "source": "/t", "type": PREDICTION_REQUESTED}
        body = json.dumps({**envelope, "data": row}).encode()
        try:
            parsed = read.parse({"content-type": read.STRUCTURED}, body)
        except EventError:
            found.append(None)
            continue
        found.append(answered(lambda parsed=parsed: listing_from_json(parsed.data, "data")))
    return found


def batch_by_row(rows):
    """POST /batch_predict with {"listings": [...]}."""
    return [_of_batch({"listings": [row]}, "listings[0].") for row in rows]


def batch_by_column(rows):
    """POST /batch_predict with {"columns": {...}}."""
    return [
        _of_batch({"columns": {name: [row.get(name)] for name in INPUTS}}, "columns.")
        for row in rows
    ]


def _of_batch(data, prefix):
    body = json.dumps(data).encode()
    request = Request(
        method="POST", path="/batch_predict", headers={}, length=len(body), read=lambda: body
    )
    try:
        batch = read_batch(request, 1 << 20)
    except HttpProblem as problem:
        fields = {(p.field.removeprefix(prefix), p.reason) for p in _unprocessable(problem)}
        return None, {(field.removesuffix("[0]"), reason) for field, reason in fields}
    return reading(listing_at(batch.columns, 0))


def payload(rows):
    """The rows of a payload of the source."""
    data = [{**row, "price": PRICE} for row in rows]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "payload.json"
        path.write_text(json.dumps({"group_number": 1, "batch_number": 0, "data": data}))
        return [reading(*read_payload_row(row)) for row in payload_rows(path)]


JSON_READERS = {
    reader.__name__: reader
    for reader in (as_lists, by_column, predict, event, batch_by_row, batch_by_column, payload)
}


def write_csv(rows, path):
    """The rows as a CSV, with their number as the price; None is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, row in enumerate(rows):
            cells = {**row, "price": number + 1}
            writer.writerow(["" if cells.get(c) is None else cells.get(c) for c in COLUMNS])
    return path


def training_csv(path, rows):
    """``tasador train``: accepted rows in the frame, the others rejected with their problems."""
    frame, rejected = read_csv(path)
    found = {
        int(row["price"]) - 1: reading(Listing(**_without_nan(row)))
        for row in frame[list(COLUMNS)].to_dict("records")
    }
    found |= {r.line - 2: (None, {(p.field, p.reason) for p in r.problems}) for r in rejected}
    return [found[number] for number in range(rows)]


def _without_nan(row):
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def score_csv(path, rows):
    """``tasador score``."""
    return [
        reading(listing_at(read.columns, row), read.problems.get(row, ()))
        for read in price_file.read_blocks(price_file.open_listings(path))
        for row in range(read.block.rows)
    ]


def _cut(path, rows, form):
    """The source's cutter, then the rows of its batches; the price is the number of a row."""
    found = {}
    cut = split_csv(path, "random", form)
    for batch in cut.batches:
        for raw in json.loads(b"[" + b"".join(batch.chunks()) + b"]"):
            listing, problems = read_row(raw)
            found[int(listing.price) - 1] = reading(listing, problems)
        batch.close()
    return [found[number] for number in range(rows)]


def cut_as_objects(path, rows):
    """Batches of objects."""
    return _cut(path, rows, "object")


def cut_as_lists(path, rows):
    """Batches of lists."""
    return _cut(path, rows, "list")


CSV_READERS = {
    reader.__name__: reader for reader in (training_csv, score_csv, cut_as_objects, cut_as_lists)
}


def differences(expected, found):
    """Where two readings differ: (row, expected, found)."""
    assert len(expected) == len(found)
    return [
        (row, one, other)
        for row, (one, other) in enumerate(zip(expected, found, strict=True))
        if other is not None and (one[1] != other[1] or other[0] not in (None, one[0]))
    ]
