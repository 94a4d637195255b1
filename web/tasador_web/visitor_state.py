"""Who the visitor is, for what the pages offer. An action checks it again."""

from __future__ import annotations

import reflex as rx

from tasador.operations.next_batch import can_start
from tasador.settings import Settings
from tasador_web import rights, visitors


class VisitorState(rx.State):
    """Who is signed in. Nothing trusts it: each action asks the database again."""

    may_sign_in: bool = False
    name: str = ""
    role: str = ""
    form_token: str = ""  # for the form that signs out
    can_start: bool = False  # the next batch
    problem: str = ""

    @rx.event
    async def load(self) -> None:
        """Find out who is signed in."""
        cookies = rights.cookies_of_event()
        session, self.problem = await visitors.whoever(cookies)
        self.may_sign_in = visitors.may_sign_in()
        self.can_start = can_start(Settings.load())
        self.name = session.name if session else ""
        self.role = session.role if session else ""
        self.form_token = visitors.form_token(visitors.session_token(cookies)) if session else ""
