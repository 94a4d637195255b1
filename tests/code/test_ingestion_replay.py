"""The log of requests shows when the source must be restarted, so that no batch is lost."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasador.ingestion.replay import MOST_PASSES, catching_up, why_replay
from tasador.records.loop import Fetch


def log(*entries):
    """A history: a number is a received batch, None an answer that never arrived."""
    return [
        Fetch(
            source="http://source",
            group_number=5,
            day="Tuesday",
            begun_at=datetime(2026, 1, 1, tzinfo=UTC),
            outcome="received" if isinstance(entry, int) else entry,
            batch_number=entry if isinstance(entry, int) else None,
        )
        for entry in entries
    ]


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (0, 1, 2),
        (0, 0, 1, 1),  # a source that advances by the clock
        (0, None, 1),  # the broken answer was batch 1, and it came again
        (0, None),  # the next number decides
        (0, 1, 2, "exhausted"),
        (0, 1, 2, "exhausted", None, "exhausted"),
        (0, 1, None, "restarted", 0, 1, "exhausted"),
        (0, 1, 3, "restarted", 0),  # the replay has not reached batch 2 yet
        (0, 1, 0, 1, 2),  # another client restarted it
        (0, 2, "restarted", 0, 2, "restarted", 0, 2),  # batch 1 is not on offer
        ("exhausted", "restarted", "exhausted"),
    ],
)
def test_why_replay_is_empty_when_nothing_is_lost(entries):
    assert why_replay(log(*entries)) == ""


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ((0, 1, 3), "batch 2 before it never did"),
        ((1,), "batch 0 before it never did"),
        ((0, None, 2), "batch 1 before it never did"),
        ((0, 1, None, "exhausted"), "broke off"),
        ((None, "exhausted"), "broke off"),
        ((0, None, "restarted", 0, None, "exhausted"), "broke off"),
        (("exhausted",), "before anything was received"),
        ((0, 2, "restarted", 0, 2), "batch 1 before it never did"),
        # However often batch 1 breaks off, that does not mean that it does not exist.
        ((*(0, None, 2, "restarted") * 5, 0, None, 2), "batch 1 before it never did"),
    ],
)
def test_why_replay_names_what_is_lost(entries, reason):
    assert reason in why_replay(log(*entries))


def test_numbers_that_are_dates_are_compared_and_not_counted_through():
    """They once filled 2.2 GB, at every run."""
    days = (20_260_301, 20_260_302)
    assert "batch 0 before it never did" in why_replay(log(*days))
    assert why_replay(log(*(*days, "restarted") * MOST_PASSES, *days)) == ""
    gap = why_replay(log(*(*days, "restarted") * MOST_PASSES, *days, 2**31 - 1))
    assert "batch 20260303 before it never did" in gap


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((0, 1), False),
        ((0, 1, 3, "restarted"), True),
        ((0, 1, 3, "restarted", 0), True),
        (
            (0, 1, 3, "restarted", 0, 0),
            False,
        ),  # by the clock: no use asking again
        ((0, 1, 3, "restarted", 0, 1, 2, 3), False),
        ((0, 1, 2, 0), False),  # another client restarted it
    ],
)
def test_catching_up_until_the_furthest_batch(entries, expected):
    assert catching_up(log(*entries)) is expected


def fetch_until_exhausted(batches, fates):
    """The batches received from a source if its first answers meet these fates."""
    history, position = [], 0
    for fate in [*fates, *["arrives"] * 200]:
        if why_replay(history):
            position = 0
            history += log("restarted")
        if fate == "is stolen":  # by another client of the same source
            position = min(position + 1, batches)
        elif fate == "breaks before":
            history += log(None)
        elif fate == "breaks after":
            history += log(None)
            position = min(position + 1, batches)
        elif position < batches:
            history += log(position)
            position += 1
        else:
            history += log("exhausted")
            if not why_replay(history):
                return {fetch.batch_number for fetch in history if fetch.outcome == "received"}
    return pytest.fail("the source is never exhausted")


@given(
    batches=st.integers(1, 6),
    fates=st.lists(st.sampled_from(["arrives", "breaks before", "breaks after"]), max_size=40),
)
def test_every_batch_arrives_despite_broken_answers(batches, fates):
    assert fetch_until_exhausted(batches, fates) == set(range(batches))


@given(
    batches=st.integers(2, 6),
    thefts=st.lists(st.integers(0, 12), max_size=MOST_PASSES - 1, unique=True),
)
def test_batch_taken_by_another_client_arrives_if_a_later_one_does(batches, thefts):
    fates = ["is stolen" if n in thefts else "arrives" for n in range(13)]
    received = fetch_until_exhausted(batches, fates)
    assert received >= set(range(max(received)))
