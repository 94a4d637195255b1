"""The state of the Batch page: one visitor's file, from its arrival to its prices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import reflex as rx

from tasador_web import batch_view
from tasador_web.batch_files import BatchFile, batch_files
from tasador_web.batch_view import Bar, Checked, Priced, PricedRow
from tasador_web.languages import language, marks, text

_APP = Path(__file__).resolve().parents[2]
# Files that are worked on at the same time; the others wait.
_AT_ONCE = 2
_GONE = "The file was deleted, because nobody used it for an hour. Send it again."
_LONGEST_LINE = 1 << 24


class BatchState(rx.State):
    """What the visitor sees. ``stage`` is empty, checking, checked, pricing or done."""

    ticket: str = ""
    stage: str = "empty"
    name: str = ""
    size: str = ""
    error: str = ""
    waits: str = ""
    done_rows: str = ""
    share: float = 0.0
    checked: rx.Field[Checked] = rx.field(default_factory=Checked)
    keys: rx.Field[list[str]] = rx.field(default_factory=list)
    priced: rx.Field[Priced] = rx.field(default_factory=Priced)
    bars: rx.Field[list[Bar]] = rx.field(default_factory=list)
    first: rx.Field[list[PricedRow]] = rx.field(default_factory=list)
    _summary: dict[str, Any] = {}  # noqa: RUF012 - Reflex copies it for each visitor
    _result: dict[str, Any] = {}  # noqa: RUF012
    _keys_priced: list[str] = []  # noqa: RUF012
    _language: str = "en"  # of the texts of both
    _run: int = 0  # the newest work; an older one is given up

    @rx.event
    def load(self) -> None:
        """Give the visitor a ticket, or keep the file of an earlier visit."""
        if batch_files().find(self.ticket) is None:
            self._begin(batch_files().open())
        elif self._language != language():
            # A file stays when its visitor changes the language.
            self.error = self.waits = ""
            self._show()

    def _show(self) -> None:
        """Show what is known of the file in the language of the page."""
        self._language = language()
        if self._summary:
            self.checked = batch_view.checked_of(self._summary)
        file = batch_files().find(self.ticket)
        if self._result and file is not None and file.result.is_file():
            self.priced = batch_view.priced_of(self._result)
            self.bars = batch_view.bars_of(self._result["histogram"])
            self.first = batch_view.first_rows(file.result, self._keys_priced)

    def _begin(self, ticket: str) -> None:
        self.ticket, self.stage, self.error, self.waits = ticket, "empty", "", ""
        self._run += 1

    @rx.event
    def another(self) -> None:
        """Delete the file and its prices, and wait for another one."""
        batch_files().drop(self.ticket)
        self._begin(batch_files().open())

    @rx.event
    def choose(self, key: str, chosen: bool) -> None:
        """Copy a column of the file to the result, or do not."""
        self.keys = [n for n in self.checked.others if (n in self.keys, chosen)[n == key]]

    @rx.event(background=True)
    async def arrived(self) -> None:
        """The file is on the disk: check it."""
        async with self:
            file = self._file()
            if file is None or file.path is None:
                return
            self._run += 1
            run, path = self._run, file.path
            self.name, self.size = path.name, batch_view.size_of(path.stat().st_size)
            self.stage, self.error = "checking", ""
        result = await self._follow(run, "check", str(path))
        async with self:
            if self._run != run:
                return
            self.error = result.get("error", "")
            self.stage = "empty" if self.error else "checked"
            if not self.error:
                self._summary, self._result = result["summary"], {}
                self._show()
                self.keys = list(self.checked.others)

    @rx.event(background=True)
    async def price(self) -> None:
        """Price the file."""
        async with self:
            file = self._file()
            if file is None or file.path is None or self.stage not in ("checked", "done"):
                return
            self._run += 1
            run, path, out, keys = self._run, file.path, file.result, list(self.keys)
            self.stage, self.error, self.waits, self.share = "pricing", "", "", 0.0
            self.done_rows = ""
        columns = [option for key in keys for option in ("--key", key)]
        result = await self._follow(run, "price", str(path), "--out", str(out), *columns)
        async with self:
            if self._run != run:
                return
            self.error, self.waits = result.get("error", ""), ""
            self.stage = "checked" if self.error else "done"
            if not self.error:
                self._result, self._keys_priced = result, keys
                self._show()

    @rx.event
    def stop(self) -> None:
        """Give up pricing."""
        self._run += 1
        self.stage, self.waits = "checked", ""

    def _file(self) -> BatchFile | None:
        file = batch_files().find(self.ticket)
        if file is None:
            self._begin(batch_files().open())
            self.error = text(_GONE)
        return file

    async def _follow(self, run: int, *arguments: str) -> dict[str, Any]:
        """Let a process do the work and show how it goes; its last line."""
        last: dict[str, Any] = {
            "error": text("The file could not be read: the server's log says why.")
        }
        async for line in _lines(*arguments):
            if "summary" in line or "error" in line:
                last = line
                continue
            async with self:
                if self._run != run:
                    break
                batch_files().find(self.ticket)  # it is being used
                self.waits = line.get("waits", "")
                if "rows" in line:
                    self.done_rows = marks(f"{line['rows']:,}")
                    self.share = batch_view.share(line["rows"], self.checked.homes)
        return last


_TURN: list[asyncio.Semaphore] = []


def _turn() -> asyncio.Semaphore:
    """One semaphore of the process, made in its event loop."""
    if not _TURN:
        _TURN.append(asyncio.Semaphore(_AT_ONCE))
    return _TURN[0]


async def _lines(*arguments: str) -> AsyncIterator[dict[str, Any]]:
    """What a process of ``batch_job`` says. It ends when the reader stops."""
    if _turn().locked():
        yield {"waits": text("Other files are being priced. Yours is next.")}
    async with _turn():
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tasador_web.batch_job",
            *arguments,
            "--language",
            language(),
            cwd=_APP,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                yield json.loads(line)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
