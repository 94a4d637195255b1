"""The Market and Models pages without Reflex: rows, charts, heat map."""

import sys

import pytest

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import checks_view, market_view, model_view
from tasador_web.chart import Chart, line_chart
from tasador_web.languages import speaking

WHEN = "2026-11-28T23:09:05+00:00"


def decision(version, kind="promoted", **changes):
    return {
        "model_name": "tasador-price",
        "version": version,
        "digest": f"d{version}",
        "decision": kind,
        "reasons": [f"reason {version}"],
        "metrics": {"r2": 0.8, "median_error": 0.2 - version / 100, "coverage_90": 0.9},
        "champion_version": version - 1,
        "run_id": "r",
        "correlation_id": "c",
        "batch_ids": ["b"],
        "decided_at": WHEN,
        **changes,
    }


def models(*decisions, serving=()):
    rollouts = {"healthy": True, "paused": False, "message": "", "serving": dict(serving)}
    return {"champion": 1, "rollouts": rollouts, "decisions": list(decisions)}


def test_versions_say_what_became_of_them():
    answer = models(
        decision(1, "rolled_back"),
        decision(3, "rejected"),
        decision(2, metrics={}),
        decision(1),
        serving={"predict": 1, "explain": 1},
    )
    rows = model_view.version_rows(answer)
    assert [(r.version, r.decision, r.color, r.serving) for r in rows] == [
        (1, "rolled back to", "blue", "in service"),
        (3, "rejected", "red", ""),
        (2, "promoted", "green", ""),
        (1, "promoted", "green", ""),
    ]
    assert (rows[1].median_error, rows[2].median_error) == ("17.0\N{NO-BREAK SPACE}%", "–")
    long = model_view.version_rows(models(decision(4, reasons=["Better beyond noise: -0.04."])))
    assert long[0].reason == "Better beyond noise"
    assert model_view.serving_sentence(answer) == "Version 1 serves."
    mixed = models(serving={"predict": 2, "explain": 1})
    assert model_view.serving_sentence(mixed) == "Version 1 and version 2 serve."
    assert model_view.serving_sentence(models()) == "No version serves yet."


def test_chart_of_versions_is_coloured_by_the_gates_decision():
    decisions = [decision(1, "rolled_back"), decision(3, "rejected"), decision(2), decision(1)]
    chart = model_view.metric_chart(decisions, "median_error")
    assert [point.kind for point in chart.points] == ["green", "green", "red"]
    assert [tick.label for tick in chart.across] == ["v1", "v2", "v3"]
    # A smaller error stands lower.
    assert chart.points[0].y < chart.points[1].y < chart.points[2].y
    assert chart.summary == "Median error is 17.0\N{NO-BREAK SPACE}% at v3"


@pytest.mark.parametrize(
    "values", [[1.0], [0.0, 0.0], [-5.0, 5.0], [1e6, 2.5e6, 1.1e6], [0.131, 0.132]]
)
def test_charts_stay_inside_their_drawing(values):
    chart = line_chart([str(n) for n in range(len(values))], {"x": values}, str)
    assert all(0 <= p.x <= 100 and 0 <= p.y <= 100 for p in chart.points)
    assert 2 <= len(chart.down) <= 7
    assert all(0 <= t.at <= 100 for t in chart.down)


def test_chart_of_versions_shows_the_newest_sixty():
    chart = model_view.metric_chart([decision(n) for n in range(100, 0, -1)], "r2")
    assert len(chart.points) == 60
    assert chart.points[-1].title.startswith("R², v100")


def test_axis_of_amounts_begins_at_zero_and_counts_in_whole_numbers():
    chart = line_chart(["a", "b"], {"x": [3.0, 2.0]}, "{:.0f}".format, from_zero=True)
    assert [tick.label for tick in chart.down] == ["0", "1", "2", "3"]


def test_chart_has_gaps_and_not_too_many_labels():
    labels = [str(n) for n in range(100)]
    values = [None if n == 50 else float(n) for n in range(100)]
    chart = line_chart(labels, {"x": values, "none": [None] * 100}, str)
    assert chart.lines[0].path.count("M") == 2
    assert chart.lines[1].path == ""
    assert len(chart.across) <= 12
    assert 1 < sum(tick.kind == "major" for tick in chart.across) <= 5
    assert line_chart(["a"], {"x": [None]}, str) == Chart()


def version(**changes):
    checks = [
        {"name": "r2", "passed": True, "value": 0.8, "limit": 0.35, "says": "fine"},
        {"name": "ratio_prb", "passed": False, "value": -0.2, "limit": -0.05, "says": "too low"},
    ]
    started, ended = "2026-11-28T23:09:05+00:00", "2026-11-28T23:09:07.500+00:00"
    rollouts = [
        {
            "service": "predict",
            "outcome": "failed",
            "started_at": started,
            "finished_at": ended,
            "reason": "it did not start",
        }
    ]
    return {**decision(2), "checks": checks, "champion": None, "rollouts": rollouts, **changes}


