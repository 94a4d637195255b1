"""GET /model-card/VERSION/ and /es/model-card/VERSION/: a version's model card from its dossier.

record says where the dossier of a version is, and the object store has its files, which the card
links to by their names. Each is compared with the dossier's index, so what a browser gets is what
the training wrote. No Reflex here.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import PurePosixPath

from starlette.responses import RedirectResponse, Response

from tasador.errors import TasadorError
from tasador.settings import Settings
from tasador_web.client import ApiError, functions
from tasador_web.languages import address, below, language, speaking, text
from tasador_web.origins import App, Receive, Scope, Send
from tasador_web.plain_page import plain_page

# The card is in English, and pages that say why there is none are in each language.
_ROUTE = "/model-card/"
_ASKED = re.compile(r"([1-9]\d{0,7})(/.*)?", re.ASCII)
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
}
# A dossier's pages run nothing, and load nothing but the pictures within them.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class _NoCard(Exception):
    """Why there is no card: a status and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def link_of(version: int, settings: Settings) -> str:
    """The address of a version's card in the language now; empty if this app reads no dossier."""
    readable = version and settings.s3_endpoint and settings.s3_access_key
    return f"{address(_ROUTE)}{version}/" if readable else ""


class ModelCards:
    """Middleware that answers requests for model cards and passes everything else on."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file of the dossier, or with a page that says why there is none."""
        path = str(scope.get("path", ""))
        found = below(path, _ROUTE)
        if scope["type"] != "http" or scope["method"] != "GET" or found is None:
            await self._app(scope, receive, send)
            return
        spoken, asked = found
        with speaking(spoken):
            try:
                known = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
                response = await _answer(path, asked, known)
            except _NoCard as none:
                page = plain_page(text("There is no model card"), str(none))
                response = Response(page, none.status, media_type="text/html")
                response.headers["cache-control"] = "no-store"
                response.headers["content-language"] = language()
        response.headers["content-security-policy"] = POLICY
        await response(scope, receive, send)


async def _answer(path: str, asked: str, known: str) -> Response:
    parts = _ASKED.fullmatch(asked)
    if parts is None:
        raise _NoCard(404, text("There is no such version."))
    version, name = int(parts[1]), parts[2]
    if name is None:
        # The names of the files that the card links to follow the slash.
        return RedirectResponse(f"{path}/")
    try:
        decision = await functions().version(version)
        uri, digest = str(decision["dossier_uri"]), str(decision["digest"])
        return await asyncio.to_thread(_file, version, uri, digest, name[1:], known)
    except ApiError as error:
        if error.status == 404:
            raise _NoCard(404, text("There is no such version.")) from None
        raise _NoCard(503, error.detail) from error
    except TasadorError as error:
        raise _NoCard(503, str(error)) from error


def _file(version: int, uri: str, digest: str, name: str, known: str) -> Response:
    """A file of the dossier; 304 without reading it if the browser has the same one."""
    from tasador.dossier import verbs
    from tasador.dossier.names import PAGE

    settings = Settings.load()
    dossier = verbs.find_stored(settings, uri, digest)
    if dossier is None:
        reason = text(
            "Version {version} has no model card: the last step of its training writes it after "
            "the decision, and that step goes on, or failed, or is younger than this version. The "
            "log of the training says which.",
            version=version,
        )
        raise _NoCard(404, reason)
    name = name or PAGE
    if name not in dossier.digests:
        reason = text("The dossier of version {version} has no such file.", version=version)
        if name == PAGE:
            reason = text(
                "The model card of version {version} is from before cards were pages: “tasador "
                "dossier {version}” shows it.",
                version=version,
            )
        raise _NoCard(404, reason)
    tag = f'"{dossier.digests[name]}"'
    # Browsers ask each time, since a model that is begun again counts its versions from 1.
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if tag in known:
        return Response(status_code=304, headers=headers)
    kind = _KINDS.get(PurePosixPath(name).suffix, "application/octet-stream")
    return Response(dossier.read(name, settings), media_type=kind, headers=headers)
