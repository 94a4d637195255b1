"""Signatures of bundles: Ed25519 itself, and what is refused where bundles must be signed."""

import base64
import dataclasses
import hashlib
import json
import os
import random
import subprocess
import sys
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tasador.errors import BundleError, ConfigurationError, SignatureError
from tasador.local import endpoints
from tasador.model import ed25519, manifest
from tasador.model.bundle_writer import stamp_version
from tasador.model.model_ref import ModelRef
from tasador.model.signature import (
    SIGNATURE,
    read_public_keys,
    signed_bytes,
    write_signature,
)
from tasador.settings import CHECKOUT, Settings
from tasador.stores import bundles, signing
from tests.kit.bundle_store import URI, store
from tests.kit.models import make_bundle

# RFC 8032, section 7.1: private key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize("vector", VECTORS)
def test_vectors_of_the_standard(vector):
    private, public, message, signature = map(bytes.fromhex, vector)
    assert Ed25519PrivateKey.from_private_bytes(private).sign(message) == signature
    assert ed25519.is_valid(signature, message, public)
    assert not ed25519.is_valid(signature, message + b"x", public)


def test_verification_agrees_with_cryptography_on_random_and_broken_signatures():
    draw = random.Random(8032)
    for size in range(60):
        key = Ed25519PrivateKey.from_private_bytes(draw.randbytes(32))
        public, message = key.public_key().public_bytes_raw(), draw.randbytes(size * 7)
        signature = key.sign(message)
        assert ed25519.is_valid(signature, message, public)
        broken = bytearray(signature)
        broken[draw.randrange(64)] ^= 1 << draw.randrange(8)
        assert not ed25519.is_valid(bytes(broken), message, public)
        other = Ed25519PrivateKey.from_private_bytes(draw.randbytes(32)).public_key()
        assert not ed25519.is_valid(signature, message, other.public_bytes_raw())


def test_only_the_shortest_form_of_a_signature_is_valid():
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"m")
    scalar = int.from_bytes(signature[32:], "little") + ed25519._ORDER
    assert not ed25519.is_valid(signature[:32] + scalar.to_bytes(32, "little"), b"m", public)
    for wrong in (b"", signature[:63], signature + b"\0"):
        assert not ed25519.is_valid(wrong, b"m", public)
    # No point has this encoding: y is not below the prime, or x has no root.
    for wrong in (b"\xff" * 32, (2).to_bytes(32, "little"), b""):
        assert not ed25519.is_valid(signature, b"m", wrong)


def test_fetching_a_bundle_imports_no_cryptography():
    code = (
        "import sys, functions.fetching; from tasador.model import ed25519;"
        "ed25519.is_valid(bytes(64), b'', bytes(32));"
        "print([m for m in ('cryptography', 'boto3', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


KEY, PUBLIC = signing.new_key()


def sign(folder, key=KEY):
    """Write the folder's signature.json, as the train flow does in the store."""
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key))
    content = (folder / "manifest.json").read_bytes()
    public = private.public_key().public_bytes_raw()
    (folder / SIGNATURE).write_bytes(write_signature(public, private.sign(signed_bytes(content))))


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    return folder, make_bundle(folder, rows=400)


def cluster(home, endpoint="http://127.0.0.1:1", **changes):
    values = {
        "platform": "cluster",
        "s3_endpoint": endpoint,
        "bucket_mlflow": "bucket",
        "signing_public_keys": PUBLIC,
    }
    return Settings(home=home, **{**values, **changes})


def fetch(folder, tmp_path, digest="", **changes):
    with store(folder) as (endpoint, _):
        return bundles.fetch_bundle(
            URI, digest, tmp_path / "cache", cluster(tmp_path, endpoint, **changes)
        )


def test_signed_bundle_is_loaded(bundle, tmp_path):
    folder, written = bundle
    sign(folder)
    assert fetch(folder, tmp_path, written.digest).manifest == written


