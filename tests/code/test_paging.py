"""Pages of the history: every prediction is reached once, whatever its time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.http import HttpProblem, Request
from functions.paging import next_page, read_page
from tests.kit.records import WHEN, make_prediction


def select(records, page):
    """What the database answers, in its order."""
    kept = [
        r
        for r in sorted(records, key=lambda r: (r.predicted_at, r.prediction_id), reverse=True)
        if page.before is None
        or (
            (r.predicted_at, r.prediction_id) < (page.before, page.before_id)
            if page.before_id is not None
            else r.predicted_at < page.before
        )
    ]
    return kept[: page.limit]


@given(
    st.lists(st.integers(0, 2), max_size=30),
    st.integers(1, 7),
    st.sampled_from(["cursor", "before"]),
)
def test_following_next_reaches_every_prediction_once(seconds, limit, parameter):
    records = [
        make_prediction(prediction_id=f"p{n}", predicted_at=WHEN + timedelta(seconds=s))
        for n, s in enumerate(seconds)
    ]
    last = sorted(records, key=lambda r: (r.predicted_at, r.prediction_id))[:1]
    found, arguments = [], {"limit": str(limit)}
    while True:
        page = read_page(arguments)
        selected = select(records, page._replace(limit=page.limit + 1))
        found += selected[: page.limit]
        following = next_page(selected, page.limit)
        # The last page, full or not, is followed by none.
        assert (following is None) == (found[-1:] == last)
        if following is None:
            break
        assert following.isascii()
        arguments[parameter] = following
    assert found == sorted(records, key=lambda r: (r.predicted_at, r.prediction_id), reverse=True)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00 02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
    ],
)
def test_before_is_still_a_time(text, when):
    assert read_page({"before": text}) == (50, when, None)


@given(
    st.dictionaries(st.sampled_from(["limit", "cursor", "before", "x"]), st.text(max_size=30))
    | st.fixed_dictionaries({"limit": st.from_regex(r"[0-9]{1,6000}", fullmatch=True)})
)
def test_any_query_is_a_page_or_a_422_that_names_the_parameter(arguments):
    try:
        page = read_page(arguments)
    except HttpProblem as problem:
        (error,) = problem.errors
        assert (problem.status, error.field in arguments) == (422, True)  # noqa: PT017
    else:
        assert 1 <= page.limit <= 500


@pytest.mark.parametrize(
    "arguments",
    [
        {"cursor": ""},
        {"cursor": "x"},
        {"cursor": "MjAyNi0wMS0zMSAx"},
        {"cursor": "a" * 5000},
        {"limit": "00000000599999"},
        {"limit": "1" + "0" * 5000},
        {"limit": "²"},
        {"before": "2026-01-31T12:00:00Z", "cursor": "x"},
    ],
)
def test_invalid_parameters_are_refused(arguments):
    with pytest.raises(HttpProblem) as caught:
        read_page(arguments)
    assert caught.value.status == 422


def test_a_parameter_that_is_there_twice_is_refused():
    request = Request(method="GET", path="/", headers={}, query="limit=3&cursor=&limit=9&cursor")
    with pytest.raises(HttpProblem) as raised:
        request.args  # noqa: B018
    assert raised.value.status == 422
    assert [problem.field for problem in raised.value.errors] == ["limit", "cursor"]
    assert Request(method="GET", path="/", headers={}, query="a=&b=%26").args == {"a": "", "b": "&"}
