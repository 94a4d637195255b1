"""Putting a promoted model into service, and taking it back: revisions, candidates and traffic."""

from tasador.rollout.backend import Backend, Revision, ServiceState, Target
from tasador.rollout.knative import KnativeBackend
from tasador.rollout.local import LocalBackend
from tasador.rollout.plan import SERVICES, Promotion
from tasador.rollout.rollback import decide_rollback
from tasador.rollout.verbs import reconcile, roll_out

__all__ = [
    "SERVICES",
    "Backend",
    "KnativeBackend",
    "LocalBackend",
    "Promotion",
    "Revision",
    "ServiceState",
    "Target",
    "decide_rollback",
    "reconcile",
    "roll_out",
]
