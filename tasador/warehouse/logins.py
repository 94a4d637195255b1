"""The logins of the platform's parts on a shared Postgres, and what each may do.

A part that a stranger takes over then has its own rights, not the owner's. `GRANTS` is the whole
list; ``ensure_logins`` makes the server agree with it, as often as it is called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, text

from tasador.errors import ConfigurationError
from tasador.warehouse import account_tables, schema
from tasador.warehouse.connection import connect, transaction

_ALL = "select, insert, update, delete"
PEOPLE = frozenset(
    table.fullname
    for table in (
        account_tables.accounts,
        account_tables.account_sessions,
        account_tables.sign_in_failures,
        account_tables.actions,
    )
)
TABLES = tuple(sorted(table.fullname for table in schema.METADATA.tables.values()))
# migrations/versions/v0018_reports.py creates them.
VIEWS = tuple(
    f"reports.{name}" for name in ("batches", "listings", "predictions", "refused_rows", "versions")
)
# The catalog of the Iceberg table: flows write it, and who queries the lake reads it.
CATALOG = frozenset(name for name in TABLES if name.startswith("lake."))
_READS = {name: "select" for name in TABLES if name not in PEOPLE | CATALOG}

# part -> table -> privileges. Nobody may create, change or drop one of Tasador's tables: the job
# that prepares the database does, as its owner.
GRANTS: Mapping[str, Mapping[str, str]] = {
    # Steps, the console, and people's machines.
    "flows": {
        **dict.fromkeys(TABLES, _ALL),
        **dict.fromkeys(CATALOG, "select, insert, update"),
        **dict.fromkeys(VIEWS, "select"),
    },
    "record": {
        **_READS,
        "raw.inference_logs": "select, insert",
        "ops.dead_letters": "select, insert, update",
        "ops.shadow_predictions": "select, insert",
    },
    "reload": {
        **_READS,
        "ops.rollout_history": "select, insert",
        "ops.shadows": "select, update (mirroring_at, ended_at, ended_by, reason)",
    },
    "exporter": _READS,
    # People sign in, and operators decide. An OpenID provider adds accounts and gives roles.
    "web": {
        **_READS,
        "ops.accounts": "select, insert, update (role, password_hash)",
        "ops.account_sessions": "select, insert, delete",
        "ops.sign_in_failures": _ALL,
        "ops.actions": "select, insert, update",
        "ops.model_history": "select, insert",
        "ops.batches": "select, update",
    },
    # People and their tools, who query the warehouse.
    "analyst": dict.fromkeys((*VIEWS, *sorted(CATALOG)), "select"),
}
# Each of these has one database, and no other.
OWNERS = ("mlflow", "metaflow")
_SCHEMAS = ("clean", "lake", "ops", "optuna", "raw", "reports")
# Letters that mean the same in a URL, in a list and in SQL.
_PASSWORD = re.compile(r"[A-Za-z0-9._~-]{16,}")


def login(part: str) -> str:
    """The role that a part logs in as."""
    return f"tasador_{part}"


def read_passwords(setting: str) -> dict[str, str]:
    """part -> password, from TASADOR_DATABASE_ROLES: PART:PASSWORD,...

    Raises ConfigurationError for an unknown part or a password that may not be used.
    """
    passwords: dict[str, str] = {}
    for entry in filter(None, (each.strip() for each in setting.split(","))):
        part, _, password = entry.partition(":")
        if part not in GRANTS and part not in OWNERS:
            known = ", ".join((*GRANTS, *OWNERS))
            raise ConfigurationError(
                f"TASADOR_DATABASE_ROLES names a part {part[:40]!r}: the parts are {known}"
            )
        if not _PASSWORD.fullmatch(password):
            raise ConfigurationError(
                f"TASADOR_DATABASE_ROLES: the password of {part} must have 16 or more letters, "
                "digits or . _ ~ -"
            )
        passwords[part] = password
    return passwords


def ensure_logins(
    database_url: str, passwords: Mapping[str, str], databases: Mapping[str, str]
) -> None:
    """Create the logins that do not exist, and set passwords and rights of all.

    ``database_url`` is the owner's, who may create roles; ``databases`` names the database of each
    part in OWNERS that has one. Raises StoreUnavailable, StoreRefused.
    """
    engine = connect(database_url)
    try:
        with transaction(engine) as connection:
            connection.execute(
                text("select pg_advisory_xact_lock(hashtextextended('tasador-logins', 0))")
            )
            for part, password in passwords.items():
                _ensure_login(connection, login(part), password)
            _close_database(connection)
            for part in passwords:
                if part in GRANTS:
                    _grant(connection, part)
        for part, name in databases.items():
            if part in passwords:
                url = engine.url.set(database=name).render_as_string(hide_password=False)
                _hand_over(url, login(part))
    finally:
        engine.dispose()


def _ensure_login(connection: Connection, name: str, password: str) -> None:
    known = connection.execute(
        text("select 1 from pg_roles where rolname = :name"), {"name": name}
    ).one_or_none()
    if known is None:
        _format(connection, "create role %I", name)
    # The server's log shows a hash at most.
    raw: Any = connection.connection.driver_connection
    hashed = encrypt_password(password, name, raw, "scram-sha-256")
    _format(connection, "alter role %I login password %L", name, hashed)


def _close_database(connection: Connection) -> None:
    """Only logins with a grant may connect, and make temporary tables."""
    name = connection.execute(text("select current_database()")).scalar_one()
    _format(connection, "revoke connect, temporary on database %I from public", name)


def _grant(connection: Connection, part: str) -> None:
    """Exactly the rights of the part, whatever an earlier version gave it."""
    role = login(part)
    name = connection.execute(text("select current_database()")).scalar_one()
    _format(connection, "grant connect on database %I to %I", name, role)
    for each in _SCHEMAS:
        _format(connection, "revoke all on all tables in schema %I from %I", each, role)
        _format(connection, "revoke all on schema %I from %I", each, role)
    for each in sorted({table.partition(".")[0] for table in GRANTS[part]}):
        _format(connection, "grant usage on schema %I to %I", each, role)
    for table, privileges in GRANTS[part].items():
        _format(connection, f"grant {privileges} on {table} to %I", role)
    if part == "flows":
        # Rows are staged in temporary tables; Optuna creates its tables itself.
        _format(connection, "grant temporary on database %I to %I", name, role)
        _format(connection, "grant usage, create on schema optuna to %I", role)
        _format(connection, "grant all on all tables in schema optuna to %I", role)
        _format(connection, "grant all on all sequences in schema optuna to %I", role)
    if part == "exporter":
        _let_read_statistics(connection, role)


def _let_read_statistics(connection: Connection, role: str) -> None:
    """Without this right it does not see how long the transactions of other logins last."""
    may = connection.execute(
        text(
            "select pg_has_role(current_user, 'pg_read_all_stats', 'member with admin option')"
            " or (select rolsuper from pg_roles where rolname = current_user)"
        )
    ).scalar_one()
    if may:
        _format(connection, "grant pg_read_all_stats to %I", role)


def _hand_over(database_url: str, role: str) -> None:
    """Make the role the owner of a database, and of what an earlier owner created in it."""
    engine = connect(database_url)
    try:
        with transaction(engine) as connection:
            name = connection.execute(text("select current_database()")).scalar_one()
            _format(connection, "revoke connect, temporary on database %I from public", name)
            _format(connection, "grant %I to current_user", role)
            _format(connection, "alter database %I owner to %I", name, role)
            for statement in connection.scalars(text(_OWNED), {"role": role}).all():
                connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


# A sequence of a column follows its table.
_OWNED = """
select format('alter table %s owner to %I', c.oid::regclass, cast(:role as text))
from pg_class c
where c.relnamespace = 'public'::regnamespace
  and c.relowner = (select oid from pg_roles where rolname = current_user)
  and (c.relkind in ('r', 'p', 'v', 'm')
       or c.relkind = 'S' and not exists (
           select 1 from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i')))
union all
select format('alter routine %s owner to %I', p.oid::regprocedure, cast(:role as text))
from pg_proc p
where p.pronamespace = 'public'::regnamespace
  and p.proowner = (select oid from pg_roles where rolname = current_user)
"""


def _format(connection: Connection, statement: str, *names: str) -> None:
    """Execute a statement that takes no parameters; the server quotes the names in it."""
    values = {f"n{number}": name for number, name in enumerate(names)}
    given = "".join(f", cast(:n{number} as text)" for number in range(len(names)))
    quoting = text(f"select format(:statement{given})")
    quoted = connection.execute(quoting, {"statement": statement, **values}).scalar_one()
    connection.exec_driver_sql(quoted)
