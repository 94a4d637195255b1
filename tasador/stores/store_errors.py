"""The errors of the object store as Tasador's errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasador.errors import DiskFull, ObjectLost, StoreRefused, StoreUnavailable, TasadorError
from tasador.machine.disk import nearly_full
from tasador.machine.environment import PROXIES, named
from tasador.tracing import spans

ABSENT = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_REFUSED = frozenset(
    {"401", "403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)
# How the servers say that their disk is full; none of them has a documented code for it.
_FULL = re.compile(
    "InsufficientStorage|StorageFull|QuotaExceeded|no space left|no free volumes", re.I
)


@contextmanager
def translated_errors(endpoint: str, uri: str, folder: Path | None = None) -> Iterator[None]:
    """Calls of the store at ``endpoint`` for ``uri``, as a part of the trace.

    ``folder``: where a store on this machine keeps its objects.

    Raises DiskFull, ObjectLost, StoreRefused, StoreUnavailable; TasadorError for another refusal.
    """
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    bucket = uri.removeprefix("s3://").partition("/")[0]
    try:
        with spans.part(f"s3 {bucket}", spans.CLIENT, **{"aws.s3.bucket": bucket}):
            yield
    except S3UploadFailedError as error:
        raise _error(
            endpoint, uri, error.__cause__ or error.__context__ or error, folder
        ) from error
    except (BotoCoreError, ClientError) as error:
        raise _error(endpoint, uri, error, folder) from error


def _error(endpoint: str, uri: str, error: BaseException, folder: Path | None) -> TasadorError:
    response: dict[str, Any] = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status == 507 or _FULL.search(f"{code} {error}"):
        return DiskFull(
            f"{uri}: the disk of the object store {endpoint} is full ({error}): delete "
            "files there, or enlarge its volume"
        )
    # rclone only says that it failed.
    if code == "InternalError" and folder is not None and (full := nearly_full(folder)) is not None:
        return DiskFull(f"{uri}: the object store {endpoint} failed; {full}")
    if code == "NoSuchUpload":  # the server has lost the parts that it confirmed
        return StoreUnavailable(
            f"{uri}: the object store {endpoint} lost a part of the upload; is its disk "
            f"full? {error}"
        )
    if code in ABSENT:
        return ObjectLost(f"{uri} does not exist in the object store {endpoint}")
    if code in _REFUSED:
        return StoreRefused(
            f"the object store {endpoint} refused the keys for {uri} ({code}): "
            "see TASADOR_S3_ACCESS_KEY and TASADOR_S3_SECRET_KEY"
        )
    if code and status < 500:
        return TasadorError(f"{uri}: the object store {endpoint} answered {error}")
    return StoreUnavailable(
        f"{uri}: the object store {endpoint} does not answer: {error}{named('AWS_', *PROXIES)}"
    )
