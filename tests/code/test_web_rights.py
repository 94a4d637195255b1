"""Who may act in the web app: every event handler is known, and nobody but operators acts."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from tasador.clock import now
from tasador.errors import RolloutError, TasadorError
from tasador.records.account import ActionRecord, Session
from tasador.settings import CHECKOUT, Settings

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import actions, activity_view, market_view, model_view, visitors

_LIST = """
import json
from tasador_web import app
from tasador_web.rights import READING
from reflex_base.registry import RegistrationContext

for page in app.PAGES:
    page.page()  # states that a page's components bring
found = []
for name, known in RegistrationContext.get().event_handlers.items():
    path, _, handler = name.rpartition(".")
    state = known.states[0].__name__
    module = known.states[0].__module__
    found.append([module, state, handler, getattr(known.handler.fn, "is_guarded", False)])
print(json.dumps([found, {state: sorted(names) for state, names in READING.items()}]))
"""


@pytest.fixture(scope="module")
def handlers():
    """(module, state, handler, is guarded) of each registered handler; the reading ones by state.

    In a separate process, since Reflex registers states for good.
    """
    folder = CHECKOUT / "web"
    code = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(CHECKOUT)!r}]\n{_LIST}"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return json.loads(found.stdout.splitlines()[-1])


def test_every_event_handler_reads_only_or_is_for_operators(handlers):
    found, reading = handlers
    ours = [(s, h, guarded) for m, s, h, guarded in found if m.startswith("tasador_web")]
    acting = {(s, h) for s, h, guarded in ours if guarded}
    only_reading = {(s, h) for s, h, guarded in ours if not guarded and h != "setvar"}
    listed = {(state, name) for state, names in reading.items() for name in names}
    # A new handler: decide whether it acts (`operators_only`) or only reads (`READING`).
    assert only_reading == listed
    assert acting == {("ActionState", "confirm")}


def test_no_message_sets_a_variable(handlers):
    """`setvar` calls ``set_NAME`` of a state, and no state of the app has one."""
    names = {h for m, _, h, _ in handlers[0] if m.startswith("tasador_web")}
    assert not [name for name in names if name.startswith("set_")]


# -- actions --------------------------------------------------------------------------------------


def session(role, name="ana"):
    return Session(name=name, role=role, began_at=now(), expires_at=now() + timedelta(hours=1))


class Kept:
    """A warehouse that keeps what people did."""

    def __init__(self):
        self.begun, self.ended = [], []

    def begin_action(self, action):
        self.begun.append(action)
        return len(self.begun)

    def end_action(self, number, outcome, detail, _at):
        self.ended.append((number, outcome, detail))


@pytest.fixture
def kept(monkeypatch, tmp_path):
    kept = Kept()
    monkeypatch.setattr(visitors, "warehouse", lambda: kept)
    settings = Settings(home=tmp_path, database_url="postgresql://nowhere/x", broker_url="http://x")
    monkeypatch.setattr(Settings, "load", lambda: settings)
    monkeypatch.setattr(actions, "require_running", lambda settings, *_: settings)
    return kept


@pytest.mark.parametrize("kind", actions.ACTIONS)
def test_nobody_but_an_operator_acts(kept, monkeypatch, kind):
    with pytest.raises(actions.NotAllowed, match="Sign in"):
        actions.perform(kind, "3 abc", "note", None)
    # A stranger cannot fill the record.
    assert kept.begun == []
    with pytest.raises(actions.NotAllowed, match="Only operators"):
        actions.perform(kind, "3 abc", "note", session("viewer"))
    (refused,) = kept.begun
    assert (refused.actor, refused.role, refused.outcome) == ("ana", "viewer", "refused")
    assert (refused.action, refused.target) == (actions.ACTIONS[kind].name, "3 abc")


def test_unknown_action_is_refused(kept):
    with pytest.raises(actions.NotAllowed):
        actions.perform("drop", "x", "", session("operator"))


def test_roll_back_is_decided_by_the_account_and_recorded(kept, monkeypatch):
    calls = []

    def roll_back(settings, version, digest, *, by):
        calls.append((version, digest, by))
        decision = type("Decision", (), {"version": version})
        return decision, ""

    monkeypatch.setattr("tasador.rollout.rollback.roll_back", roll_back)
    target = actions.version_target(3, "abcdef0123456789")
    says = actions.perform("roll_back", target, "", session("operator"))
    assert calls == [(3, "abcdef012345", "ana")]
    assert says == "Version 3 is champion again. The reload function rolls it out."
    assert (kept.begun[0].actor, kept.begun[0].channel) == ("ana", "web")
    assert kept.ended == [(1, "done", says)]


def test_approval_for_who_started_the_training_fails_and_is_recorded(kept, monkeypatch):
    from tasador.rollout import approval
    from tests.kit.records import make_decision

    waiting = make_decision(version=4, decision="waiting", started_by="Ana", champion_version=0)

    def approve(settings, version, by, *, note, digest):
        return approval.choose_approval([waiting], version, by, note, digest)

    monkeypatch.setattr(approval, "approve", approve)
    with pytest.raises(RolloutError, match="ana started the training of version 4"):
        actions.perform("approve", "4", "", session("operator"))
    ((_, outcome, detail),) = kept.ended
    assert outcome == "failed"
    assert "another person must approve it" in detail


def test_decline_needs_a_reason(kept):
    with pytest.raises(TasadorError, match="Say why"):
        actions.perform("decline", "4", "  ", session("operator"))
    assert kept.begun == []


@pytest.mark.parametrize("target", ["", "x", "-1", "١", "1e3", "9999999999"])
def test_target_that_is_no_version_is_an_error(target):
    with pytest.raises(TasadorError, match="is no version"):
        actions._version(target)


# -- what the pages offer -------------------------------------------------------------------------


def decision(kind, version=3):
    return {
        "version": version,
        "digest": "abcdef0123456789",
        "decision": kind,
        "decided_at": "2026-11-29T05:00:00+00:00",
        "champion_version": 0,
        "run_id": "r",
        "correlation_id": "c",
        "batch_ids": [],
        "checks": [],
    }


def test_version_that_waits_can_be_approved_and_not_rolled_back_to():
    detail = model_view.detail_of(decision("waiting"), 2)
    assert (detail.waits, detail.can_return) == (True, False)
    assert detail.command == "tasador approve 3"
    assert detail.target == "3 abcdef012345"


def test_promoted_version_that_is_not_champion_can_be_returned_to():
    assert model_view.detail_of(decision("approved"), 2).can_return
    assert not model_view.detail_of(decision("approved"), 3).can_return
    assert not model_view.detail_of(decision("rejected"), 2).can_return


def batch(**changes):
    return {
        "batch_id": "b1",
        "batch_number": 1,
        "fetched_at": "2026-11-29T05:00:00+00:00",
        "rows": 10,
        "quarantined": 0,
        "status": "ready",
        "refused": False,
        "verdicts": [],
        "decision": None,
        "failure": "",
        "set_aside_at": None,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "offered", "verdict"),
    [
        ({}, [], "not judged yet"),
        ({"refused": True}, ["can_accept"], "not judged yet"),
        ({"status": "fetched"}, [], "not judged yet"),
        ({"status": "fetched", "failure": "no price"}, ["can_skip"], "fails"),
        (
            {"status": "fetched", "failure": "no price", "set_aside_at": "2026-11-29"},
            ["can_retry"],
            "set aside",
        ),
    ],
)
def test_batch_offers_what_can_be_done_with_it(changes, offered, verdict):
    (row,) = market_view.batch_rows([batch(**changes)], "")
    names = ("can_accept", "can_skip", "can_retry")
    assert [name for name in names if getattr(row, name)] == offered
    assert row.verdict == verdict


def test_activity_says_who_did_what_and_how_it_ended():
    begun = ActionRecord(
        actor="ana", role="operator", channel="web", action="decline", target="3", note="too few"
    )
    by_hand = replace(begun, channel="cli", role="", outcome="failed", detail="no such version")
    guess = replace(begun, actor="", role="", action="sign in", note="", outcome="refused")
    first, second, third = activity_view.deeds_of([begun, by_hand, guess])
    assert (first.who, first.outcome, first.detail) == ("ana (operator)", "unfinished", "too few")
    assert (second.who, second.detail) == ("ana (command line)", "too few · no such version")
    assert (third.who, third.outcome) == ("unknown", "refused")


def test_visitors_cookies():
    assert visitors.read_cookie("a=1; tasador-session-3000=x=y; b", "tasador-session-3000") == "x=y"
    assert visitors.read_cookie("", "a") == ""
    token = visitors.form_token("secret")
    assert visitors.is_form_token("secret", token)
    assert not visitors.is_form_token("", visitors.form_token(""))
    assert not visitors.is_form_token("secret", "ñ")
    assert "secret" not in token


def test_no_cookie_needs_no_database(monkeypatch):
    monkeypatch.setattr(visitors, "warehouse", lambda: pytest.fail("asked"))
    assert asyncio.run(visitors.session_of("a=1")) is None
