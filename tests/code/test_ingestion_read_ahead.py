"""A payload that is read while it is received is read as a whole file is."""

import json
import threading

import pytest

from tasador.errors import ServiceUnavailable, SourceError
from tasador.ingestion import loading
from tasador.ingestion.read_ahead import GrowingFile, reading_ahead
from tasador.source.client import SourceClient
from tasador.source.simulator import generate
from tasador.warehouse.rows import RowFiles
from tests.kit.source import http, scripted, served

ROWS = generate(3, "steady", 0, 3_000)


def client(url):
    return SourceClient(url, 5, "Tuesday", retries=0)


def read_whole(payload, folder):
    """The result for the complete file, and the lines that it adds to each table."""
    folder.mkdir()
    with RowFiles(folder) as rows, payload.open("rb") as file:
        read = loading.read_payload(file, folder / "columns.arrow", rows.add, print)
    return read, [path.read_bytes() for path in rows.paths.values()]


def test_rows_of_an_answer_that_arrives_in_pieces(tmp_path):
    payload = tmp_path / "payload.json"
    with (
        served([ROWS]) as url,
        RowFiles(tmp_path) as rows,
        reading_ahead(tmp_path / "columns.arrow", rows, print) as (ahead, _),
    ):
        client(url).fetch(payload, begun=ahead.begin)
        ahead.end()
        read = ahead.result()
    lines = [path.read_bytes() for path in rows.paths.values()]
    assert (read, lines) == read_whole(payload, tmp_path / "whole")
    assert read.rows == len(ROWS)


def test_a_growing_file_ends_where_it_is_complete(tmp_path):
    path, complete = tmp_path / "file", threading.Event()
    path.write_bytes(b"ab")
    with GrowingFile(path, complete) as growing, path.open("ab", buffering=0) as writer:
        assert growing.read(10) == b"ab"
        threading.Timer(0.05, writer.write, [b"cd"]).start()
        assert growing.read(10) == b"cd"  # waits for it
        writer.write(b"ef")
        complete.set()
        assert growing.read(10) == b"ef"
        assert growing.read(10) == b""


def test_an_answer_that_breaks_off_ends_the_reader(tmp_path):
    body = json.dumps({"group_number": 5, "day": "Tuesday", "batch_number": 0, "data": ROWS})
    broken = http(200, body[: len(body) // 2].encode(), length=len(body))
    with (
        scripted(broken) as (url, _),
        RowFiles(tmp_path) as rows,
        pytest.raises(ServiceUnavailable),
        reading_ahead(tmp_path / "columns.arrow", rows, print) as (ahead, _),
    ):
        client(url).fetch(tmp_path / "payload.json", begun=ahead.begin)
    with pytest.raises(SourceError):
        ahead.result()
