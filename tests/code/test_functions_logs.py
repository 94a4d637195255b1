"""Logs of the functions: JSON lines on stdout that never make a request wait for a reader."""

import fcntl
import json
import os

import pytest

from functions.logs import DROPPED, LineWriter
from tests.kit.functions import function, is_ready
from tests.kit.models import make_bundle
from tests.kit.waiting import wait_for


@pytest.fixture
def pipe():
    """(read end, write end) of a pipe."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def lines_of(count):
    return [b'{"line": %d}\n' % number for number in range(count)]


def read_lines(descriptor, count):
    data = b""
    while data.count(b"\n") < count:
        data += os.read(descriptor, 65_536)
    return data.splitlines(keepends=True)


def test_line_writer_keeps_the_order_of_lines(pipe):
    reader, writer = pipe
    lines = lines_of(5_000)
    log = LineWriter(writer)
    for line in lines:
        log.write(line)
    assert read_lines(reader, len(lines)) == lines
    assert log.flush(10)


def test_line_writer_drops_and_counts_lines_when_nobody_reads(pipe):
    reader, writer = pipe
    dropped, lines = DROPPED.value, lines_of(20_000)
    log = LineWriter(writer, max_queued=100_000)
    for line in lines:
        log.write(line)
    dropped = DROPPED.value - dropped
    assert 0 < dropped < len(lines)
    assert not log.flush(0)
    # Once somebody reads, no other line is missing.
    assert read_lines(reader, len(lines) - int(dropped)) == lines[: len(lines) - int(dropped)]
    assert log.flush(10)
    log.write(b"again\n")
    assert read_lines(reader, 1) == [b"again\n"]


def test_line_writer_survives_a_closed_stdout():
    reader, writer = os.pipe()
    log, dropped = LineWriter(writer), DROPPED.value
    os.close(reader)
    log.write(b"lost\n")
    assert log.flush(10)
    assert DROPPED.value == dropped + 1
    os.close(writer)


def test_function_answers_when_nobody_reads_its_stdout(pipe, tmp_path):
    reader, writer = pipe
    make_bundle(tmp_path / "bundle", rows=400)
    # One page holds some twenty lines.
    size = fcntl.fcntl(writer, getattr(fcntl, "F_SETPIPE_SZ", 1031), 4096)
    env = {"MODEL_URI": str(tmp_path / "bundle")}
    with function("predict", tmp_path, stdout=writer, **env) as client:
        client.timeout = 20
        wait_for(lambda: is_ready(client))
        # Many times what the pipe holds, from the reading thread and from workers.
        for number in range(200):
            answer = client.post("/predict", json={}, headers={"x-request-id": f"{number:060}"})
            assert answer.status_code == 200
            assert client.post("/predict", json={"bed": "x"}).status_code == 422
        assert client.post("/batch_predict", json={"listings": [{}]}).status_code == 200
        assert client.get("/model").status_code == 200
        for path in ("/health/liveness", "/health/readiness"):
            assert client.get(path).status_code == 200
        # What fitted comes out as whole lines, in order.
        line = read_lines(reader, size // 400)[0]
        assert json.loads(line)["message"]
