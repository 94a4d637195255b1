"""Fetch a model bundle for serving: from a folder or from S3, verified before anyone may use it.

A signed S3 GET of our own in place of boto3, which would cost a function more start-up time than
everything else together.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from tasador.errors import BundleError, ConfigurationError, StoreUnavailable
from tasador.model.manifest import Verified, read_verified
from tasador.settings import Settings

_RETRIES = 3
_CACHED = 5
_NAME = 32
_TIMEOUT = 10.0


def fetch_bundle(uri: str, digest: str, into: Path, settings: Settings) -> Verified:
    """Return the bundle at ``uri``, every byte of it verified against ``digest``.

    A folder (path or file://) is used where it is; s3://bucket/prefix is downloaded into ``into``
    once and found there again. An empty digest means the one that the manifest states.

    Raises BundleError for a bundle that is absent, damaged or another one (trying again is no use),
    StoreUnavailable when the store does not answer, ConfigurationError for an address that is none.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        folder = Path(unquote(parts.path) if parts.scheme else uri)
        if not folder.is_dir():
            raise BundleError(f"there is no folder {folder} to read the model bundle from")
        return read_verified(folder, digest)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigurationError(f"MODEL_URI is {uri!r}: a folder or s3://bucket/prefix is wanted")
    settings.require("s3_endpoint")
    return _from_s3(uri.rstrip("/"), digest, into, settings)


def _from_s3(uri: str, digest: str, into: Path, settings: Settings) -> Verified:
    written = _get(f"{uri}/manifest.json", settings)
    try:
        manifest = json.loads(written)
        stated, files = manifest["digest"], list(manifest["files"])
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{uri}/manifest.json is no manifest of a bundle: {error!r}") from None
    if digest and stated != digest:
        raise BundleError(f"{uri} holds the bundle with digest {stated}, not {digest}")
    # A version's name is in the manifest and not in the digest, so both make the folder's name.
    name = hashlib.sha256(written).hexdigest()[:_NAME]
    folder = into / name
    if folder.is_dir():
        try:
            return read_verified(folder, digest)
        except BundleError:
            shutil.rmtree(folder, ignore_errors=True)
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=into))
    try:
        (scratch / "manifest.json").write_bytes(written)
        for each in files:
            if not isinstance(each, str) or each.startswith(".") or "/" in each or "\\" in each:
                raise BundleError(f"{uri}/manifest.json names a file {each!r} outside its folder")
            (scratch / each).write_bytes(_get(f"{uri}/{each}", settings))
        verified = read_verified(scratch, digest)
        try:
            scratch.rename(folder)
        except OSError:
            # Another process was faster.
            verified = read_verified(folder, digest)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _forget_old(into)
    return verified._replace(folder=folder)


def _forget_old(into: Path) -> None:
    """Keep the newest few downloads; whoever serves an older one holds it in memory."""
    kept = sorted(into.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    for path in kept[:-_CACHED]:
        if len(path.parent.name) == _NAME:
            shutil.rmtree(path.parent, ignore_errors=True)


def _get(uri: str, settings: Settings) -> bytes:
    """The object's bytes. No answer and 5xx are tried again; 403 and 404 are not."""
    from http.client import HTTPException

    trouble = ""
    for attempt in range(_RETRIES + 1):
        if attempt:
            time.sleep(0.1 * 2 ** (attempt - 1))
        try:
            status, body = _signed_get(uri, settings)
        except (OSError, HTTPException) as error:
            trouble = f"{type(error).__name__}: {error}"
            continue
        if status == 200:
            return body
        if status == 404:
            raise BundleError(f"{uri} does not exist: the model bundle is absent or incomplete")
        if status < 500 and status != 429:
            raise BundleError(f"{uri} may not be read: the object store answered HTTP {status}")
        trouble = f"HTTP {status}"
    raise StoreUnavailable(
        f"{uri} could not be read: the object store at {settings.s3_endpoint} gave no answer "
        f"({trouble})"
    )


def _signed_get(uri: str, settings: Settings) -> tuple[int, bytes]:
    from http.client import HTTPConnection, HTTPSConnection  # not worth their start for a folder

    endpoint = urlsplit(settings.s3_endpoint)
    if endpoint.scheme not in ("http", "https") or not endpoint.hostname:
        raise ConfigurationError(
            f"TASADOR_S3_ENDPOINT is {settings.s3_endpoint!r}, not an http(s) URL"
        )
    path = quote(f"{endpoint.path.rstrip('/')}/{uri.removeprefix('s3://')}", safe="/-_.~")
    headers = {"host": endpoint.netloc}
    if settings.s3_access_key:
        headers |= sign(path, endpoint.netloc, settings, datetime.now(UTC))
    kind = HTTPSConnection if endpoint.scheme == "https" else HTTPConnection
    connection = kind(endpoint.hostname, endpoint.port, timeout=_TIMEOUT)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def sign(path: str, host: str, settings: Settings, when: datetime) -> Mapping[str, str]:
    """The headers of AWS Signature Version 4 for a GET of ``path`` (encoded, without a query)."""
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    signed = {"host": host, "x-amz-content-sha256": empty, "x-amz-date": stamp}
    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    request = f"GET\n{path}\n\n{lines}\n{names}\n{empty}"
    scope = f"{stamp[:8]}/{settings.s3_region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{settings.s3_secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"{settings.s3_access_key}/{scope}"
    return {
        "x-amz-content-sha256": empty,
        "x-amz-date": stamp,
        "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, "
        f"Signature={signature}",
    }
