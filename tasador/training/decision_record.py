"""What is recorded about a version that the gate has judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasador.gate.decision import Decision
from tasador.model.model_ref import CANDIDATE, ModelRef
from tasador.records.loop import DecisionKind, DecisionRecord

if TYPE_CHECKING:
    from tasador.training.inputs import Plan

# The last reason of a version that passed the gate where promotions need approval.
AWAITS_APPROVAL = "A person must approve the promotion (TASADOR_APPROVAL is required)."


def decision_record(
    gate: Decision,
    planned: Plan,
    candidate: ModelRef,
    champion: ModelRef | None,
    *,
    needs_approval: bool,
    run_id: str,
    metrics: dict[str, float],
) -> DecisionRecord:
    """The decision on ``candidate``: promoted, rejected, or waiting where promotions need approval.

    ``champion`` is what it was compared with or would replace; ``metrics`` are those of the
    candidate on the permanent holdout.
    """
    kind: DecisionKind = "rejected"
    reasons = list(gate.reasons)
    if gate.promote and needs_approval:
        kind = "waiting"
        reasons.append(AWAITS_APPROVAL)
    elif gate.promote:
        kind = "promoted"
    return DecisionRecord(
        **candidate.write(CANDIDATE),
        run_id=run_id,
        decision=kind,
        reasons=reasons,
        checks=[check.as_dict() for check in gate.checks],
        metrics=metrics,
        training_id=planned.training_id,
        started_by=planned.started_by,
        batch_ids=list(planned.batch_ids),
        champion_version=0 if champion is None else champion.version,
        champion_digest="" if champion is None else champion.digest,
    )
