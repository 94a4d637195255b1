"""Bundles: every byte is checked before use, and the error names the file."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from tasador.engine.fast_engine import fast_engine
from tasador.errors import BundleError
from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing, read_row
from tasador.model.array_file import to_npz
from tasador.model.bundle import Bundle
from tasador.model.bundle_writer import stamp_measures, stamp_version, write_bundle
from tasador.model.confidence import CLASSES, FIGURES
from tasador.model.contributions import explain
from tasador.model.factors import Factors
from tasador.model.features import FEATURE_NAMES
from tasador.model.golden import GOLDEN_TOLERANCE, GoldenRow
from tasador.model.intervals import GROUPS, LEVELS
from tasador.model.manifest import (
    ENCODERS,
    FILES,
    FILLED,
    GOLDEN,
    MANIFEST,
    MODEL,
    SPREAD,
    TABLES,
    TREES,
    read_verified,
    sealed,
    write_manifest,
)
from tasador.source.simulator import generate
from tasador.training.boosting import import_xgboost
from tasador.training.encoding import fit_all_rows
from tasador.training.rows import prepare_rows

EVERY_FILE = (MANIFEST, *FILES)


@pytest.fixture(scope="module")
def trained():
    """Encoders, small boosters and golden rows with the answers of the training engine."""
    listings = simulated()
    return fitted(listings, fit_all_rows(prepare_rows(arrays_of(listings))))


def simulated():
    read = [read_row(raw) for raw in generate(6, "steady", 0, 500)]
    return [listing for listing, problems in read if not problems]


def fitted(listings, encoders):
    xgboost = import_xgboost()
    columns = arrays_of(listings)
    matrix = encoders.transform(columns)
    training = xgboost.DMatrix(matrix, np.log(columns["price"]) - encoders.blend.log_prices(matrix))
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, training, 20)
    # The error has the same size for every listing, so the tree never splits.
    sizes = xgboost.DMatrix(matrix, np.full(len(matrix), np.log(0.5)))
    spread = xgboost.train({"max_depth": 1, "nthread": 1}, sizes, 1)
    prices = np.exp(encoders.blend.log_prices(matrix) + booster.predict(training).astype(float))
    golden = [GoldenRow(listings[n], float(prices[n])) for n in range(5)]
    return encoders, booster, spread, golden


def write(folder, trained, golden=None, created="2026-01-01T00:00:00+00:00", size_factors=None):
    encoders, booster, spread, answers = trained
    return write_bundle(
        folder,
        encoders=encoders,
        booster=booster,
        spread=spread,
        intervals={
            level: {key: [0.2 + n / 10, 0.3 + n / 10] for key in GROUPS}
            for n, level in enumerate(LEVELS)
        },
        size_factors=size_factors or Factors([], [], {}),
        golden=answers if golden is None else golden,
        data={"rows": 500, "properties": 490, "batch_ids": ["a"], "fingerprint": "f"},
        params={"max_depth": 3},
        states=["Florida"],
        name="tasador-price",
        git_sha="abc",
        created=created,
    )


@pytest.fixture
def folder(trained, tmp_path):
    write(tmp_path / "bundle", trained)
    return tmp_path / "bundle"


def test_load_returns_what_was_written(trained, folder):
    bundle = Bundle.load(folder)
    again = read_verified(folder, bundle.manifest.digest)
    assert bundle.manifest == read_verified(folder).manifest == again.manifest
    assert (bundle.manifest.version, bundle.manifest.git_sha) == (0, "abc")
    assert set(bundle.manifest.files) == set(FILES)
    assert bundle.check_golden() <= 1e-6
    answer = bundle.predict_one(trained[3][0][0])
    low, high = answer["intervals"]["80"]
    assert high / answer["price"] == pytest.approx(np.exp(0.15), rel=1e-5)
    assert low / answer["price"] == pytest.approx(np.exp(-0.1), rel=1e-5)
    # Answers must be plain JSON.
    assert json.loads(json.dumps(answer)) == answer


CONFIDENCE = {
    "widths": [0.3],
    "factors": [0.7],
    "states": {},
    "classes": {name: dict.fromkeys(FIGURES) for name in CLASSES},
}


def test_digest_ignores_time_name_version_and_metrics(trained, folder, tmp_path):
    digest = read_verified(folder).manifest.digest
    assert write(tmp_path / "later", trained, created="2027-01-01T00:00:00+00:00").digest == digest
    assert stamp_version(folder, "other-name", 7).digest == digest
    assert stamp_measures(folder, {"r2": 0.5}, {"groups": []}, CONFIDENCE).digest == digest
    manifest = Bundle.load(folder, digest).manifest
    assert (manifest.name, manifest.version, manifest.metrics) == ("other-name", 7, {"r2": 0.5})


def test_confidence_of_another_form_is_an_error(folder):
    stamp_measures(folder, {}, {}, {"rows": 40})
    with pytest.raises(BundleError, match=r"manifest\.json: confidence cannot be read: .*classes"):
        Bundle.load(folder)


@pytest.mark.parametrize("name", EVERY_FILE)
@pytest.mark.parametrize("where", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_load_names_file_with_flipped_byte(folder, name, where):
    path = folder / name
    content = bytearray(path.read_bytes())
    # JSON files end with a line break, which carries no content.
    place = int(where * (len(content.rstrip()) - 1))
    content[place] ^= 0x01
    path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", EVERY_FILE)
def test_load_names_missing_or_truncated_file(folder, name):
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


def test_load_refuses_other_digest(folder):
    with pytest.raises(BundleError, match="holds another model"):
        Bundle.load(folder, "0" * 64)


def test_changed_interval_changes_digest(folder):
    manifest = read_verified(folder).manifest
    wider = {level: {key: [9.0, 9.0] for key in GROUPS} for level in LEVELS}
    changed = {**manifest._asdict(), "intervals": wider}
    write_manifest(folder, type(manifest)(**changed))
    with pytest.raises(BundleError, match=r"manifest\.json is damaged: its digest"):
        Bundle.load(folder)
    # With a new digest it is valid, but not the requested model.
    write_manifest(folder, sealed(type(manifest)(**changed)))
    Bundle.load(folder)
    with pytest.raises(BundleError, match="holds another model"):
        Bundle.load(folder, manifest.digest)


def test_factors_widen_the_interval_by_size_and_state(trained, tmp_path):
    # The predicted size is 0.5 for every listing.
    factors = Factors([0.4, 0.6], [1.0, 2.0], {"Florida": 1.2})
    manifest = write(tmp_path, trained, size_factors=factors)
    bundle = Bundle.load(tmp_path, manifest.digest)
    listing = trained[3][0].listing._replace(state="Florida")
    for state, factor in (("Florida", 1.8), ("Atlantis", 1.5), (None, 1.5)):
        answer = bundle.predict_one(listing._replace(state=state))
        table = bundle.predict(arrays_of([listing._replace(state=state)]))
        for low, high in (answer["intervals"]["80"], (table.low["80"][0], table.high["80"][0])):
            assert high / low == pytest.approx(np.exp(0.5 * 0.5 * factor), rel=1e-5)
    # An older bundle has none, and keeps its digest.
    write(tmp_path, trained)
    old = sealed(manifest._replace(format=6, size_factors={}))
    content = old._asdict()
    write_manifest(tmp_path, old)
    stored = json.loads((tmp_path / MANIFEST).read_text())
    assert stored["size_factors"] == {}
    assert sealed(type(old)(**{**content, "size_factors": {"sizes": []}})).digest == old.digest
    assert Bundle.load(tmp_path, old.digest).manifest == old


def test_load_names_malformed_factors(folder):
    manifest = read_verified(folder).manifest
    write_manifest(folder, sealed(manifest._replace(size_factors={"sizes": [1.0]})))
    with pytest.raises(BundleError, match=r"size_factors cannot be read"):
        Bundle.load(folder)


@pytest.mark.parametrize("number", [99, None, "4", [4], {}])
def test_load_refuses_other_format(folder, number):
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "format": number}))
    with pytest.raises(BundleError, match="not of bundle format"):
        Bundle.load(folder)
    path.write_text("[]")
    with pytest.raises(BundleError, match="not of bundle format"):
        Bundle.load(folder)


def test_check_golden_reports_difference(trained, tmp_path):
    wrong = [row._replace(price=row.price * 1.001) for row in trained[3]]
    write(tmp_path / "wrong", trained, golden=wrong)
    assert Bundle.load(tmp_path / "wrong").check_golden() == pytest.approx(1e-3, rel=0.01)
    assert Bundle.load(tmp_path / "wrong").check_golden() > GOLDEN_TOLERANCE
    write(tmp_path / "none", trained, golden=[])
    with pytest.raises(BundleError, match=r"golden\.json holds no rows"):
        Bundle.load(tmp_path / "none").check_golden()


NO_TREES = to_npz({"price.roots": np.arange(3)})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (MODEL, b"{}"),
        (SPREAD, b"{}"),
        (ENCODERS, b"[]"),
        (TABLES, b"no npz"),
        (TREES, b"no npz"),
        (TREES, NO_TREES),
        (GOLDEN, b"{"),
        (GOLDEN, b'[{"listing": {}}]'),
        (GOLDEN, b'[{"listing": {"bed": "many"}, "price": 1}]'),
    ],
)
def test_load_names_intact_file_with_unreadable_content(folder, name, content):
    manifest = read_verified(folder).manifest
    (folder / name).write_bytes(content)
    files = {**manifest.files, name: hashlib.sha256(content).hexdigest()}
    write_manifest(folder, sealed(type(manifest)(**{**manifest._asdict(), "files": files})))
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder).stored_trees()
    assert str(folder) in str(caught.value)
    assert name in str(caught.value)


def as_format_4(folder):
    """Turn the bundle into one of format 4, which has no arrays of its trees."""
    manifest = read_verified(folder).manifest
    for name in (TREES, *FILLED):
        (folder / name).unlink()
    files = {n: digest for n, digest in manifest.files.items() if n not in (TREES, *FILLED)}
    old = sealed(type(manifest)(**{**manifest._asdict(), "files": files, "format": 4}))
    write_manifest(folder, old)
    return old


def test_format_4_is_served_by_the_library(trained, folder):
    listings = [row.listing for row in trained[3]]
    new = Bundle.load(folder)
    assert new.stored_trees() is not None
    expected = [new.predict_one(listing) for listing in listings]
    old = as_format_4(folder)
    assert old.digest != new.manifest.digest
    bundle = Bundle.load(folder, old.digest)
    assert bundle.stored_trees() is None
    assert bundle.check_golden() <= 1e-6
    assert [bundle.predict_one(listing) for listing in listings] == expected
    # A label does not change the format, and so neither the digest.
    assert stamp_version(folder, "tasador-price", 3).digest == old.digest
    assert Bundle.load(folder, old.digest).manifest.format == 4


@pytest.mark.parametrize(
    ("format_number", "absent"),
    [(5, ["latitude", "longitude", "home_value"]), (7, ["home_value"])],
)
def test_older_formats_are_served_with_their_features(trained, tmp_path, format_number, absent):
    """A champion that was promoted before serves on, with the features that it has."""
    encoders = trained[0]
    places = replace(encoders.places, home_value=None)
    if "latitude" in absent:
        places = replace(places, coordinates=None)
    old = fitted(simulated(), encoders._replace(places=places))
    manifest = write(tmp_path, old)
    assert manifest.features == [name for name in FEATURE_NAMES if name not in absent]
    write_manifest(tmp_path, sealed(manifest._replace(format=format_number)))
    bundle = Bundle.load(tmp_path)
    assert bundle.check_golden() <= 1e-6
    listing = old[3][0].listing
    bundle.engine = fast_engine(bundle.engine, bundle.stored_trees(), explains=True)
    explanation = explain(bundle, listing)
    assert explanation.price == bundle.predict_one(listing)["price"]
    assert not set(absent) & {c.feature for c in explanation.contributions}


def test_fast_engine_gives_the_same_prices(trained, folder):
    bundle = Bundle.load(folder)
    listings = [*(row.listing for row in trained[3]), Listing()]
    columns = arrays_of(listings)
    singles = [bundle.predict_one(listing) for listing in listings]
    table = bundle.predict(columns)
    bundle.engine = fast_engine(bundle.engine, bundle.stored_trees(), explains=True)
    assert [bundle.predict_one(listing) for listing in listings] == singles
    assert np.array_equal(bundle.predict(columns).price, table.price)


def test_predict_tables_of_zero_and_two_rows(trained, folder):
    bundle = Bundle.load(folder)
    none = bundle.predict(arrays_of([]))
    assert (len(none.price), none.missing) == (0, [])
    two = bundle.predict(arrays_of([Listing(), trained[3][0][0]]))
    assert np.isfinite(two.price).all()
    assert len(two.missing) == 2


def test_a_large_table_keeps_the_order_of_its_rows(trained, folder):
    """It is priced by zip code, by several threads."""
    bundle = Bundle.load(folder)
    listings = [row.listing for row in trained[3]]
    listings = [each._replace(house_size=900 + n) for n in range(400) for each in listings][:2100]
    table = bundle.predict(arrays_of(listings))
    assert len({listing.zip_code for listing in listings}) > 1
    rows = range(0, len(listings), 7)
    singles = [bundle.predict_one(listings[row]) for row in rows]
    assert table.price[rows] == pytest.approx([single["price"] for single in singles])
    for n, end in enumerate((table.low["80"], table.high["80"])):
        assert end[rows] == pytest.approx([single["intervals"]["80"][n] for single in singles])