def test_checks_that_say_the_same_are_one():
    none = "There is no champion yet to compare with."
    alike = [
        {"name": name, "passed": True, "value": 0, "limit": 0.1, "says": none}
        for name in ("better_than_champion", "slices_against_champion", "r2_against_champion")
    ]
    shown = checks_view.checks_of(version(checks=[*version()["checks"], *alike]))
    assert [(c.name, c.value) for c in shown] == [
        ("Ratio PRB", "-0.2"),
        ("R²", "0.8"),
        ("Better than champion and 2 more", "–"),
    ]


def test_detail_of_a_version():
    detail = model_view.detail_of(version(), champion=3)
    assert (detail.passed, detail.people) == ("1 of 2 checks passed", "the gate")
    assert detail.command == "tasador rollback 2"
    assert model_view.detail_of(version(), champion=2).command == ""
    rejected = model_view.detail_of(version(decision="rejected", decided_by="ana"), champion=3)
    assert (rejected.command, rejected.people) == ("", "decided by ana")
    failed, passed = checks_view.checks_of(version())
    assert (failed.name, failed.passed, failed.value) == ("Ratio PRB", False, "-0.2")
    assert (passed.name, passed.limit) == ("R²", "0.35")
    assert model_view.rollouts_of(version())[0].took == "2.5 s"
    assert model_view.comparisons_of(version()) == []


def test_versions_and_checks_are_in_spanish():
    answer = models(decision(3, "rejected"), decision(1), serving={"predict": 1, "explain": 1})
    with speaking("es"):
        rows = model_view.version_rows(answer)
        detail = model_view.detail_of(version(started_by="ana"), champion=3)
        sentence = model_view.serving_sentence(answer)
        failed, _ = checks_view.checks_of(version())
        chart = model_view.metric_chart(answer["decisions"], "median_error")
    assert [(row.decision, row.serving) for row in rows] == [
        ("rechazada", ""),
        ("promovida", "en servicio"),
    ]
    assert rows[0].median_error == "17,0\N{NO-BREAK SPACE}%"
    assert sentence == "La versión 1 está en servicio."
    assert (detail.passed, detail.people) == ("1 de 2 controles superados", "entrenada por ana")
    assert (failed.name, failed.value, failed.says) == ("Cocientes: PRB", "-0,2", "too low")
    assert chart.summary == "Error mediano: 17,0\N{NO-BREAK SPACE}% (v3)"


def test_challenger_against_champion_says_which_is_better():
    champion = decision(1, metrics={"r2": 0.7, "median_error": 0.1, "mae": 50.0, "prb": 0.1})
    metrics = {"r2": 0.8, "median_error": 0.15, "mae": 50.2, "prb": -0.1, "cod": 3.0}
    rows = model_view.comparisons_of(version(champion=champion, metrics=metrics))
    assert {r.name: (r.difference, r.color) for r in rows} == {
        "Median error": ("+5.0 pp", "red"),
        "R²": ("+0.100", "green"),
        "Mean error": ("±$0", "gray"),
        "Bias by price (PRB)": ("−0.200", "gray"),
    }


def score(value, limit=0.1):
    return {"value": value, "limit": limit, "exceeded": value > limit, "method": "jensen_shannon"}


def verdict(kind="no_drift", scores=None, **changes):
    return {
        "verdict": kind,
        "moved": False,
        "hurts": False,
        "reasons": ["a reason"],
        "decided_at": WHEN,
        "scores": scores or {},
        "relations": {},
        "missing": {},
        "performance": {},
        **changes,
    }


def batch(number, *verdicts, **changes):
    return {
        "batch_id": f"b{number}",
        "batch_number": number,
        "status": "ready",
        "refused": False,
        "rows": 1000,
        "quarantined": 5,
        "fetched_at": f"2026-11-{number + 10}T00:00:00+00:00",
        "verdicts": list(verdicts),
        "decision": None,
        **changes,
    }


def test_batches_say_what_came_of_them():
    decided = {"version": 2, "decision": "rejected"}
    batches = [
        batch(4),
        batch(3, verdict("broken_feed"), refused=True, rows=0, quarantined=0),
        batch(2, verdict("drift", moved=True, hurts=True), decision=decided),
        batch(1, verdict()),
        batch(0, verdict("train")),
    ]
    rows = market_view.batch_rows(batches, "b1")
    assert [(r.verdict, r.outcome, r.outcome_color) for r in rows] == [
        ("not judged yet", "", "gray"),
        ("broken feed", "trains nothing", "gray"),
        ("drift", "version 2 rejected", "red"),
        ("no drift", "champion keeps serving", "gray"),
        ("first model", "training", "gray"),
    ]
    assert (rows[2].moved, rows[2].hurts, rows[3].moved) == ("moved", "hurts", "")
    assert [r.selected for r in rows] == [False, False, False, True, False]
    assert (rows[0].refused, rows[1].refused) == ("0.5\xa0%", "–")


