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


@pytest.mark.parametrize(
    "summary", [{}, {"newest_decision": None}, {"newest_decision": {"decision": "promoted"}}]
)
def test_without_a_rejection_the_page_gives_its_hint(summary):
    assert view.rejection_of(summary) == ""
