"""Fetch a model bundle for serving, from a folder or from S3, and verify it before use.

The S3 GET is signed here because boto3 would cost a function more start-up time than everything
else together.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from tasador.clock import backoff, retry
from tasador.errors import BundleError, ConfigurationError, StoreRefused, StoreUnavailable
from tasador.model.manifest import MANIFEST, Verified, read_verified
from tasador.settings import Settings

if TYPE_CHECKING:
    from tasador.model.signature import Trust

_ATTEMPTS = 4
_PAUSE = 0.1  # seconds before the first retry
_CACHED_BUNDLES = 5
_FOLDER_NAME_LENGTH = 32
_TIMEOUT = 10.0  # seconds


def fetch_bundle(uri: str, digest: str, into: Path, settings: Settings) -> Verified:
    """Return the bundle at ``uri``, every byte of it verified against ``digest``.

    A folder (path or file://) is used in place. s3://bucket/prefix is downloaded into ``into``
    once and reused from there, and its signature is verified first. An empty digest stands for the
    one in the manifest. Outside the embedded platform a bundle must be signed, and lie in the
    bucket of the registry.

    Raises BundleError for a bundle that is missing, damaged or has another digest, SignatureError
    if nobody trusted signed it, StoreUnavailable if the store does not answer, StoreRefused if it
    refuses the key, ConfigurationError for an invalid URI.
    """
    parts = urlsplit(uri)
    if not settings.accepts_unsigned and not uri.startswith(f"s3://{settings.bucket_mlflow}/"):
        raise BundleError(
            f"{uri} is not in s3://{settings.bucket_mlflow} (TASADOR_BUCKET_MLFLOW): no bundle is "
            "loaded from anywhere else"
        )
    if parts.scheme in ("", "file"):
        folder = Path(unquote(parts.path) if parts.scheme else uri)
        if not folder.is_dir():
            raise BundleError(f"there is no folder {folder} to read the model bundle from")
        return read_verified(folder, digest)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigurationError(f"MODEL_URI is {uri!r}, neither a folder nor s3://bucket/prefix")
    settings.require("s3_endpoint")
    return _from_s3(uri.rstrip("/"), digest, into, settings)


def trust_of(settings: Settings) -> Trust:
    """Whose bundles the settings allow to load."""
    from tasador.model.signature import Trust, read_public_keys  # a folder needs neither

    return Trust(read_public_keys(settings.signing_public_keys), not settings.accepts_unsigned)


def check_readable(uri: str, digest: str, settings: Settings) -> None:
    """Read the whole bundle from the store, whatever has been downloaded before.

    Raises as ``fetch_bundle`` does.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        fetch_bundle(uri, digest, Path(scratch), settings)


def check_access(uri: str, settings: Settings) -> None:
    """Check that the object store accepts the key for a bundle's folder; a missing one is no error.

    Raises StoreUnavailable, or StoreRefused if the key is refused.
    """
    if uri.startswith("s3://"):
        with suppress(BundleError):
            _get(f"{uri.rstrip('/')}/{MANIFEST}", settings.require("s3_endpoint"))


def read_object(uri: str, settings: Settings) -> bytes | None:
    """The content of an object; None if there is none.

    Raises StoreUnavailable, StoreRefused, or ConfigurationError without the store's address.
    """
    with suppress(_ObjectMissing):
        return _get(uri, settings.require("s3_endpoint"))
    return None


def _from_s3(uri: str, digest: str, into: Path, settings: Settings) -> Verified:
    content = _get(f"{uri}/{MANIFEST}", settings)
    _check_signature(uri, content, settings)
    try:
        manifest = json.loads(content)
        stated, files = manifest["digest"], list(manifest["files"])
    except (ValueError, TypeError, KeyError) as error:
        raise BundleError(f"{uri}/manifest.json is not a bundle manifest: {error!r}") from None
    if digest and stated != digest:
        raise BundleError(f"{uri} holds the bundle with digest {stated}, not {digest}")
    # Hash the whole manifest: it names the model version, which the digest does not cover.
    name = hashlib.sha256(content).hexdigest()[:_FOLDER_NAME_LENGTH]
    folder = into / name
    if folder.is_dir():
        try:
            return _read_download(folder, content, digest)
        except BundleError:
            shutil.rmtree(folder, ignore_errors=True)
    import tempfile  # a start that finds an earlier download does without

    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=into))
    try:
        (scratch / MANIFEST).write_bytes(content)
        for file in files:
            if not isinstance(file, str) or file.startswith(".") or "/" in file or "\\" in file:
                raise BundleError(f"{uri}/manifest.json names a file {file!r} outside its folder")
            (scratch / file).write_bytes(_get(f"{uri}/{file}", settings))
        verified = read_verified(scratch, digest)
        try:
            scratch.rename(folder)
        except OSError:
            # Another process was faster.
            verified = _read_download(folder, content, digest)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _delete_old(into)
    return verified._replace(folder=folder)


