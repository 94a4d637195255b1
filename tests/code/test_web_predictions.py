"""The Predictions page without Reflex: rows, filters, what led to a prediction, figures."""

import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import lineage_view, predictions_view
from tasador_web.languages import speaking

WHEN = "2026-11-28T23:09:05+00:00"
LATER = "2026-11-28T23:11:05+00:00"


def record(**changes):
    return {
        "prediction_id": "p1",
        "predicted_at": WHEN,
        "correlation_id": "c-1",
        "model_name": "tasador-price",
        "model_version": 4,
        "model_digest": "d" * 64,
        "revision": "predict-00004",
        "listing": {
            "city": "Lima",
            "state": "Ohio",
            "bed": 3.0,
            "house_size": 1850.0,
            "bath": None,
        },
        "price": 250_000.4,
        "intervals": {"80": [200_000.0, 300_000.0]},
        "missing": ["bath"],
        "warnings": ["bed 90 is outside the training range (1 to 12)"],
        "latency_ms": 0.4,
        "confidence": {"class": "medium", "fsd": 0.2, "ppe10": None},
        **changes,
    }


def realised(price=240_000.0, error=0.04):
    return {"price": price, "fetched_at": LATER, "error": error}


def lineage(**changes):
    return {
        "prediction": record(),
        "realised": realised(),
        "decision": {
            "version": 4,
            "decision": "promoted",
            "reasons": ["It is better."],
            "decided_at": WHEN,
            "correlation_id": "c-1",
        },
        "rollouts": [
            {
                "revision": "predict-00004",
                "version": 4,
                "outcome": "serving",
                "reason": "all traffic",
                "started_at": WHEN,
                "finished_at": LATER,
            }
        ],
        "verdicts": [
            {"batch_id": "b2", "verdict": "drift", "reasons": ["prices moved"], "decided_at": WHEN}
        ],
        "checks": [],
        "batches": [
            {
                "batch_id": f"b{n}",
                "batch_number": n,
                "clean": 1000 * n,
                "fetched_at": WHEN,
                "correlation_id": f"c-{3 - n}",
            }
            for n in (1, 2)
        ],
        "problem": "",
        **changes,
    }


def test_rows_say_where_what_and_how_it_turned_out():
    page = {"predictions": [record(), record(prediction_id="p2", listing={}, confidence=None)]}
    first, second = predictions_view.rows_of({**page, "realised": {"p1": realised()}}, "p2")
    assert (first.when, first.price, first.likely) == (
        "2026-11-28 23:09 UTC",
        "$250,000",
        "$200k – $300k",
    )
    assert (first.place, first.home) == ("Lima, Ohio", "3 bed · 1,850 sq ft")
    assert first.realised == "$240k, 4\N{NO-BREAK SPACE}% too high"
    assert first.realised_color == "green"
    assert (first.confidence, first.confidence_color) == ("medium", "blue")
    assert second.confidence == ""
    assert (second.place, second.home, second.realised) == ("anywhere", "no details", "")
    assert (first.selected, second.selected) == (False, True)
    outside = predictions_view.rows_of({**page, "realised": {"p1": realised(900_000, -0.7)}})
    assert (outside[0].realised_color, outside[0].realised[-7:]) == ("amber", "too low")


def test_empty_filters_are_left_out():
    now = datetime(2026, 11, 29, 5, tzinfo=timezone(timedelta(hours=5)))
    assert predictions_view.filters_of(" ", "", "", now) == {}
    assert predictions_view.filters_of("v4 ", "Ohio", "24", now) == {
        "version": "4",
        "state": "Ohio",
        "since": "2026-11-28T00:00:00+00:00",
    }
    assert predictions_view.filters_of("", "", "99999", now) == {}


def test_path_leads_from_the_batch_to_the_price_that_came_in():
    steps = lineage_view.path_of(lineage())
    assert [step.kind for step in steps] == [
        "Ingest",
        "Drift",
        "Training and gate",
        "Rollout",
        "Prediction",
        "Price that came in",
    ]
    # The batch that began the training, not the newest one.
    assert (steps[0].title, steps[0].href) == ("Batch 2", "/market?batch=b2")
    assert steps[0].text == "2,000 listings; 1 earlier batch was trained on too"
    assert (steps[1].title, steps[1].color) == ("The market moved", "red")
    assert steps[1].text == "prices moved"
    assert (steps[2].title, steps[2].href) == ("Version 4 promoted", "/models?version=4")
    assert steps[3].text == "serving after 2 min 0 s: all traffic"
    assert "3 bed" in steps[4].text
    assert steps[5].text == "The prediction was 4\N{NO-BREAK SPACE}% too high."


