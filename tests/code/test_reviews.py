"""Random sample testing: which week is drawn, and what a verdict needs."""

from datetime import UTC, datetime

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tasador.cli.app import make_app
from tasador.cli.tables import reviews_report
from tasador.errors import ConfigurationError, TasadorError
from tasador.operations import reviews
from tasador.settings import Settings
from tests.kit.records import make_review

THURSDAY = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Stored:
    """A warehouse that keeps the arguments of its calls."""

    def __init__(self, review=None):
        self.review, self.calls = review, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def draw_reviews(self, *arguments):
        self.calls.append(arguments)
        return []

    def record_review(self, *arguments):
        self.calls.append(arguments)
        return self.review


def stored(monkeypatch, review=None):
    warehouse = Stored(review)
    monkeypatch.setattr(reviews, "Warehouse", lambda url: warehouse)
    return warehouse


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def test_default_is_the_last_finished_week(monkeypatch, settings):
    warehouse = stored(monkeypatch)
    reviews.draw(settings, 5, at=THURSDAY)
    week, since, until, count, _ = warehouse.calls[0]
    assert (week, count) == ("2026-W47", 5)
    assert (since, until) == (
        datetime(2026, 11, 16, tzinfo=UTC),
        datetime(2026, 11, 23, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("week", "message"),
    [
        ("2026-W48", "week 2026-W48 is not over"),
        ("2026-W99", "is not an ISO week; write it like 2026-W48"),
        ("last", "is not an ISO week"),
    ],
)
def test_unfinished_and_unreadable_weeks_are_refused(monkeypatch, settings, week, message):
    warehouse = stored(monkeypatch)
    with pytest.raises(TasadorError, match=message):
        reviews.draw(settings, 5, week, at=THURSDAY)
    assert warehouse.calls == []


def test_week_of_new_year_is_the_iso_week():
    assert reviews.week_of(datetime(2027, 1, 1, tzinfo=UTC)) == "2026-W53"
    assert reviews.week_start("2026-W53") == datetime(2026, 12, 28, tzinfo=UTC)


def test_verdict_against_a_price_needs_a_note(monkeypatch, settings):
    warehouse = stored(monkeypatch, make_review(verdict="too_high", reviewed_by="ana"))
    with pytest.raises(TasadorError, match="too_high needs a note"):
        reviews.record(settings, "p1", "too_high", " ", "ana")
    assert warehouse.calls == []
    assert reviews.record(settings, "p1", "too_high", "a ruin", "ana").verdict == "too_high"


def test_prediction_that_was_not_drawn_and_second_verdict_are_refused(monkeypatch, settings):
    stored(monkeypatch)
    with pytest.raises(TasadorError, match="was not drawn; `tasador review list`"):
        reviews.record(settings, "p9", "accept", "", "ana")
    stored(monkeypatch, make_review(verdict="accept", reviewed_by="ben"))
    with pytest.raises(TasadorError, match="ben has reviewed prediction p1 already: accept"):
        reviews.record(settings, "p1", "too_low", "sold for more", "ana")


def test_report_shows_verdicts_and_counts():
    console = Console(width=120, record=True, file=None)
    reviewed = make_review(
        prediction_id="p2", verdict="too_low", reviewed_by="ana", note="new roof"
    )
    with console.capture() as capture:
        console.print(reviews_report([make_review(), reviewed]))
    report = capture.get()
    assert "new roof" in report
    assert "1 open, 1 too low" in report


def test_command_refuses_another_verdict():
    result = CliRunner().invoke(make_app(), ["review", "record", "p1", "--verdict", "fine"])
    assert result.exit_code == 2


def test_monitor_draws_the_sample_of_the_setting(monkeypatch, settings):
    warehouse = stored(monkeypatch)
    assert reviews.draw_weekly(settings, THURSDAY) == []
    assert warehouse.calls == []
    reviews.draw_weekly(settings._replace(review_sample=20), THURSDAY)
    week, _, _, count, _ = warehouse.calls[0]
    assert (week, count) == ("2026-W47", 20)


def test_sample_of_a_week_has_a_largest_size(tmp_path):
    environ = {"TASADOR_HOME": str(tmp_path), "TASADOR_REVIEW_SAMPLE": "1001"}
    with pytest.raises(ConfigurationError, match="TASADOR_REVIEW_SAMPLE is 1001; at most 1,000"):
        Settings.load(environ)
