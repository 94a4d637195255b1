"""The Pipeline page without Reflex: the turns of the loop and the states of their stages."""

import sys
from datetime import datetime, timedelta

import pytest

from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import pipeline_view, runs_view
from tasador_web.languages import speaking

WHEN = datetime.fromisoformat("2026-11-28T23:00:00+00:00")


def at(minutes):
    return (WHEN + timedelta(minutes=minutes)).isoformat()


def batch(number=1, minutes=0, **changes):
    return {
        "batch_id": f"b{number}",
        "batch_number": number,
        "correlation_id": f"c-{number}",
        "rows": 1000,
        "clean": 990,
        "quarantined": 10,
        "fetched_at": at(minutes),
        "ready_at": at(minutes + 1),
        "set_aside_at": None,
        "failure": "",
        "verdicts": [],
        **changes,
    }


def verdict(kind="drift", minutes=2):
    return {"verdict": kind, "reasons": ["prices moved"], "decided_at": at(minutes)}


def decision(kind="promoted", minutes=12, **changes):
    return {
        "version": 4,
        "decision": kind,
        "promotion": 9,
        "reasons": ["better"],
        "decided_at": at(minutes),
        "decided_by": "ann",
        "correlation_id": "c-1",
        **changes,
    }


def rollout(service="predict", outcome="serving", minutes=12, **changes):
    return {
        "service": service,
        "version": 4,
        "promotion": 9,
        "outcome": outcome,
        "reason": "all traffic",
        "correlation_id": "c-1",
        "started_at": at(minutes),
        "finished_at": at(minutes + 1),
        **changes,
    }


def turn(batches, decisions=(), rollouts=(), minutes=14):
    [only] = pipeline_view.turns_of(batches, decisions, rollouts, WHEN + timedelta(minutes=minutes))
    return only


def states(of):
    return [stage.state for stage in of.stages]


def labels(of):
    return [stage.label for stage in of.stages]


def test_whole_turn_has_labels_durations_and_links():
    whole = turn(
        [batch(verdicts=[verdict()])], [decision()], [rollout("explain"), rollout("predict")]
    )
    assert states(whole) == ["done"] * 5
    assert labels(whole) == ["990 listings", "drift", "version 4", "promoted", "serving"]
    assert [s.took for s in whole.stages] == [
        "1 min 0 s",
        "1 min 0 s",
        "10 min 0 s",
        "",
        "1 min 0 s",
    ]
    assert (whole.title, whole.identity, whole.took) == ("Batch 1", "c-1", "13 min 0 s")
    assert (whole.label, whole.color) == ("Rollout: serving", "green")
    assert whole.stages[4].text == "explain and predict"
    assert whole.stages[0].href == "/market?batch=b1"
    assert whole.stages[2].href == whole.stages[3].href == "/models?version=4"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([batch(ready_at=None)], ["running", "next", "next", "next", "next"]),
        ([batch()], ["done", "running", "next", "next", "next"]),
        ([batch(verdicts=[verdict()])], ["done", "done", "running", "next", "next"]),
        ([batch(verdicts=[verdict("train")])], ["done", "done", "running", "next", "next"]),
        ([batch(verdicts=[verdict("no_drift")])], ["done", "done", *["skipped"] * 3]),
        ([batch(verdicts=[verdict("broken_feed")])], ["done", "failed", *["skipped"] * 3]),
        (
            [batch(ready_at=None, set_aside_at=at(1), failure="no such row")],
            ["failed", "next", "next", "next", "next"],
        ),
    ],
)
def test_states_of_a_turn_that_has_not_ended(made, expected):
    assert states(turn(made, minutes=5)) == expected


@pytest.mark.parametrize(
    ("kind", "gate", "rolled_out"),
    [
        ("promoted", "done", "running"),
        ("approved", "done", "running"),
        ("rejected", "failed", "skipped"),
        ("declined", "failed", "skipped"),
        ("waiting", "waiting", "next"),
    ],
)
def test_decision_says_what_comes_next(kind, gate, rolled_out):
    decided = turn([batch(verdicts=[verdict()])], [decision(kind)])
    assert states(decided)[3:] == [gate, rolled_out]


