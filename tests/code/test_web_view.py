"""What the web app's pages say, without Reflex."""

import sys

import pytest

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import view


def test_rejected_first_model_says_what_it_lacks():
    reasons = ["R² on the permanent holdout is 0.211; at least 0.35 is required (252 rows)."]
    decision = {"version": 1, "decision": "rejected", "reasons": reasons}
    text = view.rejection_of({"newest_decision": decision})
    assert text.startswith("No model is in service yet. Version 1 was trained and rejected: R²")
    assert reasons[0] in text


def test_first_model_that_waits_says_who_can_approve_it():
    decision = {"version": 2, "decision": "waiting", "reasons": ["…"], "started_by": "ana"}
    text = view.rejection_of({"newest_decision": decision})
    assert "Version 2 passed the gate and waits for approval" in text
    assert "tasador approve 2" in text
    assert text.endswith("ana started its training, so another person decides.")
    unknown = view.rejection_of({"newest_decision": {**decision, "started_by": ""}})
    assert "started" not in unknown
    assert "rejected" not in text


def test_declined_first_model_says_why():
    reasons = ["declined by ben: too few rows"]
    decision = {"version": 1, "decision": "declined", "reasons": reasons}
    assert "trained and declined: declined by ben: too few rows" in view.rejection_of(
        {"newest_decision": decision}
    )


@pytest.mark.parametrize(
    "summary", [{}, {"newest_decision": None}, {"newest_decision": {"decision": "promoted"}}]
)
def test_without_a_rejection_the_page_gives_its_hint(summary):
    assert view.rejection_of(summary) == ""