def test_training_that_monitoring_requested_says_so():
    check = {"request_reason": "the error rose", "reasons": [], "checked_at": WHEN}
    steps = lineage_view.path_of(lineage(verdicts=[], checks=[check]))
    assert (steps[1].kind, steps[1].text) == ("Monitoring", "the error rose")


def test_path_without_a_decision_is_the_prediction_alone():
    unknown = lineage(decision=None, rollouts=[], verdicts=[], batches=[], realised=None)
    assert [step.kind for step in lineage_view.path_of(unknown)] == ["Prediction"]


def test_detail_lists_what_was_given_and_what_was_not():
    unmeasured = lineage(prediction=record(confidence=None))
    facts = {f.name: f.value for f in predictions_view.detail_of(unmeasured).facts}
    assert facts["House size"] == "1,850 sq ft"
    assert "Bathrooms" not in facts
    assert facts["Not given"] == "bathrooms"
    assert facts["Warnings"].startswith("90 bedrooms are unusual")
    assert facts["Answered in"] == "0.4 ms by predict-00004"
    assert "Confidence" not in facts
    trusted = lineage(prediction=record(confidence={"class": "high", "fsd": 0.12}))
    facts = {f.name: f.value for f in predictions_view.detail_of(trusted).facts}
    assert facts["Confidence"] == "high (2 in 3 prices within 12\N{NO-BREAK SPACE}%)"


def test_figures_of_all_predictions():
    summary = {
        "count": 4,
        "first_at": WHEN,
        "last_at": LATER,
        "mean_price": 250_123.0,
        "with_missing": 1,
        "latency_ms": {"p50": 0.4, "p95": 1.26},
        "by_version": [{"version": 4, "count": 3, "mean_price": 2e5, "last_at": WHEN}],
        "by_hour": [{"hour": when, "count": 3, "mean_price": 2e5} for when in (WHEN, LATER)],
    }
    facts = {f.name: f.value for f in predictions_view.facts_of(summary)}
    assert facts["With missing fields"] == "25\N{NO-BREAK SPACE}%"
    assert facts["Answered in"] == "0.4 ms (median), 1.3 ms (p95)"
    [version] = predictions_view.versions_of(summary)
    assert (version.share, version.mean) == (75.0, "$200,000")
    counts, prices = predictions_view.hour_charts(summary)
    assert (counts.across[0].label, len(prices.points)) == ("23:00", 2)
    assert [f.value for f in predictions_view.facts_of({"count": 0})] == ["0"]
    one = {**summary, "by_hour": summary["by_hour"][:1]}
    assert predictions_view.hour_charts(one)[0].points == []


@pytest.mark.parametrize("when", [datetime(2026, 1, 1, tzinfo=UTC)])
def test_periods_are_hours(when):
    for hours in filter(None, predictions_view.PERIODS):
        since = predictions_view.filters_of("", "", hours, when)["since"]
        assert when - datetime.fromisoformat(since) == timedelta(hours=int(hours))


def test_prediction_and_what_led_to_it_are_in_spanish():
    with speaking("es"):
        [row] = predictions_view.rows_of(
            {"predictions": [record()], "realised": {"p1": realised()}}, "p1"
        )
        steps = lineage_view.path_of(lineage())
        detail = predictions_view.detail_of(lineage())
    assert (row.when, row.price, row.confidence) == ("28/11/2026 23:09 UTC", "$250.000", "media")
    assert row.realised == "$240\N{NO-BREAK SPACE}mil, 4\N{NO-BREAK SPACE}% de más"
    assert row.home == "3 dorm. · 1.850 pies²"
    assert [step.kind for step in steps] == [
        "Ingesta",
        "Deriva",
        "Entrenamiento y controles",
        "Despliegue",
        "Predicción",
        "Precio real",
    ]
    assert steps[1].text == "prices moved", "what the gate and drift say stays English"
    assert steps[2].title == "Versión 4 promovida"
    assert {"Dormitorios", "Sin indicar", "Confianza"} <= {fact.name for fact in detail.facts}


def test_one_of_a_home_is_not_said_as_several():
    listing = {"bed": 1, "bath": 1, "house_size": 1_000, "acre_lot": 1}
    assert predictions_view.home_of(listing) == "1 bed · 1 bath · 1,000 sq ft · 1 acre"
    with speaking("es"):
        assert predictions_view.home_of(listing) == "1 dorm. · 1 baño · 1.000 pies² · 1 acre"
