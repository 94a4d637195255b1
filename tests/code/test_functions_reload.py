"""reload believes the history and not the event."""

import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.http import HttpProblem
from functions.reload import func
from tasador.errors import TasadorError
from tasador.events.build import model_promoted
from tasador.events.event import EventError
from tasador.settings import Settings
from tests.kit.records import make_decision

PROMOTED = make_decision(promotion=7, version=3, digest="d3")
REJECTED = make_decision(promotion=8, version=4, decision="rejected")
OTHER = make_decision(promotion=9, model_name="another")
HISTORY = {d.promotion: d for d in (PROMOTED, REJECTED, OTHER)}


@pytest.fixture(scope="module")
def rolled():
    """The models that reload rolled out."""
    models = []

    @contextmanager
    def rollout():
        yield SimpleNamespace(roll_out=lambda model: models.append(model) or [])

    warehouse = SimpleNamespace(promotion=HISTORY.get)
    database = SimpleNamespace(
        settings=lambda: Settings(home=Path("/nowhere")), warehouse=lambda: warehouse
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(func, "DATABASE", database)
        patch.setattr(func, "_rollout", rollout)
        yield models


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (1000, "promotion 1000 is not in ops.model_history"),
        (8, "promotion 8 is not in ops.model_history"),
        (9, "promotion 9 is of another@2, and this platform serves tasador-price"),
    ],
)
def test_number_that_promotes_nothing_here_is_refused_for_good(rolled, number, message):
    event = model_promoted(replace(PROMOTED, promotion=number))
    with pytest.raises(HttpProblem, match=message) as raised:
        func.on_event(event)
    # A broker delivers a 422 never again.
    assert raised.value.status == 422
    assert rolled == []


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([])


@given(
    st.dictionaries(
        st.sampled_from(["version", "promotion", "digest", "model_uri", "model_name", "x"]),
        values | st.integers(1, 10),
    )
)
def test_no_event_rolls_out_what_the_history_does_not_hold(rolled, changes):
    rolled.clear()
    event = model_promoted(PROMOTED)
    try:
        func.on_event(replace(event, data={**event.data, **changes}))
    except (EventError, HttpProblem, TasadorError):
        assert rolled == []
    else:
        assert rolled == [PROMOTED.model]


def test_reload_checks_at_intervals_whatever_one_check_raises(monkeypatch):
    checks = []
    ended = threading.Event()

    def check():
        checks.append(len(checks))
        if len(checks) == 1:
            raise RuntimeError("unexpected")
        if len(checks) == 3:
            ended.set()

    monkeypatch.setattr(func, "ENDED", ended)
    monkeypatch.setattr(func, "RECONCILE_SECONDS", 0.001)
    monkeypatch.setattr(func, "_reconcile", check)
    func._reconcile_regularly()
    assert checks == [0, 1, 2]
