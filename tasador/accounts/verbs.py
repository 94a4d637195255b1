"""Manage accounts, sign in and out, and keep a record of what people do."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from tasador.accounts import delays, passwords
from tasador.clock import now
from tasador.errors import InvalidValue, TasadorError
from tasador.records.account import (
    ROLES,
    Account,
    ActionRecord,
    Channel,
    Role,
    Session,
)
from tasador.warehouse.warehouse import Warehouse

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
# Somebody who names no account waits as long as for a wrong password.
_NOBODY = "scrypt$15$8$3$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

_PROVIDER = "the OpenID provider"


class SignInRefused(TasadorError):
    """A wrong name or password, or too many of them; ``seconds`` must pass before the next try."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class SignedIn(NamedTuple):
    """A new session: its token, which only the visitor's browser keeps, and its account."""

    token: str
    account: Account


def normal_name(name: str) -> str:
    """The name in lower case; raises InvalidValue if no account may have it."""
    normal = name.strip().casefold()
    if not _NAME.fullmatch(normal):
        raise InvalidValue(
            f"{name[:64]!r} cannot name an account: use letters a to z, digits and . _ @ + -, "
            "starting with a letter or a digit, 64 at most"
        )
    return normal


# -- accounts -------------------------------------------------------------------------------------


def add_account(warehouse: Warehouse, name: str, role: str, password: str, by: str) -> Account:
    """Add an account. Raises InvalidValue for a name or password that may not be used."""
    normal = normal_name(name)
    passwords.check_new_password(password, normal)
    account = Account(
        name=normal,
        role=known_role(role),
        password_hash=passwords.hash_password(password),
        created_by=by,
    )
    with recorded(warehouse, by, "user add", f"{normal} ({role})"):
        if not warehouse.add_account(account):
            raise TasadorError(
                f"there is an account {normal} already: `tasador user passwd {normal}` sets its "
                "password"
            )
    return account


def set_password(warehouse: Warehouse, name: str, password: str, by: str) -> None:
    """Set another password; all sessions of the account end."""
    normal = normal_name(name)
    passwords.check_new_password(password, normal)
    hashed = passwords.hash_password(password)
    with recorded(warehouse, by, "user passwd", normal):
        _found(warehouse.change_account(normal, password_hash=hashed, at=now()), normal)


def set_role(warehouse: Warehouse, name: str, role: str, by: str) -> None:
    """Give an account another role; it holds from the account's next action on."""
    normal, known = normal_name(name), known_role(role)
    with recorded(warehouse, by, "user role", f"{normal} ({known})"):
        _found(warehouse.change_account(normal, role=known), normal)


def remove_account(warehouse: Warehouse, name: str, by: str) -> None:
    """Remove an account; its sessions end, and the record of what it did stays."""
    normal = normal_name(name)
    with recorded(warehouse, by, "user remove", normal):
        _found(warehouse.remove_account(normal), normal)


def known_role(role: str) -> Role:
    """The role of that name; raises InvalidValue."""
    for known in ROLES:
        if role == known:
            return known
    raise InvalidValue(f"{role!r} is not a role: use {' or '.join(ROLES)}")


def _found(is_found: bool, name: str) -> None:
    if not is_found:
        raise TasadorError(f"there is no account {name}: `tasador user list` shows all")


# -- signing in -----------------------------------------------------------------------------------


def sign_in(warehouse: Warehouse, name: str, password: str, address: str, hours: int) -> SignedIn:
    """Begin a session of ``hours`` hours. Raises SignInRefused.

    Wrong passwords slow down the account and the address (``delays``), in all processes that share
    the database.
    """
    try:
        normal = normal_name(name)
    except InvalidValue:
        normal = ""
    keys = (delays.account_key(normal), delays.address_key(address))
    left = warehouse.begin_sign_in(keys, now(), delays.delay)
    if left > 0:
        raise SignInRefused(f"too many wrong passwords: try again in {_spoken(left)}", left)
    account = warehouse.account(normal) if normal else None
    has_password = account is not None and not passwords.is_mark(account.password_hash)
    hashed = account.password_hash if account is not None and has_password else _NOBODY
    is_right = passwords.is_password(password[: 4 * passwords.LONGEST], hashed) and has_password
    if account is None or not is_right:
        # A text that names no account may be a password, typed into the wrong field.
        at = now()
        refused = ActionRecord(
            actor="" if account is None else account.name,
            role="",
            channel="web",
            action="sign in",
            target=address,
            begun_at=at,
            finished_at=at,
            outcome="refused",
            detail="wrong name" if account is None else "wrong password",
        )
        warehouse.begin_action(refused)
        raise SignInRefused("the name or the password is wrong")
    if passwords.is_outdated(hashed):
        hashed = passwords.hash_password(password)
        warehouse.change_account(normal, password_hash=hashed)
    token = _begun(warehouse, account, hashed, hours)
    warehouse.forgive_sign_in(*keys)
    with recorded(warehouse, normal, "sign in", address, role=account.role, channel="web"):
        pass
    return SignedIn(token, account)


