"""What the Activity page shows of the record of actions. No Reflex."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasador.records.account import ActionRecord
from tasador_web import words
from tasador_web.languages import known_text, text

# Outcome: (what it is called, the colour of its badge).
OUTCOMES = {
    "done": ("done", "green"),
    "failed": ("failed", "red"),
    "refused": ("refused", "amber"),
    "": ("unfinished", "gray"),
}


@dataclass
class Deed:
    """An action in the list."""

    when: str
    who: str
    what: str
    target: str
    outcome: str
    color: str
    detail: str


def deeds_of(actions: Iterable[ActionRecord]) -> list[Deed]:
    """The actions as rows, in their order."""
    rows = []
    for action in actions:
        outcome, color = OUTCOMES[action.outcome]
        place = text("command line") if action.channel == "cli" else known_text(action.role)
        rows.append(
            Deed(
                when=words.moment(action.begun_at.isoformat()),
                who=f"{action.actor or text('unknown')}{f' ({place})' if place else ''}",
                what=action.action,
                target=action.target,
                outcome=text(outcome),
                color=color,
                detail=" · ".join(filter(None, (action.note, action.detail))),
            )
        )
    return rows
