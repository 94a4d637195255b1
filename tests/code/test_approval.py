"""Promotions that wait for a person: who may approve, what is refused, what stays recorded."""

from dataclasses import replace

import pytest

from tasador.errors import ConfigurationError, RolloutError
from tasador.events import build
from tasador.gate.decision import Decision
from tasador.model.model_ref import ModelRef
from tasador.monitoring.policy import History, QuietPeriods, decide
from tasador.rollout import approval, rollback
from tasador.rollout.approval import choose_approval, choose_decline
from tasador.rollout.plan import promoted_by_decision
from tasador.rollout.status import describe
from tasador.settings import Settings
from tasador.training.decision_record import AWAITS_APPROVAL, decision_record
from tasador.training.inputs import Plan
from tests.kit.records import WHEN, make_batch, make_decision


def decided(promotion, version, decision, **changes):
    return make_decision(
        promotion=promotion,
        version=version,
        digest=f"d{version}",
        training_id=f"t{version}",
        decision=decision,
        **{"champion_version": 1, **changes},
    )


FIRST = decided(1, 1, "promoted", champion_version=0, champion_digest="")
WAITING = decided(2, 2, "waiting", started_by="ana")


def test_approval_is_a_newer_decision_with_the_name_and_the_note():
    approved = choose_approval([WAITING, FIRST], 2, "ben", "looked at the dossier")
    assert (approved.decision, approved.decided_by, approved.promotion) == ("approved", "ben", None)
    assert approved.started_by == "ana"
    assert approved.reasons == ["approved by ben: looked at the dossier", "better"]
    assert approved.promotes
    assert approved.model.key == WAITING.model.key


@pytest.mark.parametrize("name", ["ana", " Ana ", "ANA"])
def test_who_started_the_training_cannot_approve_it(name):
    with pytest.raises(RolloutError, match="started the training of version 2, so another person"):
        choose_approval([WAITING, FIRST], 2, name)
    declined = choose_decline([WAITING, FIRST], 2, name, "the data is wrong")
    assert (declined.decision, declined.promotes) == ("declined", False)


def test_only_the_same_person_gets_the_same_answer_again():
    approved = choose_approval([WAITING, FIRST], 2, "ben")
    history = [replace(approved, promotion=3), WAITING, FIRST]
    assert approval._recorded(history, 2, "", "approved", "Ben") == history[0]
    assert approval._recorded(history, 2, "", "approved", "carol") is None
    with pytest.raises(RolloutError, match="does not wait for approval: it was approved by ben"):
        choose_approval(history, 2, "carol")


def test_training_that_an_event_started_may_be_approved_by_anyone():
    by_event = decided(2, 2, "waiting", started_by="event")
    assert choose_approval([by_event, FIRST], 2, "ana").decided_by == "ana"


def test_first_version_may_be_approved_without_a_champion():
    first = decided(1, 1, "waiting", champion_version=0, champion_digest="")
    assert choose_approval([first], 1, "ben").decision == "approved"


def test_version_judged_against_an_older_champion_is_refused():
    newer = decided(4, 3, "approved")
    with pytest.raises(
        RolloutError, match="compared with version 1, and the champion is now version 3"
    ):
        choose_approval([newer, WAITING, FIRST], 2, "ben")


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ("promoted", "does not wait for approval: it was promoted"),
        ("rejected", "does not wait for approval: it was rejected"),
        ("declined", "does not wait for approval: it was declined by cleo"),
    ],
)
def test_version_that_does_not_wait_is_refused(decision, message):
    by = "cleo" if decision == "declined" else ""
    with pytest.raises(RolloutError, match=message):
        choose_approval([decided(3, 2, decision, decided_by=by), FIRST], 2, "ben")


def test_unknown_version_missing_note_and_missing_name_are_refused():
    with pytest.raises(RolloutError, match="no decision on version 9"):
        choose_approval([WAITING, FIRST], 9, "ben")
    with pytest.raises(RolloutError, match="needs a note"):
        choose_decline([WAITING, FIRST], 2, "ben", " ")
    with pytest.raises(RolloutError, match="needs the name"):
        choose_approval([WAITING, FIRST], 2, " ")


def test_waiting_version_is_neither_rolled_out_nor_rolled_back_to():
    with pytest.raises(Exception, match="was waiting: only a promoted version"):
        promoted_by_decision(WAITING)
    with pytest.raises(RolloutError, match="`tasador approve 2` promotes it"):
        rollback.choose([WAITING, FIRST], 2)
    declined = decided(3, 2, "declined", reasons=["declined by ben: no"])
    with pytest.raises(RolloutError, match="was declined"):
        rollback.choose([declined, WAITING, FIRST], 2)


def test_approved_version_can_be_rolled_back_to_and_from():
    approved = decided(3, 2, "approved", decided_by="ben")
    back = rollback.choose([approved, WAITING, FIRST], None, by="cleo")
    assert (back.version, back.decision, back.decided_by) == (1, "rolled_back", "cleo")
    forth = rollback.choose([back, approved, WAITING, FIRST], 2, by="cleo")
    assert (forth.version, forth.decision) == (2, "rolled_back")


@pytest.mark.parametrize(
    ("approval", "passes", "expected"),
    [
        ("automatic", True, "promoted"),
        ("required", True, "waiting"),
        ("automatic", False, "rejected"),
        ("required", False, "rejected"),
    ],
)
def test_gate_waits_only_with_a_version_that_passed(approval, passes, expected):
    record = decision_record(
        Decision(passes, ["so"], []),
        Plan(training_id="t", correlation_id="c", batch_ids=("b",), rows=1, started_by="ana"),
        ModelRef("tasador-price", 3, "d3"),
        None,
        needs_approval=approval == "required",
        run_id="r",
        metrics={},
    )
    assert (record.decision, record.started_by) == (expected, "ana")
    assert (AWAITS_APPROVAL in record.reasons) is (expected == "waiting")


def test_event_of_a_waiting_version_gives_no_address():
    event = build.model_waiting(WAITING)
    assert (event.type, event.id) == ("tasador.model.waiting", "decision-2")
    assert "uri" not in " ".join(event.data)


def test_monitoring_requests_nothing_while_a_version_of_the_same_batches_waits():
    history = History(
        requests=[],
        verdicts=[],
        decisions=[WAITING, FIRST],
        ready=[make_batch(batch_id="b1", status="ready")],
    )
    decision = decide(FIRST.model, True, history, WHEN, QuietPeriods())
    assert not decision.request
    assert "version 2 waits for approval" in decision.reason


def test_rollout_status_names_the_version_that_waits():
    status = describe(FIRST, [], None, WHEN, [WAITING])
    assert "version 2 waits for approval (`tasador approve 2`)" in status.message
    assert "waits" not in describe(FIRST, [], None, WHEN, [FIRST]).message


def test_setting_is_checked(tmp_path):
    environ = {"TASADOR_HOME": str(tmp_path)}
    assert Settings.load(environ).approval == "automatic"
    assert Settings.load({**environ, "TASADOR_APPROVAL": "required"}).approval == "required"
    with pytest.raises(ConfigurationError, match="TASADOR_APPROVAL is 'yes'"):
        Settings.load({**environ, "TASADOR_APPROVAL": "yes"})
