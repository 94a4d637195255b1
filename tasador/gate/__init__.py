"""The promotion policy: numbers in, a decision with its reasons out. Pure.

Every check is always made and kept, passed or not. Two models are compared on the same rows by a
bootstrap over properties, so that a difference counts only where it is larger than what another
draw of properties could have shown.
"""

from tasador.gate.checks import judge
from tasador.gate.decision import Check, Decision, Policy
from tasador.gate.measures import Evaluation, r2, rmse
from tasador.gate.slices import PRICE_BANDS, Slice, slices_of

__all__ = [
    "PRICE_BANDS",
    "Check",
    "Decision",
    "Evaluation",
    "Policy",
    "Slice",
    "judge",
    "r2",
    "rmse",
    "slices_of",
]
