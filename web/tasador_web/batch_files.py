"""The files of the Batch page: uploads written to disk as they arrive, results sent from disk.

A file is identified by a ticket that only its visitor's page has. The result goes only to the
browser that sent the file: a cookie that no script can read says so. No Reflex here.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

from tasador_web.languages import language_of_request, speaking, text
from tasador_web.origins import App, Receive, Scope, Send

ROUTE = "/batch-files/"
MEGABYTE = 1_000_000
# One file, and all files of all visitors at the same time (bytes). A pod has room for 1 GiB.
MAX_FILE, MAX_ALL = 100 * MEGABYTE, 800 * MEGABYTE
# A file that nobody has used for so long is deleted (seconds).
KEPT_SECONDS = 3_600.0
RESULT = "prices.csv"
_COOKIE = "tasador_batch"
_PREFIX = "tasador-batches-"


@dataclass
class BatchFile:
    """A visitor's file: ``path`` is empty until it has arrived whole."""

    folder: Path
    owner: str = ""
    path: Path | None = None
    used: float = field(default_factory=time.monotonic)

    @property
    def result(self) -> Path:
        """Where its prices are written."""
        return self.folder / RESULT


class BatchFiles:
    """The files of this process, by ticket."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _delete_leftovers(parent)
        self.folder = parent / f"{_PREFIX}{os.getpid()}"
        self._files: dict[str, BatchFile] = {}

    def open(self) -> str:
        """A new ticket."""
        self.clean()
        ticket = secrets.token_urlsafe(24)
        self._files[ticket] = BatchFile(self.folder / ticket)
        return ticket

    def find(self, ticket: str) -> BatchFile | None:
        """The file of a ticket, which counts as used now."""
        file = self._files.get(ticket)
        if file is not None:
            file.used = time.monotonic()
        return file

    def drop(self, ticket: str) -> None:
        """Delete the files of a ticket."""
        file = self._files.pop(ticket, None)
        if file is not None:
            shutil.rmtree(file.folder, ignore_errors=True)

    def clean(self) -> None:
        """Delete what nobody has used for an hour."""
        oldest = time.monotonic() - KEPT_SECONDS
        for ticket in [t for t, file in self._files.items() if file.used < oldest]:
            self.drop(ticket)

    def size(self) -> int:
        """The bytes of all files."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())

    def close(self) -> None:
        """Delete all files."""
        self._files.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def _delete_leftovers(parent: Path) -> None:
    """Delete the files of processes that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX)
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)


def too_large() -> str:
    """What is said of a file that is too large."""
    return text(
        "The file is larger than {size} MB: compress it, or split it.", size=MAX_FILE // MEGABYTE
    )


def file_name(given: str) -> str:
    """A name for the disk: the last part of the given one, in plain characters."""
    name = re.split(r"[\\/]", unquote(given))[-1]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[-100:]
    return plain or "listings.csv"


class FileRoutes:
    """ASGI middleware: PUT /batch-files/TICKET, and GET for its prices."""

    def __init__(self, app: App, files: Callable[[], BatchFiles]) -> None:
        self._app = app
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file; pass any other on."""
        if scope["type"] != "http" or not scope["path"].startswith(ROUTE):
            await self._app(scope, receive, send)
            return
        with speaking(language_of_request(scope["headers"])):
            response = await self._answer(Request(scope, receive))
        response.headers["cache-control"] = "no-store"
        response.headers["x-content-type-options"] = "nosniff"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        file = self._files().find(request.url.path.removeprefix(ROUTE))
        if file is None:
            return _problem(404, text("This page has been open for too long: reload it."))
        if request.method == "PUT":
            return await self._receive(request, file)
        if request.method == "GET":
            return _result(request, file)
        return _problem(405, text("PUT sends a file, and GET fetches its prices."))

    async def _receive(self, request: Request, file: BatchFile) -> Response:
        limit = min(MAX_FILE, MAX_ALL - self._files().size())
        size = request.headers.get("content-length", "")
        if size.isdecimal() and int(size) > MAX_FILE:
            return _too_large()
        shutil.rmtree(file.folder, ignore_errors=True)
        file.path = None
        file.folder.mkdir(parents=True, mode=0o700)
        path = file.folder / file_name(request.headers.get("x-file-name", ""))
        if path.name == RESULT:
            path = path.with_name(f"my-{RESULT}")
        try:
            written = await _write(request, path, limit)
        except ClientDisconnect:
            written = None
        except OSError as error:
            shutil.rmtree(file.folder, ignore_errors=True)
            return _problem(
                507, text("The file cannot be kept: {reason}.", reason=error.strerror or error)
            )
        if written is None:
            shutil.rmtree(file.folder, ignore_errors=True)
            return _problem(400, text("The file did not arrive whole: send it again."))
        if written > limit:
            shutil.rmtree(file.folder, ignore_errors=True)
            if limit == MAX_FILE:
                return _too_large()
            return _problem(507, text("Too many files are being priced now: try again in an hour."))
        file.path, file.owner = path, request.cookies.get(_COOKIE) or secrets.token_urlsafe(24)
        response = Response(status_code=204)
        response.set_cookie(_COOKIE, file.owner, path=ROUTE, httponly=True, samesite="strict")
        return response


async def _write(request: Request, path: Path, limit: int) -> int:
    """Write the body as it arrives, up to the limit; returns its bytes, those above it too."""
    size = 0
    with path.open("wb") as out:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= limit:
                out.write(chunk)
    return size


def _result(request: Request, file: BatchFile) -> Response:
    owner = request.cookies.get(_COOKIE, "")
    if not file.owner or not secrets.compare_digest(owner.encode(), file.owner.encode()):
        return _problem(403, text("Only the browser that sent the file can fetch its prices."))
    if file.path is None or not file.result.is_file():
        return _problem(404, text("The file has not been priced yet."))
    return FileResponse(file.result, media_type="text/csv", filename=result_name(file.path.name))


def result_name(name: str) -> str:
    """The name of the download: homes.csv.gz becomes homes-prices.csv."""
    return f"{re.sub(r'([.]csv)?([.](csv|gz|zip))?$', '', name, flags=re.I)}-prices.csv"


def _too_large() -> Response:
    return _problem(413, too_large())


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"status": status, "detail": detail}, status)


_OF_PROCESS: list[BatchFiles] = []


def batch_files() -> BatchFiles:
    """The files of this process."""
    if not _OF_PROCESS:
        _OF_PROCESS.append(BatchFiles())
    return _OF_PROCESS[0]
