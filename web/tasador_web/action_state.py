"""The state of the dialog that asks before an action, and of the action's outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from tasador.errors import TasadorError
from tasador.operations.next_batch import is_ingesting
from tasador.records.account import Session
from tasador.settings import Settings
from tasador_web import rights
from tasador_web.actions import ACTIONS, perform
from tasador_web.languages import text


class ActionState(rx.State):
    """What is proposed, runs, or has just been done."""

    is_open: bool = False
    busy: bool = False
    title: str = ""
    question: str = ""
    button: str = ""
    note: str = "none"  # or "optional" or "required"
    dangerous: bool = False
    problem: str = ""  # why it was not done; the dialog stays open
    done: str = ""  # what was done, above the page
    is_going: bool = False  # what was done only began something
    _kind: str = ""
    _target: str = ""

    @rx.event
    def begin(self) -> None:
        """Drop the outcome: the visitor has opened a page."""
        self.done, self.is_going = "", False

    @rx.event
    async def tick(self) -> None:
        """Drop the outcome when what it began has ended."""
        if self.is_going and not await asyncio.to_thread(is_ingesting, Settings.load()):
            self.done, self.is_going = "", False

    @rx.event
    def propose(self, kind: str, target: str) -> None:
        """Ask before an action."""
        # A message may hold anything.
        kind, target = str(kind), str(target)
        action = ACTIONS.get(kind)
        if action is None or self.busy:
            return
        self._kind, self._target = kind, target[:200]
        version = {"version": target.partition(" ")[0]} if "{version}" in action.title else {}
        self.title = text(action.title, **version)
        self.question, self.button = text(action.question), text(action.button)
        self.note = action.note
        self.dangerous, self.problem = action.dangerous, ""
        self.done, self.is_going = "", False
        self.is_open = True

    @rx.event
    def close(self) -> None:
        """Do nothing, or read the outcome."""
        if not self.busy:
            self.is_open, self.problem = False, ""

    @rx.event
    @rights.operators_only
    async def confirm(self, form: dict[str, Any]) -> AsyncIterator[Any]:
        """Do what was proposed."""
        if not self.is_open or self.busy:
            return
        self.busy, self.problem = True, ""
        yield
        try:
            session = await rights.session_of_event()
            note = str(form.get("note") or "")[:2000]  # None where the dialog asks for none
            self.done = await asyncio.to_thread(perform, self._kind, self._target, note, session)
            self.is_open, self.is_going = False, ACTIONS[self._kind].begins
        except TasadorError as error:
            self._fail(str(error))
        finally:
            self.busy = False

    async def _refuse(self, session: Session | None, problem: str) -> None:
        """Say why the visitor may not act; a viewer's attempt is recorded."""
        if problem or self._kind not in ACTIONS:
            self._fail(problem)
            return
        try:
            await asyncio.to_thread(perform, self._kind, self._target, "", session)
        except TasadorError as error:
            self._fail(str(error))

    def _fail(self, reason: str) -> None:
        self.problem = reason
