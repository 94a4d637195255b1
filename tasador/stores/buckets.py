"""Whole buckets: their objects with size and mark, read and written as streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tasador.errors import TasadorError
from tasador.stores.lake import Lake

_CHUNK = 1 << 20
_DELETED_AT_ONCE = 1_000  # S3's limit


class StoredObject(NamedTuple):
    """An object: ``mark`` is its ETag and its time, which change with its content."""

    key: str
    size: int
    mark: str


class Buckets(Lake):
    """The platform's buckets as a backup sees them. Errors are those of ``Lake``."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the buckets, in the order in which a batch and a training write them."""
        return self._buckets

    def list(self, bucket: str) -> Iterator[StoredObject]:
        """The objects of a bucket by key; none if it does not exist."""
        with self._translated_errors(f"s3://{bucket}"):
            known = {entry["Name"] for entry in self._s3.list_buckets()["Buckets"]}
            if bucket not in known:
                return
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for entry in page.get("Contents", []):
                    if not entry["Key"].endswith("/"):  # a folder of SeaweedFS
                        mark = f"{entry.get('ETag', '')} {entry['LastModified'].isoformat()}"
                        yield StoredObject(entry["Key"], entry["Size"], mark)

    def chunks(self, bucket: str, key: str) -> Iterator[bytes]:
        """The content of an object, in chunks of 1 MB."""
        with self._translated_errors(f"s3://{bucket}/{key}"):
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"]
            try:
                yield from body.iter_chunks(_CHUNK)
            finally:
                body.close()

    def delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects; those that do not exist are no error."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            named = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
            with self._translated_errors(f"s3://{bucket}/{keys[start]}"):
                answer = self._s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": named, "Quiet": True}
                )
                for error in answer.get("Errors", []):
                    raise TasadorError(
                        f"s3://{bucket}/{error['Key']} was not deleted: {error.get('Message')}"
                    )
