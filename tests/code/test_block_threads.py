"""Blocks that threads read and work on."""

import threading
import time

import pytest

from tasador.scoring.block_threads import worked


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_results_come_in_order_and_so_many_are_worked_on_at_once(at_once):
    working, most, read = set(), [], []
    changed = threading.Lock()

    def items():
        for number in range(20):
            read.append(number)
            yield number

    def work(number):
        with changed:
            working.add(number)
            most.append(len(working))
        # The first of each three takes the longest.
        time.sleep(0.02 if number % 3 == 0 else 0.005)
        with changed:
            working.remove(number)
        return number * number

    for place, (number, square) in enumerate(worked(work, items(), at_once)):
        assert (number, square) == (place, place * place)
        # Memory holds the blocks that are worked on, the one that was read, and one being read.
        assert len(read) <= place + at_once + 2
    assert len(read) == 20
    assert max(most) == at_once


def test_error_of_work_or_of_reading_is_raised():
    def work(number):
        if number == 3:
            raise ValueError("3 cannot be worked on")
        return number

    def broken():
        yield from range(3)
        raise OSError("the file ends here")

    with pytest.raises(ValueError, match="3 cannot"):
        list(worked(work, range(10), 2))
    done = []
    with pytest.raises(OSError, match="ends here"):
        done.extend(number for number, _ in worked(work, broken(), 2))
    assert list(worked(work, [], 2)) == []
