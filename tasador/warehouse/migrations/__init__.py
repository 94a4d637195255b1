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


def upgrade(connection: Connection) -> None:
    """Apply missing migrations in the connection's transaction; a concurrent upgrade waits."""
    # Imported here because functions that do not migrate would pay for it on a cold start.
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
