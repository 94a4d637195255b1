"""tasador.stores.bundles: bundles from local folders and over the S3 protocol."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tasador.errors import BundleError, ConfigurationError, StoreRefused, StoreUnavailable
from tasador.model.bundle_writer import stamp_version
from tasador.settings import Settings
from tasador.stores import bundles
from tests.kit.bundle_store import URI, store
from tests.kit.models import make_bundle
from tests.kit.network import free_port


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fetch") / "a bundle+ñ"
    return folder, make_bundle(folder, rows=400)


def settings(tmp_path, endpoint):
    return Settings(home=tmp_path, s3_endpoint=endpoint, s3_access_key="k", s3_secret_key="s")


def test_fetch_of_a_local_folder_does_not_copy(bundle, tmp_path):
    folder, manifest = bundle
    here = Settings(home=tmp_path)
    assert bundles.fetch_bundle(str(folder), manifest.digest, tmp_path, here).folder == folder
    assert bundles.fetch_bundle(folder.as_uri(), "", tmp_path, here).folder == folder
    with pytest.raises(BundleError, match="another model"):
        bundles.fetch_bundle(str(folder), "0" * 64, tmp_path, here)
    with pytest.raises(BundleError, match="no folder"):
        bundles.fetch_bundle(str(folder / "x"), "", tmp_path, here)


@pytest.mark.parametrize("uri", ["http://x/y", "s3:///x", "gs://a/b"])
def test_fetch_rejects_unknown_uri_schemes(tmp_path, uri):
    with pytest.raises(ConfigurationError, match="MODEL_URI"):
        bundles.fetch_bundle(uri, "", tmp_path, Settings(home=tmp_path))


def test_download_is_verified_and_cached(bundle, tmp_path):
    folder, manifest = bundle
    with store(folder) as (endpoint, requests):
        given = settings(tmp_path, endpoint)
        first = bundles.fetch_bundle(URI, manifest.digest, tmp_path / "cache", given).folder
        assert {p.name: p.read_bytes() for p in first.iterdir()} == {
            p.name: p.read_bytes() for p in folder.iterdir()
        }
        requests.clear()
        assert bundles.fetch_bundle(URI, manifest.digest, tmp_path / "cache", given).folder == first
        assert requests == ["manifest.json"]
        # A copy that went bad on this disk is fetched again.
        (first / "encoders.json").write_text("{}")
        assert bundles.fetch_bundle(URI, manifest.digest, tmp_path / "cache", given).folder == first
        assert (first / "encoders.json").read_bytes() == (folder / "encoders.json").read_bytes()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.name]


def test_wrong_digest_or_missing_file_is_not_retried(bundle, tmp_path):
    folder, manifest = bundle
    with store(folder) as (endpoint, requests):
        with pytest.raises(BundleError, match=manifest.digest):
            bundles.fetch_bundle(URI, "0" * 64, tmp_path, settings(tmp_path, endpoint))
        assert requests == ["manifest.json"]
    for status, said, kind in (
        (404, "does not exist", BundleError),
        (403, "HTTP 403 to the key k ", StoreRefused),
    ):
        with store(folder, lambda n, name: status if "model" in name else None) as (url, requests):  # noqa: B023
            with pytest.raises(kind, match=said):
                bundles.fetch_bundle(URI, "", tmp_path / "c", settings(tmp_path, url))
            assert requests.count("model.ubj") == 1
    assert list((tmp_path / "c").iterdir()) == []


def test_access_is_checked_with_the_key_and_not_with_the_object(bundle, tmp_path):
    for status, kind in ((200, None), (404, None), (403, StoreRefused), (503, StoreUnavailable)):
        with store(bundle[0], lambda n, name: status if status != 200 else None) as (url, _):  # noqa: B023
            given = settings(tmp_path, url)
            with pytest.raises(kind) if kind else nullcontext():
                bundles.check_access(URI, given)
    bundles.check_access(str(bundle[0]), settings(tmp_path, ""))


def test_damaged_download_leaves_no_cache_entry(bundle, tmp_path):
    import shutil

    spoilt = tmp_path / "spoilt"
    shutil.copytree(bundle[0], spoilt)
    content = bytearray((spoilt / "model.ubj").read_bytes())
    content[1000] ^= 1
    (spoilt / "model.ubj").write_bytes(content)
    with store(spoilt) as (endpoint, _), pytest.raises(BundleError, match=r"model\.ubj"):
        bundles.fetch_bundle(URI, "", tmp_path / "cache", settings(tmp_path, endpoint))
    assert list((tmp_path / "cache").iterdir()) == []


def test_manifest_cannot_write_outside_its_folder(bundle, tmp_path):
    evil = tmp_path / "evil"
    evil.mkdir()
    manifest = json.loads((bundle[0] / "manifest.json").read_bytes())
    manifest["files"] = {"../../stolen": "0"}
    (evil / "manifest.json").write_text(json.dumps(manifest))
    with store(evil) as (endpoint, _), pytest.raises(BundleError, match="stolen"):
        bundles.fetch_bundle(URI, "", tmp_path / "cache", settings(tmp_path, endpoint))


def test_server_errors_are_retried_and_no_answer_is_store_unavailable(bundle, tmp_path):
    folder, manifest = bundle
    with store(folder, lambda n, _: 503 if n in (1, 3) else None) as (endpoint, requests):
        given = settings(tmp_path, endpoint)
        bundles.fetch_bundle(URI, manifest.digest, tmp_path / "cache", given)
        assert requests[:2] == ["manifest.json"] * 2
    away = settings(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable, match="no answer"):
        bundles.fetch_bundle(URI, manifest.digest, tmp_path / "cache", away)


def test_cache_keeps_the_last_five_bundles(bundle, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bundle[0], copy)
    with store(copy) as (endpoint, _):
        given = settings(tmp_path, endpoint)
        folders = []
        for version in range(1, 9):
            digest = stamp_version(copy, "tasador-price", version).digest
            folders.append(bundles.fetch_bundle(URI, digest, tmp_path / "cache", given).folder)
    assert len(set(folders)) == 8
    assert {path for path in folders if path.exists()} == set(folders[-5:])


def test_signature_equals_botocore(tmp_path, monkeypatch):
    given = settings(tmp_path, "http://127.0.0.1:9000")
    given = given._replace(s3_region="eu-west-1", s3_secret_key="a/b+c")
    when = datetime(2026, 3, 1, 7, 8, 9, tzinfo=UTC)
    path = "/bucket/run%201/bundle/model.ubj"
    ours = bundles.sign(path, "127.0.0.1:9000", given, when)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: when.replace(tzinfo=None))
    request = AWSRequest("GET", f"http://127.0.0.1:9000{path}")
    auth = S3SigV4Auth(Credentials("k", "a/b+c"), "s3", "eu-west-1")
    auth.add_auth(request)
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]
    assert ours["authorization"] == request.headers["Authorization"]
