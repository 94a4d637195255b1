"""Rows read by column and rows read one by one end the same in the digest, every table and Parquet.

TASADOR_FUZZ_CASES is the number of payloads; new ones each time if TASADOR_FUZZ_RANDOM is set.
"""

import io
import json
import os
from hashlib import blake2b
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasador.ingestion import loading
from tasador.ingestion.batch_file import write_parquet
from tasador.ingestion.plain_dictionaries import is_plain
from tasador.ingestion.read_rows import read_rows
from tasador.ingestion.uniform_rows import read_uniform
from tasador.listings.arrow import text_array
from tasador.listings.listing import (
    COLUMNS,
    canonical_line,
    in_holdout,
    property_key,
)
from tasador.listings.value_reader import read_value
from tasador.source import payload as payloads
from tasador.source.payload import blocks, read_payload_row, rows
from tasador.source.plain_rows import PlainRows, read_plain, storable_rows
from tasador.source.simulator import generate

CASES = int(os.environ.get("TASADOR_FUZZ_CASES", "200"))
SETTINGS = settings(
    deadline=None,
    database=None,
    max_examples=CASES,
    derandomize="TASADOR_FUZZ_RANDOM" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
_VALUES = (45189.0, "sold", 469000.0, 3.0, 2.5, 6.59, 1509544.0, "Hanover", "Virginia", 23069.0)
GOOD = dict(zip(COLUMNS, (*_VALUES, 2764.0, "2022-02-23"), strict=True))


def payload(texts):
    body = ",\n".join(texts)
    return f'{{"group_number": 5, "batch_number": 0, "data": [{body}]}}'.encode()


def one_by_one(body, path):
    """What each row becomes, read by ``rows``: canonical, raw, clean and quarantined values."""
    path.write_bytes(body)
    result = []
    for number, row in enumerate(rows(path)):
        listing, problems = read_payload_row(row)
        clean = quarantined = None
        if problems:
            quarantined = sorted((p.field, p.reason, p.value) for p in problems)
        else:
            key = property_key(listing)
            clean = (*listing.values(), key, in_holdout(key), number)
        result.append((canonical_line(listing, problems), raw_of(row.raw), clean, quarantined))
    return result


def raw_of(raw):
    """The twelve values as text, or the row as JSON: the rule of raw.raw_data, written plainly."""
    if isinstance(raw, dict) and set(raw) <= set(COLUMNS):
        values = [raw.get(name) for name in COLUMNS]
    elif isinstance(raw, list) and len(raw) == len(COLUMNS):
        values = raw
    else:
        return raw
    texts = [
        value if value is None or isinstance(value, str) else json_text(value) for value in values
    ]
    odd = any(isinstance(v, dict | list) for v in values) or any(
        c == "\x00" or "\ud800" <= c <= "\udfff" for c in chain.from_iterable(filter(None, texts))
    )
    return raw if odd else texts


def json_text(value):
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def unescaped(cell):
    if cell == "\\N":
        return None
    marks = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
    found, position = "", 0
    while position < len(cell):
        if cell[position] == "\\":
            position += 1
            found += marks[cell[position]]
        else:
            found += cell[position]
        position += 1
    return found


def lines(buffer):
    text = bytes(buffer).decode()
    return [[unescaped(cell) for cell in line.split("\t")] for line in text.split("\n")[:-1]]


def by_column(body):
    """The same, read by ``read_rows``."""
    result, digested = [], []
    for read in read_rows(io.BytesIO(body)):
        stored_json = [line[13] for line in lines(read.raw)]
        raw = [text and json.loads(text) for text in stored_json]
        texts = [line[1:13] for line in lines(read.raw)]
        first = len(result)
        assert [int(line[0]) for line in lines(read.raw)] == list(range(first, first + read.rows))
        clean = {int(row[-1]): row for row in map(tuple_of, read.listings.to_pylist())}
        copied = {int(line[0]): line for line in lines(read.clean)}
        assert list(copied) == list(clean)
        for number, line in copied.items():
            assert list(map(str_of, clean[number][:-1])) == [
                None if value is None else value for value in line[1:]
            ]
        refused = {
            int(number): sorted((r["field"], r["reason"], r["value"]) for r in json.loads(reasons))
            for number, reasons in lines(read.quarantined)
        }
        for row in range(read.rows):
            number = first + row
            kept = texts[row] if stored_json[row] is None else raw[row]
            result.append((kept, clean.get(number), refused.get(number)))
        digested.append(bytes(read.canonical))
    return result, b"".join(digested)


def tuple_of(row):
    return tuple(row.values())


def str_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def check(body, tmp_path):
    expected = one_by_one(body, tmp_path / "payload.json")
    found, digested = by_column(body)
    assert digested == b"".join(row[0] for row in expected)
    assert len(found) == len(expected)
    for (raw, clean, quarantined), (_, raw_, clean_, quarantined_) in zip(
        found, expected, strict=True
    ):
        assert same(raw, raw_)
        assert clean == clean_
        assert (quarantined is None) == (quarantined_ is None)
        if quarantined is not None:
            assert [q[:2] for q in quarantined if q[0].isprintable()] == [
                q[:2] for q in quarantined_ if q[0].isprintable()
            ]


def same(left, right):
    """Equal, with NaN and infinities as JSON cannot hold them: as text."""
    try:
        json.dumps(right, allow_nan=False)
    except ValueError:
        return isinstance(left, str)
    return left == right


# -- payloads --------------------------------------------------------------------------------------

NUMBERS = st.sampled_from(
    [
        *("0", "-0", "0.0", "-0.0", "1", "3.0", "2.50", "601", "601.0", "33156.0", "99999", "1e2"),
        *("100000.0", "123456", "1E5", "1e22", "1e-7", "-5", "-5.0", "1e308", "0.1", "5e-324"),
        *("9007199254740991", "9007199254740992", "9007199254740993", "9007199254740993.0"),
        *("12345678901234567890", "18446744073709551616", "1e15", "1e16", "123456789012345.0"),
    ]
)
ODD = st.sampled_from(
    [
        *("NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "003", "nan", "[1]", "{}", "true"),
        *('"a\\u0000"', '"\\ud800"', '"\\ud83c\\udfe0"', '"a\0b"', '"a\tb"', '"a\\qb"', "+3", ""),
    ]
)
TEXTS = st.sampled_from(
    [
        *("", "Miami", " Miami ", "St.  Louis", "TX", "33156.0", "007", ".0", "sold", "For Sale"),
        *("2022-02-23", "2022-02-30", "2022-02-23T10:00:00Z", "a:b", "a :b", '":', 'x":', "}", "]"),
        *(
            "},{",
            "],[",
            "}]",
            "]]",
            "tab\there",
            "line\nbreak",
            "back\\slash",
            "\\N",
            "é",
            "\u00a0",
        ),
        *("quote'", "'\"", "１", "NaN", "nan", "1_000", "3e2", "x" * 201, "\u200b", "77084-1234"),
    ]
).map(json.dumps)
VALUES = st.one_of(st.just("null"), NUMBERS, TEXTS, NUMBERS, TEXTS, st.booleans().map(json.dumps))
COLUMN_VALUES = st.sampled_from([NUMBERS, TEXTS, VALUES, st.just("null"), VALUES | ODD])


@st.composite
def payload_texts(draw):
    """Rows of a payload as text: mostly alike, as in life, with any kind of odd one among them."""
    kind = {name: draw(COLUMN_VALUES) for name in COLUMNS}
    form = draw(st.sampled_from(["object", "object", "list"]))
    colon = draw(st.sampled_from([":", ": ", " : ", ": "]))
    texts = []
    for _ in range(draw(st.integers(0, 6))):
        values = [(name, draw(kind[name])) for name in COLUMNS]
        odd = draw(st.integers(0, 9))
        if odd == 0:
            values = values[: draw(st.integers(0, 12))]
        elif odd == 1:
            values.append((draw(st.sampled_from([*COLUMNS, "colour"])), draw(VALUES)))
        elif odd == 2:
            values = draw(st.permutations(values))
        cells = [f'"{name}"{colon}{value}' for name, value in values]
        if form == "list" or odd == 3:
            texts.append("[" + ",".join(value for _, value in values) + "]")
        else:
            texts.append("{" + draw(st.sampled_from([",", ", "])).join(cells) + "}")
        if odd == 4:
            texts.append(draw(st.sampled_from(["null", "3", '"},{"', "[]", "{}", "[[]]", "{1}"])))
    return texts


@SETTINGS
@given(payload_texts())
def test_rows_by_column_equal_rows_one_by_one(tmp_path_factory, texts):
    check(payload(texts), tmp_path_factory.getbasetemp())


@SETTINGS
@given(payload_texts(), st.integers(40, 400))
def test_rows_in_small_blocks_equal_rows_one_by_one(tmp_path_factory, texts, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payloads, "_LARGEST_BLOCK", size)
        patch.setattr(payloads, "_SMALLEST_BLOCK", size // 4)
        patch.setattr(payloads, "_ROWS_ALONE", 2)
        patch.setattr(payloads, "_WAITING_ROWS", 3)
        check(payload(texts), tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("scenario", ["steady", "broken-schema"])
@pytest.mark.parametrize("form", ["object", "list"])
def test_batches_of_the_simulator_are_read_by_column(tmp_path, scenario, form):
    raws = generate(5, scenario, 2, 3_000)
    if form == "list":
        raws = [["" if r.get(n) is None else str(r[n]) for n in COLUMNS] for r in raws]
    check(payload(map(json.dumps, raws)), tmp_path)


NAMES = ["Miami", "O'Fallon", 'the "Hub"', "Coeur d'Alene", "x" * 200, "a", "null island", "~"]
ODD_NAMES = ["", " Miami", "Miami ", "St.  Louis", "NaN", "n/a", "x" * 201, "é", "\x7f", "a\u200b"]
DATES = ["2022-02-23", "2020-02-29", "0001-01-01", "9999-12-31"]
ODD_DATES = [
    "",
    "2022-02-30",
    "2022-13-01",
    "0000-01-01",
    "2022-2-23",
    "2022-02-23T10",
    "2022/02/23",
]


@pytest.mark.parametrize(
    ("kind", "column", "plain", "odd"),
    [("name", "city", NAMES, ODD_NAMES), ("date", "prev_sold_date", DATES, ODD_DATES)],
)
def test_plain_dictionaries_are_those_that_are_read_unchanged(tmp_path, kind, column, plain, odd):
    for text in [*plain, *odd]:
        value, problem = read_value(column, text)
        unchanged = value == text and problem is None
        assert unchanged or text in odd
        assert is_plain(text_array([None, text, None]), kind) <= unchanged
    assert is_plain(text_array([*plain, None]).slice(1), kind)
    for text in odd:
        if read_value(column, text) != (text, None):
            assert not is_plain(text_array([*plain, text]), kind)
    for values in ([*plain, None, *plain], [*plain, None, *odd]):
        rows = [{**GOOD, column: text} for text in values if text is None or '"' not in text]
        texts = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows]
        assert read_uniform(",\n".join(texts)), "a row is not read from its bytes"
        check(payload(texts), tmp_path)


def test_plain_rows_are_read_at_once():
    """Parity would also hold if nothing took the fast path."""
    body = payload([json.dumps(GOOD)] * 50_000)
    assert all(isinstance(block, PlainRows) for block in blocks(io.BytesIO(body)))
    spoiled = body.replace(b"Hanover", b"a\\u0000", 1)
    kinds = [type(block) for block in blocks(io.BytesIO(spoiled), read_plain)]
    alone = sum(len(b) for b in blocks(io.BytesIO(spoiled), read_plain) if isinstance(b, list))
    assert list in kinds
    assert alone < 200


UNIFORM_VALUES = {
    "text": st.sampled_from(
        ["null", '""', '"a"', '"601.0"', "\"é, 'x': 1\"", '"null"', '"2022-02-23"']
    ),
    "number": st.sampled_from(
        ["null", "0.0", "-0.0", "2.5", "601.0", "1e+16", "1e-07", "123456.0"]
    ),
}


@st.composite
def uniform_texts(draw):
    """Rows of one layout, of which one character may be replaced."""
    kinds = {name: draw(st.sampled_from(["text", "number"])) for name in COLUMNS}
    colon, comma = draw(st.sampled_from([":", ": "])), draw(st.sampled_from([",", ", "]))
    rows = [
        comma.join(f'"{name}"{colon}{draw(UNIFORM_VALUES[kind])}' for name, kind in kinds.items())
        for _ in range(draw(st.integers(1, 4)))
    ]
    text = "{" + draw(st.sampled_from(["},{", "}, {", "},\n{"])).join(rows) + "}"
    if draw(st.booleans()):
        place = draw(st.integers(0, len(text) - 1))
        instead = draw(st.sampled_from(["", *'{}[],:" \n\\\t0-.e+nulaé', text[place] * 2]))
        text = text[:place] + instead + text[place + 1 :]
    return text


@SETTINGS
@given(uniform_texts())
def test_rows_of_one_layout_are_what_json_has(text):
    """A text that JSON refuses, or reads differently, must be refused here too."""
    whole = storable_rows(text)
    found = whole and read_uniform(whole)
    if not found:
        return
    expected = json.loads(f"[{whole}]", object_pairs_hook=list)
    assert [[name for name, _ in row] for row in expected] == [list(found)] * len(expected)
    for place, cells in enumerate(found.values()):
        values = [row[place][1] for row in expected]
        texts = [v if v is None or isinstance(v, str) else repr(v) for v in values]
        assert cells.texts.to_pylist() == texts
        if cells.numbers is None:
            assert {type(value) for value in values} <= {str, type(None)}
        else:
            assert {type(value) for value in values} <= {float, type(None)}
            assert [None if v != v else repr(v) for v in cells.numbers.tolist()] == texts


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
@pytest.mark.parametrize("between", [",", ", ", ",\n"])
def test_rows_of_one_layout_are_found_in_their_bytes(separators, between):
    """Parity would also hold if no layout were found."""
    rows = [GOOD, {**GOOD, "city": None}, {**GOOD, "city": "{x}"}]
    found = read_uniform(between.join(json.dumps(row, separators=separators) for row in rows))
    assert found["city"].texts.to_pylist() == ["Hanover", None, "{x}"]
    assert found["price"].numbers.tolist() == [469000.0] * 3


def test_rows_of_texts_alone_are_found_in_their_bytes():
    row = json.dumps(dict.fromkeys(GOOD, "1"))
    assert read_uniform(f"{row}, {row}")["price"].texts.to_pylist() == ["1", "1"]


@pytest.mark.parametrize(
    "number",
    [
        *("0.0", "3.0", "0.25", "10.05", "0.0001", "123456789012345.0", "1e-05", "1e+16", "-1.5"),
        *("0.10", "3.00", "03.0", "00.5", "0.00001", "3", "3.", ".5", "1e5", "-0.50"),
        *("1234567890123456.0", "0.1234567890123456", "0.12345678901234567", "0.12345678901234568"),
        *("9007199254740993.0", "10000000000000000.0"),
    ],
)
def test_a_number_is_found_if_python_writes_it_so(number):
    text = json.dumps({**GOOD, "bath": 0.5}).replace('"bath": 0.5', f'"bath": {number}')
    found = read_uniform(f"{json.dumps(GOOD)}, {text}")
    assert (found is not None) == (repr(float(number)) == number)
    if found is not None:
        assert found["bath"].numbers.tolist() == [GOOD["bath"], float(number)]


@pytest.mark.parametrize(
    "other",
    [
        {**GOOD, "price": 469000},
        {**GOOD, "city": "a\tb"},
        {**GOOD, "bed": "3.0"},
        {**GOOD, "colour": "red"},
        dict(reversed(GOOD.items())),
        {name: GOOD[name] for name in COLUMNS[:-1]},
    ],
)
def test_a_row_that_differs_leaves_its_block_to_json(other):
    assert read_uniform(json.dumps(GOOD)) is not None
    for mixed in ([other, GOOD], [GOOD, other], [GOOD, other, GOOD]):
        assert read_uniform(",".join(map(json.dumps, mixed))) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"bed": NaN}',
        json.dumps(GOOD).replace("Hanover", "10:30"),
    ],
)
def test_what_msgspec_refuses_and_colons_in_texts_are_read_at_once(text):
    assert read_plain(f"{text},{text}]").rows == 2