def _check_signature(uri: str, manifest: bytes, settings: Settings) -> None:
    """Verify signature.json before anything in the bundle is used; raises SignatureError."""
    from tasador.model.signature import SIGNATURE

    trust = trust_of(settings)
    if not trust.public_keys and not trust.required:
        return
    try:
        version = json.loads(manifest)["version"]
    except (ValueError, TypeError, KeyError):
        version = "VERSION"  # what reads the manifest next reports it
    signature = None
    with suppress(_ObjectMissing):
        signature = _get(f"{uri}/{SIGNATURE}", settings)
    trust.check(manifest, signature, uri, version)


def _read_download(folder: Path, manifest: bytes, digest: str) -> Verified:
    """An earlier download, if it is of this manifest.json, whose signature was verified."""
    with suppress(OSError):
        if (folder / MANIFEST).read_bytes() == manifest:
            return read_verified(folder, digest)
    raise BundleError(f"{folder} does not hold the manifest that it is named after")


def _delete_old(into: Path) -> None:
    """Keep the newest few downloads; a function that serves an older one has it in memory."""
    manifests = sorted(into.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    for path in manifests[:-_CACHED_BUNDLES]:
        if len(path.parent.name) == _FOLDER_NAME_LENGTH:
            shutil.rmtree(path.parent, ignore_errors=True)


def _get(uri: str, settings: Settings) -> bytes:
    """The object's bytes. Retries no answer, 429 and 5xx at once; 403 and 404 are the caller's."""
    from http.client import HTTPException

    def get_once() -> tuple[int, bytes]:
        try:
            status, body = _signed_get(uri, settings)
        except (OSError, HTTPException) as error:
            raise _NoAnswer(f"{type(error).__name__}: {error}") from error
        if status >= 500 or status == 429:
            raise _NoAnswer(f"HTTP {status}")
        return status, body

    try:
        status, body = retry(get_once, _NoAnswer, backoff(_PAUSE), attempts=_ATTEMPTS)
    except _NoAnswer as error:
        raise StoreUnavailable(
            f"{uri} could not be read: the object store at {settings.s3_endpoint} gave no answer "
            f"({error})"
        ) from error.__cause__
    if status == 404:
        raise _ObjectMissing(f"{uri} does not exist: the model bundle is missing or incomplete")
    if status != 200:
        raise StoreRefused(
            f"{uri} may not be read: the object store at {settings.s3_endpoint} answered "
            f"HTTP {status} to the key {settings.s3_access_key or 'none'} "
            "(TASADOR_S3_ACCESS_KEY and _SECRET_KEY)"
        )
    return body


class _ObjectMissing(BundleError):
    """The object store has no such object."""


class _NoAnswer(Exception):
    """The object store did not answer, or is overloaded."""


def _signed_get(uri: str, settings: Settings) -> tuple[int, bytes]:
    from http.client import (
        HTTPConnection,
        HTTPSConnection,
    )  # slow to import; a folder needs neither

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
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def sign(path: str, host: str, settings: Settings, when: datetime) -> Mapping[str, str]:
    """AWS Signature Version 4 headers for a GET of ``path`` (URL-encoded, without a query)."""
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
