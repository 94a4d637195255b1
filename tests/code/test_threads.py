"""Work in chunks covers all rows in order, for any number of threads, and raises its errors."""

import threading

import pytest

from tasador.model.threads import in_chunks


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [0, 1, 999, 1_000, 2_001, 10_000])
def test_in_chunks_covers_every_row_once_in_order(rows, threads):
    chunks = in_chunks(lambda chunk: list(range(rows)[chunk]), rows, threads, 1_000)
    assert [row for chunk in chunks for row in chunk] == list(range(rows))
    assert len(chunks) == 1 or min(map(len, chunks)) >= 500


def test_in_chunks_runs_in_parallel():
    both = threading.Barrier(2, timeout=20)
    in_chunks(lambda _: both.wait(), 10_000, 2, 1_000)


@pytest.mark.parametrize("threads", [1, 2])
def test_in_chunks_raises_error_of_a_chunk(threads):
    def work(chunk):
        if chunk.stop == 10_000:
            raise ValueError("the last chunk")

    with pytest.raises(ValueError, match="the last chunk"):
        in_chunks(work, 10_000, threads, 1_000)