@pytest.mark.parametrize(
    "text",
    [
        '{"bed": 1, "bed": 2}',
        '{"colour": 1}',
        "[1, 2]",
        '{"bed": [1]}',
        json.dumps(GOOD)[:-1] + ', "bed": 4}',
        '{"city": "\\ud800"}',
    ],
)
def test_rows_that_need_reading_one_by_one_are_left_alone(text):
    assert read_plain(f"{text},{text}]") is None


def test_read_payload_and_its_parquet_file(tmp_path):
    raws = [*generate(5, "steady", 2, 2_000), {"price": None}, {**GOOD, "city": "tab\there"}]
    body = payload(map(json.dumps, raws))
    staged = []
    read = loading.read_payload(
        io.BytesIO(body), tmp_path / "c.arrow", lambda *lines: staged.append(lines), print
    )
    expected = one_by_one(body, tmp_path / "payload.json")
    digest = blake2b(b"".join(row[0] for row in expected), digest_size=16)
    assert read.digest == digest.hexdigest()
    assert read.rows == len(raws) == sum(bytes(raw).count(b"\n") for raw, _, _ in staged)
    write_parquet(tmp_path / "c.arrow", tmp_path / "c.parquet", "b1")
    table = pq.read_table(tmp_path / "c.parquet")
    names = [*COLUMNS, "property_key", "holdout", "batch_id", "row_number"]
    assert table.schema.names == names
    assert table["batch_id"].to_pylist() == ["b1"] * read.rows_clean
    # The Iceberg table has no others than those of its files.
    columns = pq.read_metadata(tmp_path / "c.parquet").row_group(0)
    assert all(columns.column(place).is_stats_set for place in range(len(names)))
    stored = [tuple_of(row) for row in table.drop_columns(["batch_id"]).to_pylist()]
    assert stored == [clean for _, _, clean, _ in expected if clean is not None]


def test_payload_is_packed_and_unpacked(tmp_path):
    body = payload([json.dumps(GOOD)] * 10_000)
    assert len(body) > 2 << 20  # more than one frame
    (tmp_path / "p.json").write_bytes(body)
    loading.pack(tmp_path / "p.json", tmp_path / "p.json.zst")
    assert (tmp_path / "p.json.zst").stat().st_size < len(body) / 20
    with loading.unpack(tmp_path / "p.json.zst") as file:
        assert file.read() == body


def test_payload_without_rows(tmp_path):
    read = loading.read_payload(
        io.BytesIO(payload([])), tmp_path / "c.arrow", lambda *lines: None, print
    )
    assert (read.rows, read.digest) == (0, blake2b(digest_size=16).hexdigest())
    write_parquet(tmp_path / "c.arrow", tmp_path / "c.parquet", "b1")
    assert pq.read_table(tmp_path / "c.parquet").num_rows == 0
    assert pa.ipc.open_stream(tmp_path / "c.arrow").schema.field("price").type == pa.float64()
