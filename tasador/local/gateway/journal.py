"""Accepted events on disk until they are delivered, so that a killed gateway loses none."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# The number of delivered events that are kept for `recent`.
_KEPT = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    received REAL NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER NOT NULL REFERENCES events,
    subscriber TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (seq, subscriber)
) WITHOUT ROWID;
"""


_EVENTS = (
    "SELECT seq, received, body, (SELECT group_concat(subscriber, char(10)) FROM deliveries d"
    " WHERE d.seq = e.seq) FROM events e"
)


class Journal:
    """The broker's journal: SQLite in WAL mode, written only by the gateway."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # Safe if the process is killed, but not against a power cut.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def add(self, event: Mapping[str, Any], subscribers: Sequence[str]) -> int:
        """Store a structured event for its subscribers; returns its sequence number."""
        body = json.dumps(event, separators=(",", ":"))
        with self._transaction():
            seq = self._db.execute(
                "INSERT INTO events (received, body) VALUES (?, ?)", (time.time(), body)
            ).lastrowid
            assert seq is not None
            self._db.executemany(
                "INSERT INTO deliveries (seq, subscriber) VALUES (?, ?)",
                [(seq, subscriber) for subscriber in subscribers],
            )
            if seq % 100 == 0:
                self._db.execute(
                    "DELETE FROM events WHERE seq <= ? AND seq NOT IN (SELECT seq FROM deliveries)",
                    (seq - _KEPT,),
                )
        return seq

    def pending(self) -> list[tuple[int, str]]:
        """The pending deliveries: sequence number and subscriber, the oldest first."""
        return self._db.execute("SELECT seq, subscriber FROM deliveries ORDER BY seq").fetchall()

    def begin(self, seq: int, subscriber: str) -> tuple[dict[str, Any], int]:
        """Count an attempt to deliver a pending event; the structured event, and the count."""
        with self._transaction():
            self._db.execute(
                "UPDATE deliveries SET attempts = attempts + 1 WHERE seq = ? AND subscriber = ?",
                (seq, subscriber),
            )
            body, attempts = self._db.execute(
                "SELECT body, attempts FROM events JOIN deliveries USING (seq)"
                " WHERE seq = ? AND subscriber = ?",
                (seq, subscriber),
            ).fetchone()
        return json.loads(body), attempts

    def done(self, seq: int, subscriber: str) -> None:
        """Remove a delivery that has succeeded or was given up."""
        self._db.execute(
            "DELETE FROM deliveries WHERE seq = ? AND subscriber = ?", (seq, subscriber)
        )

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """The newest events as structured JSON, with sequence number and pending subscribers."""
        rows = self._db.execute(f"{_EVENTS} ORDER BY seq DESC LIMIT ?", (limit,))
        return self._described(rows)

    def after(self, seq: int, limit: int) -> list[dict[str, Any]]:
        """The events after that sequence number, as ``recent``, the oldest first."""
        rows = self._db.execute(f"{_EVENTS} WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
        return self._described(rows)

    def _described(
        self, rows: Iterable[tuple[int, float, str, str | None]]
    ) -> list[dict[str, Any]]:
        return [
            {
                "seq": seq,
                "received": received,
                "pending": pending.split("\n") if pending else [],
                **json.loads(body),
            }
            for seq, received, body, pending in rows
        ]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _transaction(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db
