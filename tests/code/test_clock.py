"""tasador.clock: growing pauses, retries and waiting, on a clock that only a sleep moves."""

from itertools import islice

import pytest

from tasador.clock import backoff, retry, wait_until


class Clock:
    def __init__(self):
        self.time = 0.0
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds

    def elapsed(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


def failing(times, error=OSError):
    """An action that fails so many times, then returns how often it was called."""
    calls = []

    def action():
        calls.append(1)
        if len(calls) <= times:
            raise error(f"call {len(calls)}")
        return len(calls)

    return action


def test_backoff_doubles_up_to_the_longest_pause():
    assert list(islice(backoff(0.5, 3.0), 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_backoff_with_another_factor():
    assert list(islice(backoff(1.0, factor=1.0), 3)) == [1.0, 1.0, 1.0]


def test_backoff_does_not_overflow():
    pauses = backoff(0.5, 10.0)
    assert next(islice(pauses, 5000, None)) == 10.0


def test_retry_returns_the_first_success(clock):
    failures = []
    result = retry(
        failing(2),
        OSError,
        backoff(0.1),
        attempts=4,
        on_failure=lambda error: failures.append(str(error)),
        sleep=clock.sleep,
    )
    assert result == 3
    assert clock.slept == [0.1, 0.2]
    assert failures == ["call 1", "call 2"]


def test_retry_raises_the_last_exception_after_all_attempts(clock):
    with pytest.raises(OSError, match="call 3"):
        retry(failing(9), OSError, backoff(0.1), attempts=3, sleep=clock.sleep)
    assert clock.slept == [0.1, 0.2]


def test_retry_stops_at_its_deadline(clock):
    with pytest.raises(OSError, match="call 4"):
        retry(
            failing(9),
            OSError,
            backoff(1.0, factor=1.0),
            seconds=3.0,
            sleep=clock.sleep,
            elapsed=clock.elapsed,
        )


def test_retry_raises_other_exceptions_at_once(clock):
    with pytest.raises(ValueError, match="call 1"):
        retry(failing(9, ValueError), (OSError, KeyError), backoff(0.1), sleep=clock.sleep)
    assert clock.slept == []


def test_wait_until_the_condition_holds(clock):
    waited = wait_until(
        lambda: clock.time >= 1.0, 5.0, 0.5, sleep=clock.sleep, elapsed=clock.elapsed
    )
    assert waited
    assert clock.slept == [0.5, 0.5]


def test_wait_until_gives_up_at_its_deadline(clock):
    assert not wait_until(lambda: False, 2.0, 0.5, sleep=clock.sleep, elapsed=clock.elapsed)
    assert clock.slept == [0.5] * 4


def test_wait_until_checks_once_without_any_time(clock):
    assert wait_until(lambda: True, 0.0, 0.5, sleep=clock.sleep, elapsed=clock.elapsed)
    assert not wait_until(lambda: False, 0.0, 0.5, sleep=clock.sleep, elapsed=clock.elapsed)
