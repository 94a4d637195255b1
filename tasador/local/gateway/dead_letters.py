"""Events that could not be delivered: one JSON line each in home/dead-letters.jsonl."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tasador.clock import now
from tasador.machine.files import write_private


class DeadLetters:
    """The dead-letter file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(
        self, event: Mapping[str, Any], subscriber: str, reason: str, status: int | None
    ) -> None:
        """Store a structured event that was given up, with the reason."""
        line = {
            "time": now().isoformat(),
            "subscriber": subscriber,
            "status": status,
            "reason": reason,
            "event": event,
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with os.fdopen(os.open(self._file, flags, 0o600), "ab") as file:
            # A crash may have cut off the last line.
            if file.tell() and not _ends_line(self._file):
                file.write(b"\n")
            file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def all(self) -> list[dict[str, Any]]:
        """All dead letters, the oldest first."""
        if not self._file.is_file():
            return []
        letters: list[dict[str, Any]] = []
        for line in self._file.read_bytes().splitlines():
            try:
                letters.append(json.loads(line))
            except ValueError:
                continue
        return letters

    def delete_before(self, time: datetime) -> int:
        """Delete the dead letters from before the time; returns how many."""
        letters = self.all()
        kept = [each for each in letters if datetime.fromisoformat(each["time"]) >= time]
        if len(kept) < len(letters):
            self.keep(kept)
        return len(letters) - len(kept)

    def keep(self, letters: list[dict[str, Any]]) -> None:
        """Delete all other dead letters."""
        lines = [json.dumps(letter, separators=(",", ":")) + "\n" for letter in letters]
        write_private(self._file, "".join(lines))


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
