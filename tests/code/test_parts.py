"""Work in parts: all of it, in order, whatever the number of threads, and its errors come out."""

import threading

import pytest

from tasador.model.threads import in_parts


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("rows", [0, 1, 999, 1_000, 2_001, 10_000])
def test_every_row_is_worked_on_once_and_in_order(rows, threads):
    parts = in_parts(lambda part: list(range(rows)[part]), rows, threads, 1_000)
    assert [row for part in parts for row in part] == list(range(rows))
    assert len(parts) == 1 or min(map(len, parts)) >= 500


def test_parts_are_worked_on_at_one_time():
    both = threading.Barrier(2, timeout=20)
    in_parts(lambda _: both.wait(), 10_000, 2, 1_000)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_part_is_raised(threads):
    def work(part):
        if part.stop == 10_000:
            raise ValueError("the last part")

    with pytest.raises(ValueError, match="the last part"):
        in_parts(work, 10_000, threads, 1_000)
