"""The records of people: accounts, sessions of the web app, and what people did."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from tasador.clock import now

Role = Literal["viewer", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
Channel = Literal["web", "cli"]
# An action without an outcome runs, or was interrupted.
Outcome = Literal["", "done", "failed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """ops.accounts: a person who may sign in. ``password_hash``: see ``accounts.passwords``."""

    name: str
    role: Role
    password_hash: str = field(repr=False)
    created_by: str
    created_at: datetime = field(default_factory=now)
    password_set_at: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who is signed in: a row of ops.account_sessions with the role that the account has now."""

    name: str
    role: Role
    began_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRecord:
    """ops.actions: who did what to which target, when, and with which outcome.

    ``role`` is empty for the command line, whose users have the rights of the machine's account.
    """

    actor: str
    role: str
    channel: Channel
    action: str
    target: str
    note: str = ""
    begun_at: datetime = field(default_factory=now)
    finished_at: datetime | None = None
    outcome: Outcome = ""
    detail: str = ""
    action_id: int | None = None
