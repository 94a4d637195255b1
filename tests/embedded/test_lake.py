"""The lake on a real S3 server."""

from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasador.errors import ConfigurationError, StoreRefused, StoreUnavailable, TasadorError
from tasador.stores.lake import Lake


@pytest.fixture(scope="module")
def lake(platform):
    opened = Lake(platform)
    opened.ensure_buckets()
    return opened


def test_ensure_buckets_creates_missing_ones_and_keeps_their_objects(platform):
    bucket = f"lake-{uuid4().hex[:12]}"
    lake = Lake(platform._replace(bucket_raw=bucket))
    with pytest.raises(TasadorError, match=bucket):
        lake.put_bytes(bucket, "object", b"content")
    lake.ensure_buckets()
    uri = lake.put_bytes(bucket, "object", b"content")
    lake.ensure_buckets()
    assert lake.get_bytes(uri) == b"content"


def test_objects_round_trip(lake, tmp_path):
    uri = lake.put_bytes("data-raw", "lake/a b&ñ.bin", b"\x00content")
    assert uri == "s3://data-raw/lake/a b&ñ.bin"
    assert lake.get_bytes(uri) == b"\x00content"
    assert lake.exists(uri)
    assert not lake.exists("s3://data-raw/lake/other")
    assert not lake.exists("s3://no-such-bucket/lake/other")
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 80_000)  # 20 MB: a multipart upload
    uri = lake.put_file("data-raw", "lake/large", large)
    assert lake.get_file(uri, tmp_path / "back").read_bytes() == large.read_bytes()


def test_folders_round_trip(lake, tmp_path):
    files = {"manifest.json": b"{}", "model/trees.bin": b"1", "model/deep/x": b""}
    for name, content in files.items():
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    uri = lake.upload_folder(tmp_path / "out", "s3://data-raw/lake/folder/")
    assert uri == "s3://data-raw/lake/folder"
    lake.put_bytes("data-raw", "lake/folder-2/other", b"")
    back = lake.download_folder(uri, tmp_path / "back")
    downloaded = {
        p.relative_to(back).as_posix(): p.read_bytes() for p in back.rglob("*") if p.is_file()
    }
    assert downloaded == files


@pytest.mark.parametrize("rows", [0, 1, 5_000])
def test_parquet_is_read_at_once_and_in_batches(lake, tmp_path, rows):
    table = pa.table(
        {
            "state": pa.array([None, "Texas"] * rows, pa.string()),
            "price": pa.array([1.5, None] * rows, pa.float64()),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    uri = lake.put_file("data-clean", f"lake/{rows}.parquet", tmp_path / "x.parquet")
    frame = lake.read_parquet(uri)
    assert list(frame.columns) == ["state", "price"]
    assert len(frame) == 2 * rows
    assert frame["state"].notna().sum() == frame["price"].notna().sum() == rows
    assert frame.index.equals(frame.reset_index(drop=True).index)
    parts = list(lake.iter_parquet(uri, ["price"], rows=1_000))
    assert pa.concat_tables(parts).equals(table.select(["price"]))
    assert len(parts) == max(1, 2 * rows // 1_000)


def test_errors_name_the_object_or_the_setting(lake, platform, tmp_path):
    absent = "s3://data-raw/lake/absent"
    for call in (
        lambda: lake.get_bytes(absent),
        lambda: lake.get_file(absent, tmp_path / "x"),
        lambda: lake.read_parquet(absent),
        lambda: lake.download_folder(absent, tmp_path / "folder"),
    ):
        with pytest.raises(TasadorError, match="s3://data-raw/lake/absent"):
            call()
    assert not (tmp_path / "x").exists()
    text = lake.put_bytes("data-raw", "lake/text", b"no parquet, certainly")
    with pytest.raises(TasadorError, match="s3://data-raw/lake/text is not a Parquet file"):
        lake.read_parquet(text)
    with pytest.raises(TasadorError, match="s3://bucket/key"):
        lake.get_bytes("data-raw/lake/text")
    with pytest.raises(StoreRefused, match="TASADOR_S3_SECRET_KEY"):
        Lake(platform._replace(s3_secret_key="a-wrong-one")).get_bytes(text)
    with pytest.raises(ConfigurationError, match="TASADOR_S3_ACCESS_KEY"):
        Lake(platform._replace(s3_access_key=""))
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:9"):
        Lake(platform._replace(s3_endpoint="http://127.0.0.1:9")).get_bytes(text)
