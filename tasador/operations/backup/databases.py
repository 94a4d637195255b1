"""Databases into dumps and back, by pg_dump and pg_restore.

A dump is loaded into a new database, which takes the place of the old one once it is complete. So
a restore that breaks off leaves the old databases as they were.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from tasador.errors import ConfigurationError, StoreUnavailable
from tasador.operations.backup.manifest import BackupError
from tasador.settings import Settings
from tasador.warehouse.connection import connect

# Each dump is a custom archive, whose parts pg_restore reads in any order.
_DUMP = ("--format=custom", "--no-password", "--lock-wait-timeout=60s")
# Owners and grants are those of the new server.
_RESTORE = ("--exit-on-error", "--no-owner", "--no-privileges", "--no-password")


class Databases:
    """The databases of one Postgres server; ``tools`` is the folder of pg_dump and pg_restore.

    Without it they are found on PATH. They must not be older than the server.
    """

    def __init__(self, database_url: str, tools: Path | None = None) -> None:
        self._dsn = connect(database_url).url.translate_connect_args(username="user")
        self._tools = tools

    def exist(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are databases of the server."""
        with self._connected("postgres") as connection, connection.cursor() as cursor:
            cursor.execute("select datname from pg_database")
            known = {row[0] for row in cursor.fetchall()}
        return [name for name in names if name in known]

    @contextmanager
    def snapshot(self, name: str) -> Iterator[tuple[Any, str]]:
        """A read-only transaction of a database, and the name of its snapshot for ``dump``."""
        with self._connected(name) as connection:
            connection.set_session(ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
            connection.autocommit = False
            with connection.cursor() as cursor:
                cursor.execute("select pg_export_snapshot()")
                yield cursor, str(cursor.fetchone()[0])

    def dump(self, name: str, path: Path, snapshot: str = "") -> None:
        """Write a database to a file; raises BackupError with pg_dump's message."""
        same = (f"--snapshot={snapshot}",) if snapshot else ()
        self._run("pg_dump", name, *_DUMP, *same, f"--file={path}")

    def load(self, name: str, path: Path) -> None:
        """Load a dump into the new database NAME_restoring; one of an earlier try is deleted."""
        new = f"{name}_restoring"
        self._execute("drop database if exists {} with (force)", new)
        self._execute("create database {} template template0", new)
        self._run("pg_restore", new, *_RESTORE, f"--dbname={new}", str(path))

    def replace(self, names: Sequence[str]) -> None:
        """Let the loaded databases take the places of the old ones, all or none."""
        loaded = self.exist([f"{name}_restoring" for name in names])
        if len(loaded) < len(names):
            raise BackupError(
                f"only {', '.join(loaded) or 'none'} of the databases to restore are loaded: "
                "restore again"
            )
        for name in names:
            self._execute("drop database if exists {} with (force)", f"{name}_replaced")
        with self._connected("postgres") as connection, connection.cursor() as cursor:
            connection.autocommit = False
            existing = set(self.exist(names))
            for name in names:
                if name in existing:
                    self._rename(cursor, name, f"{name}_replaced")
                self._rename(cursor, f"{name}_restoring", name)
            connection.commit()
        for name in names:
            self._execute("drop database if exists {} with (force)", f"{name}_replaced")

    # -- inside ---------------------------------------------------------------------------------

    @staticmethod
    def _rename(cursor: Any, old: str, new: str) -> None:
        cursor.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", [old]
        )
        rename = sql.SQL("alter database {} rename to {}")
        cursor.execute(rename.format(sql.Identifier(old), sql.Identifier(new)))

    def _execute(self, statement: str, name: str) -> None:
        with self._connected("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))

    @contextmanager
    def _connected(self, database: str) -> Iterator[Any]:
        """An autocommit connection; raises StoreUnavailable."""
        try:
            connection = psycopg2.connect(**{**self._dsn, "database": database}, connect_timeout=10)
        except psycopg2.OperationalError as error:
            raise StoreUnavailable(
                f"the database {database} at {self._dsn.get('host')} does not answer: {error}"
            ) from error
        try:
            connection.autocommit = True
            yield connection
        except psycopg2.Error as error:
            raise BackupError(
                f"the database {database} at {self._dsn.get('host')}: {str(error).strip()}"
            ) from error
        finally:
            connection.close()

    def _run(self, tool: str, database: str, *arguments: str) -> None:
        # The password in the environment: every user of the machine can read a command line.
        variables = {
            f"PG{name.upper()}": str(value)
            for name, value in self._dsn.items()
            if name in ("host", "port", "user", "password", "sslmode")
        }
        done = subprocess.run(
            [self._tool(tool), *arguments],
            env={**os.environ, **variables, "PGDATABASE": database},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BackupError(f"{tool} of {database} failed: {done.stderr.strip()}")

    def _tool(self, name: str) -> str:
        found = str(self._tools / name) if self._tools else shutil.which(name)
        if not found:
            raise ConfigurationError(
                f"{name} is not on PATH: install PostgreSQL's client of the server's version, or "
                "give the dumps with --dumps"
            )
        return found


def warehouse_of(settings: Settings) -> str:
    """The name of the warehouse's database."""
    return connect(settings.database_url).url.database or ""