def test_failed_rollout_says_why_and_a_later_success_is_done():
    failed = rollout(outcome="failed", minutes=13, reason="no node")
    made = [batch(verdicts=[verdict()])], [decision()]
    broken = turn(*made, [failed, rollout("explain")])
    assert (states(broken)[4], broken.stages[4].text) == ("failed", "no node")
    assert states(turn(*made, [rollout(minutes=15), failed]))[4] == "done"
    other = rollout(promotion=8, outcome="failed")
    assert states(turn(*made, [other]))[4] == "running"


def test_stage_without_news_for_long_is_no_longer_running():
    old = turn([batch(verdicts=[verdict()])], minutes=200)
    assert states(old)[2] == "waiting"
    assert old.label == "Train: no news since 2026-11-28 23:02 UTC"


def test_rollbacks_and_trainings_for_monitoring_are_turns_of_their_own():
    decisions = [
        decision("rolled_back", 40, version=3, promotion=11, correlation_id="c-1"),
        decision("promoted", 30, version=5, promotion=10, correlation_id="m-1"),
        decision(),
        decision("promoted", -90, version=2, promotion=7, correlation_id="c-0"),
    ]
    turns = pipeline_view.turns_of(
        [batch(verdicts=[verdict()])], decisions, [], WHEN + timedelta(minutes=41)
    )
    assert [t.title for t in turns] == ["Rollback: version 3", "Training: version 5", "Batch 1"]
    assert labels(turns[0])[3] == "rolled back by ann"
    assert states(turns[1]) == ["skipped", "skipped", "done", "done", "running"]
    # The batch keeps the gate's own decision.
    assert labels(turns[2])[2:4] == ["version 4", "promoted"]


def test_without_histories_there_are_no_turns():
    assert pipeline_view.turns_of([], [], [], WHEN) == []


def test_runs_of_a_turn_are_where_its_flows_have_card_servers():
    servers = {"ingest": "http://cards:1", "training": "http://cards:3", "drift": ""}
    begun = runs_view.runs_of(turn([batch()], minutes=1), servers)
    assert [run.name for run in begun] == ["ingest"]
    assert begun[0].card == "http://cards:1/turn/c-1/card"
    assert begun[0].log == "http://cards:1/turn/c-1/log"
    assert runs_view.runs_of(turn([batch()], minutes=1), {}) == []


def test_cards_of_a_version_are_those_of_its_training_where_they_can_be_found():
    server = "http://127.0.0.1:1"
    found = runs_view.cards_of_version(server, "corr/1", "embedded")
    assert found == "http://127.0.0.1:1/turn/corr%2F1/card"
    assert runs_view.cards_of_version(server, "corr/1", "cluster") == ""
    assert runs_view.cards_of_version(server, "", "embedded") == ""
    assert runs_view.cards_of_version("", "corr/1", "embedded") == ""


def test_page_says_where_runs_are_that_it_cannot_show():
    assert runs_view.where_runs_are({"drift": "http://127.0.0.1:1"}, "") == ""
    assert runs_view.where_runs_are({}, "").startswith("From your machine: “tasador connect”")
    assert "Metaflow's UI shows" in runs_view.where_runs_are({}, "http://ui")
    assert runs_view.runs_in_ui("") == []
    assert ("Runs of drift", "http://ui/?flow_id=DriftFlow") in runs_view.runs_in_ui("http://ui/")


def test_turns_are_in_spanish():
    with speaking("es"):
        whole = turn([batch(verdicts=[verdict()])], [decision()], [rollout()])
        begun = turn([batch(ready_at=None)], minutes=2)
        [run] = runs_view.runs_of(begun, {"ingest": "http://cards"})
    assert [stage.title for stage in whole.stages] == [
        "Ingesta",
        "Deriva",
        "Entrenamiento",
        "Controles",
        "Despliegue",
    ]
    assert labels(whole) == ["990 anuncios", "deriva", "versión 4", "promovida", "en servicio"]
    assert whole.stages[0].text == "10 de 1.000 filas descartadas"
    assert whole.stages[1].text == "prices moved", "what drift says stays English"
    assert whole.stages[2].href == "/es/models?version=4"
    assert labels(begun)[:2] == ["en curso", "todavía no"]
    assert begun.label == "Ingesta: en curso"
    assert (run.name, run.label) == ("ingest", "ingesta")
