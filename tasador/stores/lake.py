"""The object store (S3): raw payloads, clean Parquet files and model bundles.

An object is named by its URI, ``s3://bucket/key``. Writes are atomic: no reader sees a part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tasador.errors import (
    BundleError,
    ConfigurationError,
    ObjectLost,
    TasadorError,
)
from tasador.machine.disk import writing_below
from tasador.machine.environment import PROXIES, named
from tasador.model.manifest import MANIFEST
from tasador.model.signature import SIGNATURE
from tasador.settings import Settings
from tasador.stores.bundles import trust_of
from tasador.stores.store_errors import ABSENT, translated_errors

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from tasador.arrays import Array
    from tasador.model.bundle import Bundle
    from tasador.model.model_ref import ModelRef


class Lake:
    """The platform's buckets.

    Every method may raise StoreUnavailable (no answer, or a server error, after three attempts),
    StoreRefused (the credentials are refused) or TasadorError. The message names the URI.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError if the endpoint or a key is not set."""
        settings.require("s3_endpoint", "s3_access_key", "s3_secret_key")
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        from tasador.stores.s3_session import SERVICE, s3_session

        self._buckets = (
            settings.bucket_raw,
            settings.bucket_clean,
            settings.bucket_mlflow,
            settings.bucket_metaflow,
        )
        self._endpoint = settings.s3_endpoint
        self._folder = settings.home / "objects" if settings.platform == "embedded" else None
        self.trust = trust_of(settings)
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # SeaweedFS and rclone do not support the newer checksums.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=5,
            read_timeout=60,
        )
        try:
            self._s3 = s3_session().client(
                SERVICE,
                endpoint_url=settings.s3_endpoint,
                aws_access_key_id=settings.s3_access_key,
                aws_secret_access_key=settings.s3_secret_key,
                region_name=settings.s3_region,
                config=config,
            )
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(
                f"no client of the object store {settings.s3_endpoint} can be created: {error}"
                f"{named('AWS_', *PROXIES)}"
            ) from error

    def ensure_buckets(self) -> None:
        """Create the buckets that do not exist."""
        for bucket in self._buckets:
            with self._translated_errors(f"s3://{bucket}"):
                existing = {entry["Name"] for entry in self._s3.list_buckets()["Buckets"]}
                if bucket not in existing:
                    self._s3.create_bucket(Bucket=bucket)

    def check_buckets(self) -> None:
        """Raise TasadorError if a bucket does not exist; creates nothing."""
        for bucket in self._buckets:
            with self._translated_errors(f"s3://{bucket}"):
                self._s3.head_bucket(Bucket=bucket)

    def put_file(self, bucket: str, key: str, path: str | Path) -> str:
        """Upload a file (multipart if large); returns its URI."""
        uri = f"s3://{bucket}/{key}"
        with self._translated_errors(uri):
            self._s3.upload_file(str(path), bucket, key)
        return uri

    def put_bytes(self, bucket: str, key: str, content: bytes) -> str:
        """Write an object; returns its URI."""
        uri = f"s3://{bucket}/{key}"
        with self._translated_errors(uri):
            self._s3.put_object(Bucket=bucket, Key=key, Body=content)
        return uri

    def get_bytes(self, uri: str) -> bytes:
        """The content of an object."""
        bucket, key = split(uri)
        with self._translated_errors(uri):
            content: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def get_file(self, uri: str, path: str | Path) -> Path:
        """Download an object to a file, which appears only once it is complete."""
        bucket, key = split(uri)
        with self._translated_errors(uri), writing_below(Path(path).parent):
            self._s3.download_file(bucket, key, str(path))
        return Path(path)

    def exists(self, uri: str) -> bool:
        """Whether the object exists."""
        bucket, key = split(uri)
        from botocore.exceptions import ClientError

        with self._translated_errors(uri):
            try:
                self._s3.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error.response["Error"]["Code"] in ABSENT:
                    return False
                raise
        return True

    def objects(self, uri: str) -> list[str]:
        """The URIs of the objects whose URI starts with ``uri``, sorted."""
        bucket, prefix = split(uri)
        with self._translated_errors(uri):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [f"s3://{bucket}/{key}" for key in sorted(keys)]

    def upload_folder(self, folder: str | Path, uri: str) -> str:
        """Upload every file of a folder below ``uri``; returns ``uri`` without a trailing slash."""
        uri = uri.rstrip("/")
        bucket, prefix = split(uri)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                self.put_file(bucket, f"{prefix}/{path.relative_to(folder).as_posix()}", path)
        return uri

    def download_folder(self, uri: str, folder: str | Path) -> Path:
        """Download every object below ``uri`` into a folder, which is created if needed."""
        base = uri.rstrip("/") + "/"
        uris = self.objects(base)
        if not uris:
            raise ObjectLost(f"there are no objects below {base} in {self._endpoint}")
        for object_uri in uris:
            target = Path(folder, object_uri.removeprefix(base))
            if not target.resolve().is_relative_to(Path(folder).resolve()):
                raise TasadorError(f"{object_uri} would be written outside of {folder}")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.get_file(object_uri, target)
        return Path(folder)

    def load_bundle(self, model: ModelRef, *, signed: bool = True) -> Bundle:
        """Download the bundle of ``model`` and verify it against its digest and its signature.

        ``signed=False``: it is not promoted yet, so it has none. Raises BundleError if it is
        missing, damaged or another one, SignatureError if nobody trusted signed it.
        """
        from tasador.model.bundle import Bundle

        with self.bundle_folder(model) as folder:
            if signed:
                signature = folder / SIGNATURE
                self.trust.check(
                    _manifest(folder),
                    signature.read_bytes() if signature.is_file() else None,
                    model.uri,
                    model.version,
                )
            return Bundle.load(folder, model.digest)

    def sign_bundle(self, model: ModelRef, sign: Callable[[bytes], bytes]) -> None:
        """Verify the stored bundle of ``model`` and add its signature.json.

        ``sign`` returns the content of that file for the content of a manifest.json. Raises
        BundleError if the bundle is missing, damaged or not that of ``model``.
        """
        from tasador.model.manifest import read_verified

        with self.bundle_folder(model) as folder:
            manifest = read_verified(folder, model.digest).manifest
            if (manifest.name, manifest.version, manifest.digest) != model.key:
                raise BundleError(
                    f"{model.uri} says that it is {manifest.name}@{manifest.version}, and {model} "
                    "is to be signed"
                )
            content = sign(_manifest(folder))
        self.put_bytes(*split(f"{model.uri}/{SIGNATURE}"), content)

    @contextmanager
    def bundle_folder(self, model: ModelRef) -> Iterator[Path]:
        """The files of a stored bundle in a temporary folder; nothing of them is verified.

        The BundleError of a reader names the bundle's URI, not that folder.
        """
        with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
            try:
                folder = self.download_folder(model.uri, scratch)
            except ObjectLost as error:
                raise BundleError(str(error)) from error
            try:
                yield folder
            except BundleError as error:
                raise type(error)(str(error).replace(scratch, model.uri)) from error

    # -- Parquet ---------------------------------------------------------------------------------

    def read_parquet(
        self,
        uri: str,
        columns: list[str] | None = None,
        keep: Callable[[pd.DataFrame], Array] | None = None,
    ) -> pd.DataFrame:
        """Listings in a Parquet object as a DataFrame whose index starts at 0.

        ``keep`` says which rows of a part of it are wanted, bool [n]; the others are not held in
        memory. Rows that an older version stored are read by today's rules.
        """
        import pandas as pd

        from tasador.listings.table import read_again

        frames = (table.to_pandas() for table in self.iter_parquet(uri, columns))
        kept = [frame if keep is None else frame[keep(frame)] for frame in frames]
        return read_again(pd.concat(kept, ignore_index=True))

    def iter_parquet(
        self, uri: str, columns: list[str] | None = None, rows: int = 100_000
    ) -> Iterator[pa.Table]:
        """A Parquet object as tables of about ``rows`` rows; at least one, even if it is empty."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
            path = self.get_file(uri, Path(scratch) / "part.parquet")
            try:
                with pq.ParquetFile(path) as file:
                    if file.metadata.num_rows == 0:
                        yield file.read(columns=columns)
                    for batch in file.iter_batches(rows, columns=columns):
                        yield pa.Table.from_batches([batch])
            except pa.ArrowInvalid as error:
                raise ObjectLost(f"{uri} is not a Parquet file: {error}") from error

    # -- inside ----------------------------------------------------------------------------------

    def _translated_errors(self, uri: str) -> AbstractContextManager[None]:
        return translated_errors(self._endpoint, uri, self._folder)


def _manifest(folder: Path) -> bytes:
    try:
        return (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{folder} is not a model bundle: it has no {MANIFEST}") from None


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://`` URI; raises TasadorError."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise TasadorError(f"{uri!r} is not of the form s3://bucket/key")
    return bucket, key
