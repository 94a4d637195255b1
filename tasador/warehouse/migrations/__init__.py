"""Upgrade the database to the newest schema, with Alembic.

A change of the schema is a new file in versions/ (revision, down_revision, upgrade, downgrade) and
the same change in schema.py. There is no env.py: the connection always comes from the Warehouse.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection


# Functions that do not migrate would pay for Alembic on a cold start, so it is imported where it is
# used.


def current(connection: Connection) -> str:
    """The revision of the database's schema; empty if it has none."""
    table = connection.execute(text("select to_regclass('ops.schema_version')")).scalar_one()
    if table is None:
        return ""
    return str(connection.scalars(text("select version_num from ops.schema_version")).first() or "")


def newest() -> str:
    """The revision that ``upgrade`` leads to."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(str(Path(__file__).parent)).get_current_head())


def upgrade(connection: Connection) -> None:
    """Apply missing migrations in the connection's transaction; a concurrent upgrade waits."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(__file__).parent))

    def missing(revision: Any, _: object) -> Any:
        return script._upgrade_revs("head", revision)

    connection.execute(text("select pg_advisory_xact_lock(hashtextextended('tasador-schema', 0))"))
    connection.execute(text("create schema if not exists ops"))
    with EnvironmentContext(Config(), script, fn=missing, destination_rev="head") as environment:
        environment.configure(
            connection=connection,
            # public.alembic_version may belong to MLflow or Optuna.
            version_table="schema_version",
            version_table_schema="ops",
        )
        environment.run_migrations()