def test_heat_map_has_batches_in_time_and_marks_what_drifted():
    batches = [
        batch(2, verdict("drift", {"price": score(0.21), "bed": score(0.099)})),
        batch(1, verdict(scores={"price": score(0.02), "own": score(0.0)})),
        batch(0, verdict("train")),
    ]
    columns, rows = market_view.heat_map(batches)
    assert columns == ["Batch 1", "Batch 2"]
    assert [row.name for row in rows] == ["Price", "Bedrooms", "own"]
    levels = {row.name: [cell.level for cell in row.cells] for row in rows}
    # Just below the limit is not drawn as if it were above it.
    assert levels == {"Price": ["1", "8"], "Bedrooms": ["none", "3"], "own": ["0", "none"]}
    assert rows[0].cells[1].text == "2.1×"
    assert market_view.heat_map([]) == ([], [])


def test_scores_and_missing_fields_of_a_batch():
    missing = {
        "bed": {"exceeded": True, "rate": 0.4, "reference": 0.2},
        "bath": {"exceeded": False, "rate": 0.2, "reference": 0.2},
    }
    scores = {"bed": score(0.05), "price": score(0.2)}
    one = batch(1, verdict("drift", scores, missing=missing, relations=score(0.3)))
    assert [(s.name, s.share, s.exceeded) for s in market_view.scores_of(one)] == [
        ("Price", 100.0, True),
        ("Relations between fields", 100.0, True),
        ("Bedrooms", 25.0, False),
    ]
    assert market_view.missing_of(one) == "Missing more often: bedrooms 20.0\xa0% → 40.0\xa0%."
    assert market_view.missing_of(batch(0)) == ""
    assert market_view.scores_of(batch(0)) == []


def test_batches_and_their_drift_are_in_spanish():
    missing = {"bed": {"exceeded": True, "rate": 0.4, "reference": 0.2}}
    one = batch(
        1,
        verdict("drift", {"price": score(0.21)}, moved=True, missing=missing),
        decision={"version": 2, "decision": "rejected"},
    )
    with speaking("es"):
        [row] = market_view.batch_rows([one], "b1")
        columns, rows = market_view.heat_map([one])
        [scored] = market_view.scores_of(one)
        gaps = market_view.missing_of(one)
        note = market_view.distribution_note(distribution())
    assert (row.verdict, row.moved, row.outcome) == ("deriva", "se movió", "versión 2 rechazada")
    assert row.rows == "1.000"
    assert (columns, rows[0].name, rows[0].cells[0].text) == (["Lote 1"], "Precio", "2,1×")
    assert (scored.name, scored.value) == ("Precio", "0,210")
    assert gaps.startswith("Faltan más a menudo: los dormitorios 20,0")
    assert note.startswith("Cada punto es la proporción de filas desde su precio")


def test_errors_by_batch_have_a_gap_where_none_was_measured():
    measured = {"realised_error": 0.3, "estimated_error": 0.2, "realised_error_reference": 0.2}
    scores = {"price": score(0.02)}
    batches = [
        batch(1, verdict(scores=scores, performance=measured)),
        batch(2, verdict(scores=scores, performance={"estimated_error": 0.25})),
    ]
    chart = market_view.error_chart(batches)
    assert [line.name for line in chart.lines] == ["Realised", "Estimated without prices", "Usual"]
    assert len(chart.points) == 4
    # In per cent of the price, as the verdict says it.
    assert chart.points[0].title == "Realised, Batch 1: 35\N{NO-BREAK SPACE}%"


def distribution(feature="price", **changes):
    bins = [{"from": None, "to": 1e5}, {"from": 1e5, "to": 2e5}, {"from": 2e5, "to": None}]
    return {
        "feature": feature,
        "champion_version": 4,
        "bins": bins,
        "batch": {"rows": [1, 3, 0], "missing": 1},
        "before": {"rows": [100, 100, 200], "missing": 0},
        **changes,
    }


def test_distribution_draws_shares_before_and_after():
    chart = market_view.distribution_chart(distribution())
    assert [line.name for line in chart.lines] == ["This batch", "What version 4 learned from"]
    assert [tick.label for tick in chart.across] == ["<$100k", "$100k", "$200k+"]
    titles = [point.title for point in chart.points]
    assert titles[1] == "This batch, $100k: 75\N{NO-BREAK SPACE}%"
    assert titles[-1] == "What version 4 learned from, $200k+: 50\N{NO-BREAK SPACE}%"
    note = market_view.distribution_note(distribution())
    assert note.endswith(
        "Without a value: 20.0\N{NO-BREAK SPACE}% in this batch, 0.0\N{NO-BREAK SPACE}% before."
    )
    assert "from its price to the next" in note


def test_distribution_of_names_and_without_a_champion():
    answer = distribution(
        "status",
        champion_version=None,
        before=None,
        bins=[{"name": "for_sale"}, {"name": "sold"}, {"name": "other"}],
        batch={"rows": [0, 0, 0], "missing": 0},
    )
    chart = market_view.distribution_chart(answer)
    assert [line.name for line in chart.lines] == ["This batch"]
    assert [tick.label for tick in chart.across] == ["for sale", "sold", "other"]
    assert market_view.distribution_note(answer) == (
        "Without a value: 0.0\N{NO-BREAK SPACE}% in this batch."
    )
