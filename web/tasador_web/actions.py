"""What operators do from the pages: the same verbs as the command line's. No Reflex.

Each action takes the settings, its target as the page names it, a note, and who acts, and returns a
sentence. It may take seconds, so it runs in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tasador.clock import now
from tasador.errors import TasadorError
from tasador.machine.reachable import require_running
from tasador.records.account import ActionRecord, Session
from tasador.settings import Settings
from tasador_web import visitors
from tasador_web.languages import text

Run = Callable[[Settings, str, str, str], str]


class NotAllowed(TasadorError):
    """The visitor may not act."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that an operator may do. ``{version}`` in the title is the target's."""

    name: str
    title: str
    question: str
    button: str
    run: Run
    note: Literal["none", "optional", "required"] = "none"
    dangerous: bool = False
    begins: bool = False  # it goes on after the answer, as ingestion does


def perform(kind: str, target: str, note: str, session: Session | None) -> str:
    """Do it, as the command line does, and record it; returns what happened.

    Raises NotAllowed unless an operator asks for it, and whatever the verb raises.
    """
    from tasador.accounts import verbs

    action = ACTIONS.get(kind)
    if action is None:
        raise NotAllowed(text("There is no such action."))
    if session is None:
        raise NotAllowed(text("Sign in to do this."))
    if session.role != "operator":
        _record_refusal(action, target, session)
        raise NotAllowed(text("Only operators may do this."))
    if action.note == "required" and not note.strip():
        raise TasadorError(text("Say why: this is kept with the decision."))
    settings = require_running(Settings.load(), "database_url")
    with verbs.recorded(
        visitors.warehouse(),
        session.name,
        action.name,
        target,
        role=session.role,
        channel="web",
        note=note.strip(),
    ) as say:
        says = action.run(settings, target, note.strip(), session.name)
        say(says)
    return says


def _record_refusal(action: Action, target: str, session: Session) -> None:
    at = now()
    refused = ActionRecord(
        actor=session.name,
        role=session.role,
        channel="web",
        action=action.name,
        target=target[:200],
        begun_at=at,
        finished_at=at,
        outcome="refused",
        detail="not an operator",
    )
    visitors.warehouse().begin_action(refused)


def version_target(version: int, digest: str) -> str:
    """A version as a target: numbers begin again with a model that is registered again."""
    return f"{version} {digest[:12]}"


def _version(target: str) -> tuple[int, str]:
    number, _, digest = target.partition(" ")
    if not (number.isascii() and number.isdigit() and len(number) < 9):
        raise TasadorError(f"{target[:40]!r} is no version.")
    return int(number), digest


_PARTS = ("database_url", "s3_endpoint", "mlflow_url")


def _roll_back(settings: Settings, target: str, _note: str, by: str) -> str:
    from tasador.rollout.rollback import roll_back

    settings = require_running(settings.require("broker_url"), *_PARTS)
    version, digest = _version(target)
    decision, left = roll_back(settings, version, digest, by=by)
    return f"Version {decision.version} is champion again. {_rest(left)}"


def _approve(settings: Settings, target: str, note: str, by: str) -> str:
    from tasador.rollout.approval import approve

    settings = require_running(settings.require("broker_url"), *_PARTS)
    version, digest = _version(target)
    decision, left = approve(settings, version, by, note=note, digest=digest)
    return (
        f"Version {decision.version} is {decision.decision} by {decision.decided_by}. {_rest(left)}"
    )


def _rest(left: str) -> str:
    if left:
        return f"This is left: {left}. The reload function finds it at its next check."
    return "The reload function rolls it out."


def _decline(settings: Settings, target: str, note: str, by: str) -> str:
    from tasador.rollout.approval import decline

    version, digest = _version(target)
    decision, left = decline(settings, version, by, note, digest=digest)
    return f"Version {decision.version} is declined by {by}." + (f" {left}" if left else "")


def _accept(settings: Settings, target: str, _note: str, _by: str) -> str:
    from tasador.drift.verbs import accept

    batch = accept(settings, target)
    return f"Batch {batch.batch_number} is accepted. {_judged_by(settings)}"


def _judged_by(settings: Settings) -> str:
    if settings.argo_events_url:
        return "The drift flow judges it again."
    return "The next “tasador pipeline” judges it again."


def _skip(settings: Settings, target: str, _note: str, _by: str) -> str:
    from tasador.ingestion import verbs

    batch = verbs.skip(settings, target)
    return f"Batch {batch.batch_number} is set aside; its payload stays at {batch.raw_uri}."


def _retry(settings: Settings, target: str, _note: str, _by: str) -> str:
    from tasador.ingestion import verbs

    batch = verbs.retry(settings, target)
    return f"Batch {batch.batch_number} is tried again by the next run of ingestion."


def _start(settings: Settings, _target: str, _note: str, by: str) -> str:
    from tasador.operations.next_batch import start_next_batch

    settings = require_running(settings.require("broker_url"), *_PARTS, "source_url")
    log = start_next_batch(settings, by)
    return f"The next batch is being ingested; the page shows it as it arrives. Its log is {log}."


ACTIONS = {
    "start_batch": Action(
        name="batch start",
        title="Ingest the next batch?",
        question="Drift judges it, and trains a model if the market has moved. You count as who "
        "started that training, so another person approves the version.",
        button="Ingest it",
        run=_start,
        begins=True,
    ),
    "roll_back": Action(
        name="roll back",
        title="Return to version {version}?",
        question="It takes all traffic as soon as it has passed its smoke test. The version that "
        "serves now stays registered, so you can return to it.",
        button="Roll back",
        run=_roll_back,
        dangerous=True,
    ),
    "approve": Action(
        name="approve",
        title="Approve version {version}?",
        question="It has passed the gate. It is rolled out as soon as you approve it. Who started "
        "its training cannot approve it.",
        button="Approve",
        run=_approve,
        note="optional",
    ),
    "decline": Action(
        name="decline",
        title="Decline version {version}?",
        question="It is never served, and the champion keeps serving.",
        button="Decline",
        run=_decline,
        note="required",
        dangerous=True,
    ),
    "accept_batch": Action(
        name="batch accept",
        title="Use this batch although its feed broke?",
        question="Drift judges it again without the rules of a broken feed. Then it may train a "
        "model like any other batch.",
        button="Accept the batch",
        run=_accept,
        dangerous=True,
    ),
    "skip_batch": Action(
        name="batch skip",
        title="Set this batch aside?",
        question="The batches after it are ingested. Its payload is kept, and it can be tried "
        "again.",
        button="Set it aside",
        run=_skip,
    ),
    "retry_batch": Action(
        name="batch retry",
        title="Try this batch again?",
        question="The next run of ingestion reads its stored payload once more.",
        button="Try again",
        run=_retry,
    ),
}
