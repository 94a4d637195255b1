"""What record answers about models, batches, rollouts and monitoring, from the real database."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.kit.functions import function, is_ready
from tests.kit.logins import url_of
from tests.kit.records import (
    WHEN,
    make_batch,
    make_decision,
    make_drift_record,
    make_monitor_record,
    make_prediction,
    make_rollout,
)
from tests.kit.waiting import wait_for

MODEL = "tasador-histories"
CHECK = {"name": "r2", "passed": True, "value": 0.8, "limit": 0.35, "says": "R² is 0.8."}


@pytest.fixture(scope="module")
def record(database, tmp_path_factory):
    env = {"TASADOR_DATABASE_URL": url_of(database, "record"), "TASADOR_MODEL_NAME": MODEL}
    with function("record", tmp_path_factory.mktemp("record"), **env) as client:
        wait_for(lambda: is_ready(client))
        yield client


def decision(version, **changes):
    named = {
        "model_name": MODEL,
        "version": version,
        "digest": f"d{version}",
        "champion_version": version - 1,
        "training_id": f"h{version}",
        "correlation_id": f"h-{version}",
        "metrics": {"r2": 0.7 + version / 100},
        "checks": [CHECK],
    }
    return make_decision(**{**named, **changes})


def test_models_are_answered_before_and_after_decisions(record, warehouse):
    before = record.get("/models").json()
    assert (before["champion"], before["decisions"]) == (None, [])
    assert record.get("/models/1").status_code == 404
    mark = record.get("/changes").json()["mark"]
    first = warehouse.record_decision(decision(1))
    assert record.get("/changes").json()["mark"] != mark
    warehouse.record_decision(decision(2, decision="rejected", reasons=["R² is 0.1"]))
    warehouse.record_rollout(
        make_rollout(model_name=MODEL, version=1, digest="d1", promotion=first.promotion)
    )
    models = record.get("/models", params={"limit": 10}).json()
    assert models["champion"] == 1
    assert [(d["version"], d["decision"]) for d in models["decisions"]] == [
        (2, "rejected"),
        (1, "promoted"),
    ]
    assert models["rollouts"]["serving"] == {"predict": 1}
    assert not models["rollouts"]["healthy"]
    # The list is short: the checks are on the version's own page.
    assert "checks" not in models["decisions"][0]
    one = record.get("/models/2").json()
    assert one["checks"] == [CHECK]
    assert (one["reasons"], one["champion"]["version"]) == (["R² is 0.1"], 1)
    assert one["dossier_uri"] == "s3://mlflow/2/dossier"
    rolled_out = record.get("/models/1").json()["rollouts"]
    assert [(r["service"], r["outcome"]) for r in rolled_out] == [("predict", "serving")]


def test_ledger_has_the_batches_after_a_training(record, warehouse):
    assert record.get("/ledger").json() == {"entries": []}
    warehouse.record_decision(
        decision(7, batch_ids=["l0"], metrics={"median_error": 0.15, "median_ratio": 1.01})
    )
    figures = {"rows": 2000.0, "median_error": 0.2, "median_ratio": 0.9}
    verdicts = {
        # Of a version without a decision, of another digest, trained on it, without figures.
        "l1": (6, "d6", figures),
        "l2": (7, "other", figures),
        "l0": (7, "d7", figures),
        "l3": (7, "d7", None),
        "l4": (7, "d7", figures),
        "l5": (7, "d7", figures),
    }
    for number, (batch_id, (version, digest, measured)) in enumerate(verdicts.items()):
        warehouse.record_drift(
            make_drift_record(
                batch_id=batch_id,
                model_name=MODEL,
                champion_version=version,
                champion_digest=digest,
                scores={} if measured is None else {"performance": {"figures": measured}},
                decided_at=WHEN + timedelta(minutes=number),
            )
        )
    entries = record.get("/ledger").json()["entries"]
    assert [(e["version"], e["batch_id"]) for e in entries] == [(7, "l5"), (7, "l4")]
    assert entries[0]["figures"] == figures
    assert entries[0]["promised"] == {"median_error": 0.15, "median_ratio": 1.01}
    assert len(record.get("/ledger", params={"limit": 1}).json()["entries"]) == 1


def test_batches_have_their_verdicts_and_what_came_of_them(record, warehouse):
    newest = WHEN + timedelta(days=3650)
    for number in (0, 1):
        warehouse.save_batch(
            make_batch(
                batch_id=f"h{number}",
                batch_number=number,
                correlation_id=f"hb-{number}",
                fetched_at=newest + timedelta(hours=number),
            )
        )
    scores = {
        "moved": True,
        "univariate": {"price": {"value": 0.2, "limit": 0.1, "exceeded": True}},
        "performance": {"estimated_error": 0.2},
    }
    warehouse.record_drift(make_drift_record(batch_id="h1", scores=scores))
    warehouse.record_decision(
        decision(3, correlation_id="hb-1", decision="rejected", reasons=["worse"])
    )
    later, earlier = record.get("/batches", params={"limit": 2}).json()["batches"]
    assert (later["batch_id"], earlier["batch_id"]) == ("h1", "h0")
    assert (earlier["verdicts"], earlier["decision"]) == ([], None)
    verdict = later["verdicts"][0]
    assert (verdict["verdict"], verdict["moved"], verdict["hurts"]) == ("drift", True, False)
    assert verdict["scores"]["price"]["exceeded"]
    assert verdict["performance"] == {"estimated_error": 0.2}
    assert (later["decision"]["version"], later["decision"]["reasons"]) == (3, ["worse"])


def test_rollouts_and_monitoring_are_newest_first(record, warehouse):
    for hour in (1, 2):
        window = {"window_to": WHEN + timedelta(days=4000, hours=hour), "model_name": MODEL}
        warehouse.record_monitoring(make_monitor_record(**window, estimated_error=hour / 10))
    checks = record.get("/monitoring", params={"limit": 2}).json()["checks"]
    assert [c["estimated_error"] for c in checks] == [0.2, 0.1]
    assert checks[0]["verdict"] == "hurts"
    assert len(record.get("/rollouts", params={"limit": 1}).json()["rollouts"]) == 1


@pytest.mark.parametrize("path", ["/models", "/batches", "/rollouts", "/monitoring", "/ledger"])
@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "1.5", "٣", ""])
def test_wrong_limits_are_refused(record, path, limit):
    answer = record.get(path, params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"
    for version in ("0", "-1", "x", "9" * 30):
        assert record.get(f"/models/{version}").status_code == 404


def test_lineage_leads_from_a_prediction_to_its_batches(record, warehouse):
    promoted = warehouse.record_decision(
        decision(60, correlation_id="hl", training_id="hl-t", batch_ids=["hl-b"])
    )
    warehouse.save_batch(make_batch(batch_id="hl-b", correlation_id="hl", batch_number=40))
    warehouse.record_drift(make_drift_record(batch_id="hl-b", correlation_id="hl"))
    warehouse.record_rollout(
        make_rollout(
            model_name=MODEL,
            version=60,
            digest="d60",
            promotion=promoted.promotion,
            revision="predict-00060",
        )
    )
    known, unknown = (
        make_prediction(
            model_name=MODEL, model_version=version, model_digest="d60", revision="predict-00060"
        )
        for version in (60, 61)
    )
    warehouse.log_predictions([known, unknown])
    lineage = record.get(f"/predictions/{known.prediction_id}/lineage").json()
    assert lineage["prediction"]["prediction_id"] == known.prediction_id
    assert lineage["decision"]["version"] == 60
    assert [r["revision"] for r in lineage["rollouts"]] == ["predict-00060"]
    assert [(v["batch_id"], v["verdict"]) for v in lineage["verdicts"]] == [("hl-b", "drift")]
    assert [b["batch_number"] for b in lineage["batches"]] == [40]
    assert (lineage["realised"], lineage["problem"]) == (None, "")
    without = record.get(f"/predictions/{unknown.prediction_id}/lineage").json()
    assert (without["decision"], without["batches"]) == (None, [])
    assert "no decision on that version is recorded" in without["problem"]
    assert record.get("/predictions/none/lineage").status_code == 404


def fill(warehouse, batch_id, rows):
    """Clean rows: (price, bed, state, zip code)."""
    insert = text(
        "insert into clean.clean_data (batch_id, row_number, price, bed, state, zip_code,"
        " property_key, holdout) values (:batch, :row, :price, :bed, :state, :zip, '', false)"
    )
    with warehouse._begin() as connection:
        for row, (price, bed, state, zip_code) in enumerate(rows):
            values = {"price": price, "bed": bed, "state": state, "zip": zip_code}
            connection.execute(insert, {"batch": batch_id, "row": row, **values})


def test_distribution_of_a_batch_and_of_what_the_champion_learned_from(record, warehouse):
    champion = warehouse.record_decision(
        decision(70, correlation_id="hd", training_id="hd-t", batch_ids=["hd1", "hd2"])
    )
    for name in ("hd1", "hd2", "hd3"):
        warehouse.save_batch(make_batch(batch_id=name, correlation_id=name))
    fill(warehouse, "hd1", [(100_000, 2, "Ohio", "43001"), (5e6, 3, "Texas", None)])
    fill(warehouse, "hd2", [(100_000, None, "Ohio", "43001")])
    fill(warehouse, "hd3", [(1_000, 3, "Utah", "84001"), (100_000, 30, None, "43002")])
    url = "/batches/hd3/distribution"
    alone = record.get(url).json()
    assert (alone["before"], alone["champion_version"]) == (None, None)
    warehouse.record_drift(
        make_drift_record(
            batch_id="hd3",
            model_name=MODEL,
            champion_version=70,
            champion_digest=champion.digest,
        )
    )
    price = record.get(url).json()
    assert (price["feature"], price["champion_version"]) == ("price", 70)
    sides = [price["batch"]["rows"], price["before"]["rows"]]
    assert [sum(rows) for rows in sides] == [2, 3]
    assert (sides[0][0], sides[1][-1]) == (1, 1), "below and above all edges"
    (bin_,) = (n for n, rows in enumerate(sides[1]) if rows == 2)
    assert price["bins"][bin_]["from"] <= 100_000 < price["bins"][bin_]["to"]
    bed = record.get(url, params={"feature": "bed"}).json()
    assert (bed["batch"]["missing"], bed["before"]["missing"]) == (0, 1)
    assert bed["batch"]["rows"][-1] == 1
    state = record.get(url, params={"feature": "state"}).json()
    assert [b["name"] for b in state["bins"]] == ["Utah", "Ohio", "Texas", "other"]
    assert state["batch"] == {"rows": [1, 0, 0, 0], "missing": 1}
    assert state["before"] == {"rows": [0, 2, 1, 0], "missing": 0}
    area = record.get(url, params={"feature": "zip_area"}).json()
    assert {b["name"] for b in area["bins"]} == {"43", "84", "other"}
    for feature in ("house_size", "acre_lot", "bath", "status", "prev_sold_date"):
        assert record.get(url, params={"feature": feature}).json()["batch"]["missing"] == 2
    wrong = record.get(url, params={"feature": "price; drop table"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "feature")
    for unknown in ("none", "%00", "a'b"):
        assert record.get(f"/batches/{unknown}/distribution").status_code == 404
