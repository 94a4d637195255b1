"""The score flow on the real platform: killed and started again, it prices each row once."""

import csv
import json
import os
import uuid

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasador.errors import ConfigurationError, RegistryError
from tasador.listings.csv_file import TableError
from tasador.listings.listing import COLUMNS
from tasador.model.bundle import Bundle
from tasador.scoring import verbs
from tasador.scoring.part_prices import Scored
from tasador.scoring.price_file import score_csv
from tasador.source.simulator import generate
from tasador.stores.buckets import Buckets
from tasador.stores.lake import Lake
from tests.kit.flows import Flow, card_text
from tests.kit.models import make_bundle
from tests.kit.records import make_decision

ROWS = 1_200
PART = 20_000


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    make_bundle(folder, version=1)
    return folder


@pytest.fixture(scope="module")
def settings(database, warehouse, bundle):
    """A platform whose newest promotion is the bundle, not signed: that is for a cluster."""
    lake = Lake(database)
    lake.ensure_buckets()
    uri = lake.upload_folder(bundle, f"s3://{database.bucket_mlflow}/{uuid.uuid4().hex}/bundle")
    warehouse.record_decision(
        make_decision(
            version=1, digest=Bundle.load(bundle).manifest.digest, model_uri=uri, training_id="t1"
        )
    )
    return database


@pytest.fixture
def listings(tmp_path):
    """A CSV with ids, and two values that are refused."""
    path = tmp_path / "in.csv"
    rows = list(generate(11, "steady", 0, ROWS))
    rows[3]["bed"], rows[ROWS - 1]["bed"] = "lots", "many"
    # Another file in each test, so another job.
    rows[0]["city"] = f"Town {uuid.uuid4().hex[:6]}"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("id", *COLUMNS), extrasaction="ignore")
        writer.writeheader()
        writer.writerows({**row, "id": f"row-{n}"} for n, row in enumerate(rows))
    return path


def prices_of(settings, job):
    """The Parquet files of a job as one table."""
    lake = Lake(settings)
    return pa.concat_tables(
        pq.read_table(pa.BufferReader(lake.get_bytes(uri)))
        for uri in lake.objects(verbs.uri_of(settings, job))
    )


def recorded(settings, job):
    """The rows of raw.inference_logs by id."""
    connection = psycopg2.connect(settings.database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "select prediction_id, price, listing, intervals, correlation_id, confidence"
                " from raw.inference_logs where revision = %s order by 1",
                [f"score-{job.job_id}"],
            )
            return {row[0]: row[1:] for row in cursor.fetchall()}
    finally:
        connection.close()


def score_by_verbs(settings, listings, **options):
    job = verbs.plan(settings, str(listings), part_bytes=PART, **options)
    scored = verbs.price(settings, job, range(len(job.offsets)))
    return job, verbs.finish(settings, job, scored)


def test_prices_are_those_of_tasador_score(settings, bundle, listings, tmp_path):
    summary = score_csv(bundle, listings, tmp_path / "out.csv", keys=["id"])
    job, whole = score_by_verbs(settings, listings, keys=["id"], record="on")
    assert len(job.offsets) > 3
    assert (whole.rows, whole.rows_with_problems) == (ROWS, 2)
    assert (whole.problems, whole.examples) == (summary.problems, summary.examples)
    assert sum(whole.prices) == ROWS
    table = prices_of(settings, job)
    with (tmp_path / "out.csv").open() as file:
        expected = list(csv.DictReader(file))
    assert table["id"].to_pylist() == [row["id"] for row in expected]
    for name in ("price", "lo90", "hi90", "fsd"):
        wanted = np.array([float(row[name]) for row in expected])
        np.testing.assert_allclose(table[name].to_numpy(), wanted, rtol=1e-6, err_msg=name)
    assert [";".join(each) for each in table["missing"].to_pylist()] == [
        row["missing"] for row in expected
    ]
    assert table["problems"].to_pylist()[3] == [expected[3]["problems"]]
    rows = recorded(settings, job)
    assert list(rows) == sorted(table["prediction_id"].to_pylist())
    price, listing, intervals, correlation_id, confidence = rows[table["prediction_id"][5].as_py()]
    assert price == pytest.approx(table["price"][5].as_py(), abs=0.01)
    assert intervals["90"][0] == pytest.approx(table["lo90"][5].as_py(), abs=0.01)
    assert confidence["class"] == table["confidence"][5].as_py()
    assert set(listing) == set(COLUMNS) - {"price"}
    assert correlation_id == "c-1"
    # The file's parts are deleted, and the result stays.
    result = json.loads(
        Lake(settings).get_bytes(f"s3://{settings.bucket_clean}/scores/{job.job_id}/job.json")
    )
    assert Scored(**result["scored"]) == whole
    assert Lake(settings).objects(f"s3://{settings.bucket_clean}/scores/{job.job_id}/in/") == []


