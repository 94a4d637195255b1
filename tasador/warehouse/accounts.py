"""Accounts, sessions, wrong passwords, and what people did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tasador.records.account import Account, ActionRecord, Outcome, Role, Session
from tasador.warehouse import account_tables as tables
from tasador.warehouse.database import Database, values_of

_FORGOTTEN_AFTER = timedelta(days=1)


class Accounts(Database):
    """ops.accounts, account_sessions, sign_in_failures and actions."""

    def accounts(self) -> list[Account]:
        """The accounts by name."""
        return self._select(Account, tables.accounts, order=[tables.accounts.c.name])

    def account(self, name: str) -> Account | None:
        """The account of that name."""
        rows = self._select(Account, tables.accounts, tables.accounts.c.name == name)
        return rows[0] if rows else None

    def add_account(self, account: Account) -> bool:
        """Store a new account; False if the name is taken."""
        adding = upsert(tables.accounts).values(values_of(tables.accounts, account))
        with self._begin() as connection:
            return connection.execute(adding.on_conflict_do_nothing()).rowcount == 1

    def change_account(
        self,
        name: str,
        *,
        role: Role | None = None,
        password_hash: str | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Store another role or password; returns False if there is no such account.

        With ``at``, the time of the change, the account's sessions end: a new password. Without it
        the same password was only hashed again.
        """
        table, sessions = tables.accounts, tables.account_sessions
        given = {"role": role, "password_hash": password_hash, "password_set_at": at}
        values = {column: value for column, value in given.items() if value is not None}
        with self._begin() as connection:
            changing = update(table).where(table.c.name == name).values(values)
            changed = connection.execute(changing).rowcount == 1
            if at is not None:
                connection.execute(delete(sessions).where(sessions.c.name == name))
        return changed

    def remove_account(self, name: str) -> bool:
        """Delete an account and its sessions; returns False if there is none."""
        table = tables.accounts
        with self._begin() as connection:
            return connection.execute(delete(table).where(table.c.name == name)).rowcount == 1

    # -- sessions ---------------------------------------------------------------------------------

    def begin_session(
        self, name: str, password_hash: str, digest: str, at: datetime, until: datetime
    ) -> bool:
        """Store a session by the digest of its token, and delete those that are over.

        False if the account has gone or has another password by now.
        """
        table, accounts = tables.account_sessions, tables.accounts
        same = (accounts.c.name == name) & (accounts.c.password_hash == password_hash)
        with self._begin() as connection:
            connection.execute(delete(table).where(table.c.expires_at <= at))
            # A new password waits for this lock, and then ends the session.
            known = connection.execute(select(accounts.c.name).where(same).with_for_update())
            if known.one_or_none() is None:
                return False
            connection.execute(
                insert(table).values(token_digest=digest, name=name, began_at=at, expires_at=until)
            )
        return True

    def session(self, digest: str, at: datetime) -> Session | None:
        """The session with that digest, if it is not over; with the account's current role."""
        table, accounts = tables.account_sessions, tables.accounts
        chosen = (
            select(accounts.c.name, accounts.c.role, table.c.began_at, table.c.expires_at)
            .join(accounts, accounts.c.name == table.c.name)
            .where(table.c.token_digest == digest, table.c.expires_at > at)
        )
        with self._begin() as connection:
            row = connection.execute(chosen).one_or_none()
        return None if row is None else Session(**row._mapping)

    def end_session(self, digest: str) -> None:
        """Delete a session; safe to repeat."""
        table = tables.account_sessions
        with self._begin() as connection:
            connection.execute(delete(table).where(table.c.token_digest == digest))

    # -- wrong passwords --------------------------------------------------------------------------

    def begin_sign_in(
        self, keys: Sequence[str], at: datetime, delay: Callable[[int], float]
    ) -> float:
        """Count an attempt to sign in as a failure, before the password is checked.

        ``keys`` are the account and the address. ``delay`` returns how many seconds must pass
        after that many failures. Returns how many seconds are left; the attempt counts if none are.
        Since attempts count before they are checked, many at once are no way around the delay.
        """
        table = tables.sign_in_failures
        with self._begin() as connection:
            connection.execute(delete(table).where(table.c.last_at < at - _FORGOTTEN_AFTER))
            for key in sorted(keys):  # in one order, so that two processes do not block each other
                adding = upsert(table).values(key=key, failures=0, last_at=at)
                connection.execute(adding.on_conflict_do_nothing())
            chosen = select(table).where(table.c.key.in_(keys)).order_by(table.c.key)
            known = connection.execute(chosen.with_for_update()).all()
            left = max(
                delay(int(row.failures)) - float((at - row.last_at).total_seconds())
                for row in known
            )
            if left <= 0:
                connection.execute(
                    update(table)
                    .where(table.c.key.in_(keys))
                    .values(failures=table.c.failures + 1, last_at=at)
                )
        return max(left, 0.0)

    def forgive_sign_in(self, account_key: str, address_key: str) -> None:
        """After the right password: delete the account's failures, and this attempt's address.

        The address keeps its other failures: an account is no way to guess another's password.
        """
        table = tables.sign_in_failures
        less = func.greatest(table.c.failures - 1, 0)
        values = {"failures": case((table.c.key == account_key, 0), else_=less)}
        with self._begin() as connection:
            connection.execute(
                update(table).where(table.c.key.in_([account_key, address_key])).values(values)
            )

    # -- actions ----------------------------------------------------------------------------------

    def begin_action(self, action: ActionRecord) -> int:
        """Store what somebody is about to do; returns its number."""
        table = tables.actions
        adding = insert(table).values(values_of(table, action)).returning(table.c.action_id)
        with self._begin() as connection:
            return int(connection.execute(adding).scalar_one())

    def end_action(self, action_id: int, outcome: Outcome, detail: str, at: datetime) -> None:
        """Store how an action ended."""
        table = tables.actions
        with self._begin() as connection:
            connection.execute(
                update(table)
                .where(table.c.action_id == action_id)
                .values(outcome=outcome, detail=detail, finished_at=at)
            )

    def actions(self, limit: int) -> list[ActionRecord]:
        """What people did, newest first."""
        order = [tables.actions.c.action_id.desc()]
        return self._select(ActionRecord, tables.actions, order=order, limit=limit)
