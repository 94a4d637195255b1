"""Bundles: every byte is checked before use, and the error names the file."""

import hashlib
import json

import numpy as np
import pytest

from tasador.errors import BundleError
from tasador.listings.listing import Listing, read_row
from tasador.model.bundle import GOLDEN_TOLERANCE, Bundle
from tasador.model.bundle_writer import stamp_metrics, stamp_version, write_bundle
from tasador.model.features import BASE, arrays_of
from tasador.model.intervals import GROUPS, LEVELS
from tasador.model.manifest import FILES, MANIFEST, read_verified, sealed, write_manifest
from tasador.source.simulator import generate
from tasador.training.encoding import fit_encoders
from tasador.training.study import training_engine

EVERY_FILE = (MANIFEST, *FILES)


@pytest.fixture(scope="module")
def parts():
    """Encoders, small boosters and golden rows with the answers of the training engine."""
    xgboost = training_engine()
    read = [read_row(raw) for raw in generate(6, "steady", 0, 500)]
    listings = [listing for listing, problems in read if not problems]
    columns = arrays_of(listings)
    encoders = fit_encoders(columns)
    matrix = encoders.transform(columns)
    training = xgboost.DMatrix(matrix, np.log(columns["price"]) - matrix[:, BASE])
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, training, 20)
    # Errors of one size, whatever the listing: a tree that never splits says the log of it.
    sizes = xgboost.DMatrix(matrix, np.full(len(matrix), np.log(0.5)))
    spread = xgboost.train({"max_depth": 1, "nthread": 1}, sizes, 1)
    prices = np.exp(matrix[:, BASE] + booster.predict(training).astype(float))
    golden = [(listings[n], float(prices[n])) for n in range(5)]
    return encoders, booster, spread, golden


def write(folder, parts, golden=None, created="2026-01-01T00:00:00+00:00"):
    encoders, booster, spread, answers = parts
    return write_bundle(
        folder,
        encoders=encoders,
        booster=booster,
        spread=spread,
        intervals={
            level: {key: [0.2 + n / 10, 0.3 + n / 10] for key in GROUPS}
            for n, level in enumerate(LEVELS)
        },
        golden=answers if golden is None else golden,
        data={"rows": 500, "properties": 490, "batch_ids": ["a"], "fingerprint": "f"},
        params={"max_depth": 3},
        states=["Florida"],
        name="tasador-price",
        git_sha="abc",
        created=created,
    )


@pytest.fixture
def folder(parts, tmp_path):
    write(tmp_path / "bundle", parts)
    return tmp_path / "bundle"


def test_a_bundle_comes_back_as_it_was_written(parts, folder):
    bundle = Bundle.load(folder)
    again = read_verified(folder, bundle.manifest.digest)
    assert bundle.manifest == read_verified(folder).manifest == again.manifest
    assert (bundle.manifest.version, bundle.manifest.git_sha) == (0, "abc")
    assert set(bundle.manifest.files) == set(FILES)
    assert bundle.check_golden() <= 1e-6
    answer = bundle.predict_one(parts[3][0][0])
    low, high = answer["intervals"]["80"]
    assert high / answer["price"] == pytest.approx(np.exp(0.15), rel=1e-5)
    assert low / answer["price"] == pytest.approx(np.exp(-0.1), rel=1e-5)
    # What a page or an event carries of an answer is plain JSON.
    assert json.loads(json.dumps(answer)) == answer


def test_the_digest_does_not_depend_on_time_name_version_or_measures(parts, folder, tmp_path):
    digest = read_verified(folder).manifest.digest
    assert write(tmp_path / "later", parts, created="2027-01-01T00:00:00+00:00").digest == digest
    assert stamp_version(folder, "other-name", 7).digest == digest
    assert stamp_metrics(folder, {"r2": 0.5}).digest == digest
    manifest = Bundle.load(folder, digest).manifest
    assert (manifest.name, manifest.version, manifest.metrics) == ("other-name", 7, {"r2": 0.5})


@pytest.mark.parametrize("name", EVERY_FILE)
@pytest.mark.parametrize("where", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_flipped_byte_is_found_and_the_file_named(folder, name, where):
    path = folder / name
    content = bytearray(path.read_bytes())
    # The last byte of the JSON files is a line break, which says nothing.
    place = int(where * (len(content.rstrip()) - 1))
    content[place] ^= 0x01
    path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_missing_or_cut_file_is_named(folder, name):
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert name in str(caught.value)
    path.unlink()
    with pytest.raises(BundleError) as caught:
        read_verified(folder)
    assert name in str(caught.value)


def test_another_model_than_asked_for_is_refused(folder):
    with pytest.raises(BundleError, match="holds another model"):
        Bundle.load(folder, "0" * 64)


def test_a_rewritten_interval_makes_another_model(folder):
    manifest = read_verified(folder).manifest
    wider = {level: {key: [9.0, 9.0] for key in GROUPS} for level in LEVELS}
    changed = {**vars_of(manifest), "intervals": wider}
    write_manifest(folder, type(manifest)(**changed))
    with pytest.raises(BundleError, match=r"manifest\.json is damaged: its digest"):
        Bundle.load(folder)
    # Sealed again it is whole, but it is not the model that was asked for.
    write_manifest(folder, sealed(type(manifest)(**changed)))
    Bundle.load(folder)
    with pytest.raises(BundleError, match="holds another model"):
        Bundle.load(folder, manifest.digest)


def vars_of(manifest):
    return {name: getattr(manifest, name) for name in type(manifest).__dataclass_fields__}


def test_a_whole_folder_of_another_format_is_refused(folder):
    path = folder / MANIFEST
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "format": 99}))
    with pytest.raises(BundleError, match="not of bundle format"):
        Bundle.load(folder)
    path.write_text("[]")
    with pytest.raises(BundleError, match="not of bundle format"):
        Bundle.load(folder)


def test_golden_rows_find_an_engine_that_answers_otherwise(parts, tmp_path):
    wrong = [(listing, price * 1.001) for listing, price in parts[3]]
    write(tmp_path / "wrong", parts, golden=wrong)
    assert Bundle.load(tmp_path / "wrong").check_golden() == pytest.approx(1e-3, rel=0.01)
    assert Bundle.load(tmp_path / "wrong").check_golden() > GOLDEN_TOLERANCE
    write(tmp_path / "none", parts, golden=[])
    with pytest.raises(BundleError, match=r"golden\.json holds no rows"):
        Bundle.load(tmp_path / "none").check_golden()


def test_a_model_file_that_is_whole_but_no_model_is_refused(folder):
    manifest = read_verified(folder).manifest
    (folder / "model.ubj").write_bytes(b"{}")
    files = {**manifest.files, "model.ubj": hashlib.sha256(b"{}").hexdigest()}
    write_manifest(folder, sealed(type(manifest)(**{**vars_of(manifest), "files": files})))
    with pytest.raises(BundleError, match=r"model\.ubj"):
        Bundle.load(folder)


def test_tables_of_any_length_are_priced(parts, folder):
    bundle = Bundle.load(folder)
    none = bundle.predict(arrays_of([]))
    assert (len(none.price), none.missing) == (0, [])
    two = bundle.predict(arrays_of([Listing(), parts[3][0][0]]))
    assert np.isfinite(two.price).all()
    assert len(two.missing) == 2