def test_unsigned_bundle_is_refused_outside_the_embedded_platform(bundle, tmp_path):
    folder, written = bundle
    with pytest.raises(SignatureError, match="`tasador sign 3`"):
        fetch(folder, tmp_path, written.digest)
    assert fetch(folder, tmp_path, platform="embedded").manifest == written
    with pytest.raises(ConfigurationError, match="TASADOR_SIGNING_PUBLIC_KEYS is not set"):
        fetch(folder, tmp_path, signing_public_keys="")


def forge(folder, name="model.ubj"):
    """Change one byte and compute every digest again, as a client with the store's keys can."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    known = manifest.read_manifest(folder)
    files = known.files | {name: hashlib.sha256(content).hexdigest()}
    forged = manifest.sealed(known._replace(files=files))
    manifest.write_manifest(folder, forged)
    return forged


@pytest.mark.parametrize("platform", ["cluster", "embedded"])
@pytest.mark.parametrize("name", [f for f in manifest.FILES if f != "golden.json"])
def test_one_changed_byte_is_refused_with_every_digest_made_right(bundle, tmp_path, platform, name):
    folder, _ = bundle
    sign(folder)
    forged = forge(folder, name)
    assert manifest.read_verified(folder, forged.digest)  # nothing but the signature shows it
    with pytest.raises(SignatureError, match="changed after it was signed"):
        fetch(folder, tmp_path, forged.digest, platform=platform)


def test_signature_covers_name_and_version(bundle, tmp_path):
    folder, written = bundle
    sign(folder)
    for name, version in (("tasador-price", 4), ("other", 3)):
        stamp_version(folder, name, version)
        with pytest.raises(SignatureError, match="changed after"):
            fetch(folder, tmp_path, written.digest)


def test_bundle_signed_by_a_stranger_is_refused(bundle, tmp_path):
    folder, written = bundle
    sign(folder, signing.new_key()[0])
    with pytest.raises(SignatureError, match="a key that is not in TASADOR_SIGNING_PUBLIC_KEYS"):
        fetch(folder, tmp_path, written.digest)
    (folder / SIGNATURE).write_text('{"algorithm": "none", "public_key": "", "signature": ""}')
    with pytest.raises(SignatureError, match="the algorithm is 'none'"):
        fetch(folder, tmp_path, written.digest)
    (folder / SIGNATURE).write_text("[]")
    with pytest.raises(SignatureError, match="cannot be read"):
        fetch(folder, tmp_path, written.digest)


def test_old_key_is_accepted_until_it_is_removed(bundle, tmp_path):
    folder, written = bundle
    sign(folder)
    new, public = signing.new_key()
    fetch(folder, tmp_path, written.digest, signing_public_keys=f"{public}, {PUBLIC}")
    with pytest.raises(SignatureError, match="`tasador sign 3` signs it again"):
        fetch(folder, tmp_path, written.digest, signing_public_keys=public)
    sign(folder, new)
    fetch(folder, tmp_path, written.digest, signing_public_keys=public)


@pytest.mark.parametrize(
    "uri", ["s3://elsewhere/run 1/bundle", "s3://bucketx/b", "file:///b", "/b"]
)
def test_bundle_outside_the_registrys_bucket_is_refused_unread(tmp_path, uri):
    # Nothing listens at the endpoint: a request would fail with another error.
    with pytest.raises(BundleError, match=r"not in s3://bucket \(TASADOR_BUCKET_MLFLOW\)"):
        bundles.fetch_bundle(uri, "", tmp_path, cluster(tmp_path))


def test_download_that_was_changed_on_the_disk_is_not_used(bundle, tmp_path):
    folder, written = bundle
    sign(folder)
    first = fetch(folder, tmp_path, written.digest).folder
    forge(first)
    assert fetch(folder, tmp_path).manifest == written


def test_lake_verifies_before_it_signs(bundle, tmp_path):
    from tasador.stores.lake import Lake

    folder, written = bundle
    model = ModelRef("tasador-price", 3, written.digest, URI)
    given = cluster(tmp_path)._replace(signing_key=KEY)

    class Folder(Lake):
        def __init__(self):
            self.trust = bundles.trust_of(given)

        def download_folder(self, uri, into):
            for path in folder.iterdir():
                (into_path := os.path.join(into, path.name))
                with open(into_path, "wb") as file:
                    file.write(path.read_bytes())
            return type(folder)(into)

        def put_bytes(self, bucket, key, content):
            assert (bucket, key) == ("bucket", "run 1/bundle/signature.json")
            (folder / SIGNATURE).write_bytes(content)

    lake = Folder()
    with pytest.raises(SignatureError, match=r"no signature\.json"):
        lake.load_bundle(model)
    assert lake.load_bundle(model, signed=False).manifest == written
    with pytest.raises(BundleError, match="another model"):
        signing.sign_bundle(given, lake, dataclasses.replace(model, digest="0" * 64))
    with pytest.raises(BundleError, match="says that it is tasador-price@3"):
        signing.sign_bundle(given, lake, dataclasses.replace(model, version=4))
    assert not (folder / SIGNATURE).exists()
    assert signing.sign_bundle(given, lake, model)
    assert lake.load_bundle(model).manifest == written
    first = (folder / SIGNATURE).read_bytes()
    signing.sign_bundle(given, lake, model)
    assert (folder / SIGNATURE).read_bytes() == first
    forge(folder)
    with pytest.raises(SignatureError):
        lake.load_bundle(dataclasses.replace(model, digest=""))
    # A person reads which bundle it is, and not where it was downloaded to.
    (folder / "manifest.json").unlink()
    for signed in (True, False):
        with pytest.raises(BundleError, match=f"^{URI} is not a model bundle"):
            lake.load_bundle(model, signed=signed)


def test_signing_key_must_be_set_and_its_public_key_trusted(tmp_path):
    lake = SimpleNamespace(trust=bundles.trust_of(cluster(tmp_path)))
    model = ModelRef("m", 1, "d", URI)
    assert signing.sign_bundle(Settings(home=tmp_path), lake, model) is False
    with pytest.raises(ConfigurationError, match="TASADOR_SIGNING_KEY not set"):
        signing.sign_bundle(cluster(tmp_path), lake, model)
    with pytest.raises(ConfigurationError, match="not in TASADOR_SIGNING_PUBLIC_KEYS"):
        signing.sign_bundle(cluster(tmp_path, signing_key=signing.new_key()[0]), lake, model)


@pytest.mark.parametrize(
    "text", ["x", "AAAA", PUBLIC[:-4], f"{PUBLIC},é"], ids=["x", "short", "cut", "not ASCII"]
)
def test_unreadable_key_is_refused_without_being_shown(text):
    with pytest.raises(
        ConfigurationError, match="TASADOR_SIGNING_PUBLIC_KEYS holds a key"
    ) as error:
        read_public_keys(text)
    assert text not in str(error.value)


def test_embedded_platform_makes_its_key_once_in_a_private_file(tmp_path):
    first = endpoints.settle(
        tmp_path, ["postgres", "objects", "mlflow", "gateway"], lambda _: False
    )
    assert (tmp_path / "endpoints.env").stat().st_mode & 0o777 == 0o600
    assert signing.public_key_of(first.signing_key) == first.signing_public_keys
    again = endpoints.settle(
        tmp_path, ["postgres", "objects", "mlflow", "gateway"], lambda _: False
    )
    assert again.signing_key == first.signing_key


def test_signature_file_is_plain_json(bundle):
    sign(bundle[0])
    content = json.loads((bundle[0] / SIGNATURE).read_bytes())
    assert content.keys() == {"algorithm", "public_key", "signature"}
    assert content["public_key"] == PUBLIC
