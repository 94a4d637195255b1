"""What `tasador rollout`, doctor and the Service page say about the services."""

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from tasador.cli import rollout as commands
from tasador.cli.app import make_app
from tasador.records.loop import PauseRecord
from tasador.rollout import pause as pauses
from tasador.rollout.status import describe
from tests.kit.records import WHEN, make_decision, make_rollout
from tests.kit.warehouse import kept_actions

NEWEST = make_decision(promotion=7, version=3, digest="d3")
PAUSE = PauseRecord(paused_by="ana", reason="a split", paused_at=WHEN)


def row(promotion, outcome="serving", service="predict", **changes):
    return make_rollout(
        promotion=promotion, outcome=outcome, service=service, finished_at=WHEN, **changes
    )


BOTH = [row(7, service="explain"), row(7)]
OLD = [row(6, service="explain", version=2), row(6, version=2)]
FAILED = [row(7, "failed", reason="no room"), *OLD]


@pytest.mark.parametrize(
    ("newest", "attempts", "pause", "healthy", "message"),
    [
        (None, [], None, False, "no version has been promoted yet"),
        (NEWEST, BOTH, None, True, "promotion 7 (tasador-price@3) is in service"),
        (NEWEST, [], None, False, "predict has not served yet and explain has not served yet"),
        (NEWEST, OLD, None, False, "predict serves promotion 6 (tasador-price@2)"),
        (NEWEST, FAILED, None, False, "it failed once, the last time because no room"),
        (NEWEST, FAILED, None, False, "reload tries it again after 12:05 UTC"),
        (NEWEST, FAILED[:1], None, False, "reload tries it again at its next check"),
        (NEWEST, BOTH, PAUSE, True, "rollouts are paused by ana since 2026-01-31 12:00 UTC"),
        (NEWEST, FAILED, PAUSE, False, "(a split)"),
    ],
)
def test_status_says_what_serves_and_why(newest, attempts, pause, healthy, message):
    status = describe(newest, attempts, pause, WHEN + timedelta(minutes=1))
    assert status.healthy is healthy
    assert message in status.message


def test_paused_rollout_has_no_next_attempt():
    assert "again" not in describe(NEWEST, FAILED, PAUSE, WHEN).message


@pytest.fixture
def invoke(monkeypatch, tmp_path):
    monkeypatch.setenv("TASADOR_HOME", str(tmp_path))
    monkeypatch.setenv("TASADOR_BROKER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TASADOR_DATABASE_URL", "postgresql://127.0.0.1:9/x")
    monkeypatch.setattr(commands, "require_running", lambda settings, *_: settings)

    def run(*arguments):
        return CliRunner().invoke(make_app(), ["rollout", *arguments], catch_exceptions=False)

    return run


def test_pause_needs_a_reason(invoke):
    assert invoke("pause").exit_code == 2


def test_pause_and_resume_say_who_when_and_why(invoke, monkeypatch):
    actions = kept_actions(monkeypatch)
    monkeypatch.setattr(pauses, "pause", lambda settings, reason, by: PAUSE)
    assert "paused by ana" in invoke("pause", "--reason", "a split").output
    monkeypatch.setattr(pauses, "resume", lambda settings, by: (PAUSE, "no broker"))
    output = invoke("resume").output
    assert "they were paused by ana since 2026-01-31 12:00 UTC (a split)" in output
    assert [action for _, action, _ in actions] == ["rollout pause", "rollout resume"]
    assert "no broker: reload finds the newest promotion at its next check" in output


def test_retry_names_the_promotion_and_is_recorded(invoke, monkeypatch):
    actions = kept_actions(monkeypatch)
    monkeypatch.setattr(pauses, "retry", lambda settings: NEWEST)
    assert "reload tries promotion 7 (tasador-price@3)" in invoke("retry").output
    assert [action for _, action, _ in actions] == ["rollout retry"]