def sign_in_from_provider(
    warehouse: Warehouse, name: str, role: Role, subject: str, address: str, hours: int
) -> SignedIn:
    """Begin a session for somebody whom an OpenID provider has authenticated.

    The first sign-in adds the account, and each one gives it the role of that moment. ``subject``
    identifies the person at the provider: an account with a password, or of another person, is not
    theirs. Raises SignInRefused.
    """
    try:
        normal = normal_name(name)
    except InvalidValue as error:
        raise SignInRefused(str(error)) from None
    mark = passwords.mark_of(subject)
    account = warehouse.account(normal)
    if account is None:
        added = Account(name=normal, role=role, password_hash=mark, created_by=_PROVIDER)
        with recorded(warehouse, _PROVIDER, "user add", f"{normal} ({role})", channel="web"):
            warehouse.add_account(added)
        account = warehouse.account(normal)
    if account is None or account.password_hash != mark:
        raise SignInRefused(
            f"the account {normal} has a password or belongs to somebody else: "
            f"`tasador user remove {normal}` frees the name"
        )
    if account.role != role:
        warehouse.change_account(normal, role=role)
    token = _begun(warehouse, account, mark, hours)
    with recorded(warehouse, normal, "sign in", address, role=role, channel="web") as say:
        say(f"by {_PROVIDER}")
    return SignedIn(token, replace(account, role=role))


def _begun(warehouse: Warehouse, account: Account, hashed: str, hours: int) -> str:
    """The token of a new session."""
    token, began = secrets.token_urlsafe(32), now()
    until = began + timedelta(hours=hours)
    if not warehouse.begin_session(account.name, hashed, digest_of(token), began, until):
        raise SignInRefused("the account has just been changed: try again")
    return token


def session_of(warehouse: Warehouse, token: str) -> Session | None:
    """The session of that token, unless it is over."""
    return warehouse.session(digest_of(token), now()) if token else None


def sign_out(warehouse: Warehouse, token: str) -> None:
    """End a session; safe to repeat."""
    if session := session_of(warehouse, token):
        with recorded(warehouse, session.name, "sign out", "", role=session.role, channel="web"):
            warehouse.end_session(digest_of(token))


def digest_of(token: str) -> str:
    """What the database keeps of a token: who reads it cannot sign in."""
    return hashlib.sha256(token.encode()).hexdigest()


def _spoken(seconds: float) -> str:
    whole = math.ceil(seconds)
    if whole < 120:
        return f"{whole} second{'' if whole == 1 else 's'}"
    return f"{math.ceil(whole / 60)} minutes"


# -- what people do -------------------------------------------------------------------------------


@contextmanager
def recorded(
    warehouse: Warehouse,
    by: str,
    action: str,
    target: str,
    *,
    role: str = "",
    channel: Channel = "cli",
    note: str = "",
) -> Iterator[Callable[[str], None]]:
    """Record an action before it begins, and its outcome after it; an error is the outcome too.

    Yields a function that sets the detail of the outcome. A row without an outcome is an action
    that was interrupted.
    """
    begun = ActionRecord(
        actor=by, role=role, channel=channel, action=action, target=target, note=note
    )
    number = warehouse.begin_action(begun)
    said: list[str] = [""]

    def say(detail: str) -> None:
        said[0] = detail

    try:
        yield say
    except Exception as error:
        try:
            warehouse.end_action(number, "failed", str(error), now())
        except TasadorError as second:
            raise TasadorError(f"{error}; this could not be recorded: {second}") from error
        raise
    try:
        warehouse.end_action(number, "done", said[0], now())
    except TasadorError as error:
        raise TasadorError(f"{action} is done, but this could not be recorded: {error}") from error