def test_rows_that_are_no_listings_have_no_price_and_no_record(settings, bundle, tmp_path):
    town = f"Town {uuid.uuid4().hex[:6]}"
    path = tmp_path / "in.csv"
    path.write_text(f"id,city,bed\n1,{town},3\n2,{town}\n,,\n4,Atlantis,2\n5,{town},3,4\n")
    summary = score_csv(bundle, path, tmp_path / "out.csv", keys=["id"])
    job, whole = score_by_verbs(settings, path, keys=["id"], record="on")
    assert (whole.rows, whole.unpriced, sum(whole.prices)) == (5, 3, 2)
    assert (summary.unpriced, summary.problems) == (3, whole.problems)
    table = prices_of(settings, job)
    with (tmp_path / "out.csv").open() as file:
        expected = list(csv.DictReader(file))
    assert table["id"].to_pylist() == [row["id"] for row in expected] == ["1", "2", "", "4", "5"]
    prices = ["" if price is None else price for price in table["price"].to_pylist()]
    assert prices == [row["price"] and pytest.approx(float(row["price"])) for row in expected]
    assert [bool(price) for price in prices] == [True, False, False, True, False]
    for name in ("problems", "warnings"):
        said = ["; ".join(each or ()) for each in table[name].to_pylist()]
        assert said == [row[name] for row in expected]
    assert expected[3]["warnings"].startswith("city 'Atlantis'")
    ids = table["prediction_id"].to_pylist()
    assert list(recorded(settings, job)) == [ids[0], ids[3]]


def test_file_without_a_listing_has_no_price(settings, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(f"id,{uuid.uuid4().hex},bed\n,,\n")
    _, whole = score_by_verbs(settings, path, record="on")
    assert (whole.rows, whole.unpriced, sum(whole.prices)) == (1, 1, 0)


@pytest.mark.parametrize("name", ["put_file", "put_bytes", "copy_predictions"])
def test_part_that_breaks_off_after_a_write_is_repeated_without_another_row(
    settings, listings, monkeypatch, name
):
    job = verbs.plan(settings, str(listings), part_bytes=PART, record="on")
    owner = verbs.Warehouse if name == "copy_predictions" else Buckets
    original = getattr(owner, name)

    def broken(self, *arguments):
        original(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken)
        with pytest.raises(KeyboardInterrupt):
            verbs.price(settings, job, range(len(job.offsets)))
    assert verbs.plan(settings, str(listings), part_bytes=PART, record="on") == job
    scored = verbs.price(settings, job, range(len(job.offsets)))
    assert sum(each.rows for each in scored) == ROWS
    assert len(recorded(settings, job)) == prices_of(settings, job).num_rows == ROWS


def test_finished_job_is_not_repeated_unless_its_objects_are_gone(settings, listings):
    job, whole = score_by_verbs(settings, listings)
    assert recorded(settings, job) == {}
    lake = Buckets(settings)
    before = lake.get_bytes(lake.objects(verbs.uri_of(settings, job))[0])
    again, repeated = score_by_verbs(settings, listings)
    assert (again, repeated) == (job, whole)
    lake.delete(settings.bucket_clean, [job.key("parts", 0, ".json")])
    third, _ = score_by_verbs(settings, listings)
    assert (third.job_id, third.offsets) == (job.job_id, job.offsets)
    assert lake.get_bytes(lake.objects(verbs.uri_of(settings, job))[0]) == before


def test_refusals_name_what_is_wrong(settings, listings, tmp_path):
    with pytest.raises(TableError, match=r"none\.csv is no file: --listings is a path or s3://"):
        verbs.plan(settings, str(tmp_path / "none.csv"))
    with pytest.raises(RegistryError, match="version 9 of tasador-price was never promoted"):
        verbs.plan(settings, str(listings), version=9)
    with pytest.raises(ConfigurationError, match="--record is 'yes'; it must be on or off"):
        verbs.plan(settings, str(listings), record="yes")
    with pytest.raises(ConfigurationError, match="TASADOR_SCORE_RECORDING is 'yes'"):
        verbs.plan(settings._replace(score_recording="yes"), str(listings))
    job = verbs.plan(settings, str(listings), part_bytes=PART, keys=["nothing"])
    with pytest.raises(TableError, match=r"in\.csv, part 0 has no column nothing"):
        verbs.price(settings, job, [0])


def test_flow_killed_and_started_again_prices_each_row_once(settings, listings, tmp_path, checkout):
    uri = Lake(settings).put_file(settings.bucket_raw, f"{uuid.uuid4().hex}.csv", listings)

    def start():
        options = ("--listings", uri, "--key", "id", "--record", "on", "--tasks", "2")
        options = (*options, "--part-bytes", str(PART))
        return Flow("score", settings, tmp_path, checkout, "run", *options)

    flow = start()
    flow.wait_until(lambda: any("part 0: " in line for line in flow.lines))
    flow.kill()
    flow = start()
    code, output = flow.end()
    assert code == 0, output
    assert "it goes on" in output
    assert f"{ROWS:,} rows priced by tasador-price@1" in output
    job = verbs.plan(settings, uri, part_bytes=PART, keys=["id"], record="on")
    table = prices_of(settings, job)
    assert table["id"].to_pylist() == [f"row-{n}" for n in range(ROWS)]
    assert len(recorded(settings, job)) == ROWS
    card = card_text("score", "join", tmp_path, checkout)
    assert "1,200 listings priced by tasador-price@1" in card
    assert "in line 5: bed is not a number" in card
    assert os.path.basename(uri) in card
