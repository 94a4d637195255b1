"""Passwords, names and delays of people who sign in, and the commands that manage them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from tasador.accounts import delays, passwords, verbs
from tasador.cli import user
from tasador.cli.app import make_app
from tasador.cli.tables import accounts_report, actions_report
from tasador.errors import InvalidValue, TasadorError
from tasador.records.account import Account, ActionRecord
from tasador.settings import Settings
from tests.kit.warehouse import OpenWarehouse

PASSWORD = "correct horse battery"


@pytest.fixture
def cheap(monkeypatch):
    """A cost that a test can pay many times."""
    monkeypatch.setattr(passwords, "_COST", (4, 8, 1))


def test_hash_has_a_cost_of_owasp_and_another_salt_each_time():
    stored = passwords.hash_password(PASSWORD)
    assert stored.startswith("scrypt$15$8$3$")
    assert not passwords.is_outdated(stored)
    assert passwords.is_password(PASSWORD, stored)
    assert not passwords.is_password(PASSWORD.upper(), stored)
    assert stored != passwords.hash_password(PASSWORD)


def test_hash_of_another_cost_is_read_and_outdated(cheap, monkeypatch):
    stored = passwords.hash_password(PASSWORD)
    monkeypatch.setattr(passwords, "_COST", (5, 8, 1))
    assert passwords.is_password(PASSWORD, stored)
    assert passwords.is_outdated(stored)


def test_composed_and_decomposed_letters_are_the_same_password(cheap):
    stored = passwords.hash_password("contrase\u00f1a de ana")
    assert passwords.is_password("contrasen\u0303a de ana", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "scrypt$4$8$1$AAAA",
        "bcrypt$4$8$1$AAAA$AAAA",
        "scrypt$x$8$1$AAAA$AAAA",
        "scrypt$4$8$1$*$AAAA",
    ],
)
def test_damaged_hash_is_an_error_and_not_a_wrong_password(stored):
    with pytest.raises(InvalidValue, match="tasador user passwd"):
        passwords.is_password(PASSWORD, stored)


def test_hash_for_nobody_costs_as_much_as_any_other():
    assert not passwords.is_outdated(verbs._NOBODY)
    assert not passwords.is_password("", verbs._NOBODY)


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("short", "has 5 characters; it needs 12"),
        ("x" * 300, "256 at most"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("ana.lopez1234", "the name"),
        ("Ana.LopezAna.Lopez", "the name"),
    ],
)
def test_password_that_is_easy_to_guess_is_refused(password, message):
    with pytest.raises(InvalidValue, match=message):
        passwords.check_new_password(password, "ana.lopez")


def test_ordinary_passwords_are_accepted():
    for password in (PASSWORD, "ana.lopez likes tea", "ñandú ñandú azul"):
        passwords.check_new_password(password, "ana.lopez")


def test_ten_wrong_passwords_slow_down():
    assert [delays.delay(n) for n in range(5)] == [0] * 5
    assert [delays.delay(n) for n in (5, 6, 10)] == [1, 2, 32]
    assert delays.delay(15) == delays.delay(10**9) == 900


@given(st.integers(0, 10**6))
def test_delay_never_shrinks(failures):
    assert delays.delay(failures) <= delays.delay(failures + 1)


def test_hosts_of_one_ipv6_network_share_a_delay():
    same = {delays.address_key(f"2001:db8:1:2::{n}") for n in (1, 2, "ffff:1")}
    assert len(same) == 1
    assert delays.address_key("2001:db8:1:3::1") not in same
    assert delays.address_key("::ffff:10.0.0.7") == delays.address_key("10.0.0.7")
    assert delays.address_key("10.0.0.8") != delays.address_key("10.0.0.7")
    assert len(delays.address_key("x" * 9999)) < 100


def test_names_are_lower_case_and_plain():
    assert verbs.normal_name(" Ana.Lopez ") == "ana.lopez"
    for name in ("", "-ana", "ana lopez", "ana\nben", "añá", "a" * 65, "ana;drop"):
        with pytest.raises(InvalidValue, match="cannot name an account"):
            verbs.normal_name(name)


def test_hash_is_not_shown():
    assert "scrypt" not in repr(account("ana"))


def account(name, role="operator"):
    return Account(name=name, role=role, password_hash="scrypt$x", created_by="root")


class Kept(OpenWarehouse):
    """A warehouse that keeps accounts and actions."""

    accounts_by_name, actions_begun = {}, []

    def add_account(self, new):
        return self.accounts_by_name.setdefault(new.name, new) is new

    def accounts(self):
        return list(self.accounts_by_name.values())

    def begin_action(self, action):
        self.actions_begun.append([action])
        return len(self.actions_begun) - 1

    def end_action(self, number, *outcome):
        self.actions_begun[number] += outcome


@pytest.fixture
def kept(monkeypatch, tmp_path, cheap):
    monkeypatch.setattr("tasador.warehouse.warehouse.Warehouse", Kept)
    monkeypatch.setattr(Kept, "accounts_by_name", {})
    monkeypatch.setattr(Kept, "actions_begun", [])
    settings = Settings(home=tmp_path, database_url="postgresql://nowhere/x")
    monkeypatch.setattr(user, "_settings", lambda: settings)
    return Kept


def run(*arguments, **more):
    return CliRunner().invoke(make_app(), ["user", *arguments], **more)


def test_user_add_reads_the_password_from_stdin_and_never_prints_it(kept):
    result = run("add", "Ana", "--role", "operator", input=f"{PASSWORD}\nmore\n")
    assert result.output == "ana may sign in as operator\n"
    assert passwords.is_password(PASSWORD, kept.accounts_by_name["ana"].password_hash)
    ((action, outcome, *_),) = kept.actions_begun
    assert (action.action, action.target, outcome) == ("user add", "ana (operator)", "done")
    listed = run("list", "--json").output
    assert "scrypt" not in listed
    assert '"operator"' in listed


def test_user_add_refuses_a_taken_name_a_short_password_and_an_unknown_role(kept):
    run("add", "ana", input=f"{PASSWORD}\n")
    assert "already" in str(run("add", "ANA", input=f"{PASSWORD}\n").exception)
    assert kept.actions_begun[-1][1] == "failed"
    assert "needs 12" in str(run("add", "ben", input="short\n").exception)
    assert "viewer or operator" in str(run("add", "ben", "--role", "root", input="").exception)
    assert list(kept.accounts_by_name) == ["ana"]


def test_no_command_takes_a_password_as_an_argument():
    for command in ("add", "passwd"):
        assert "--password" not in run(command, "--help").output


def test_error_of_an_action_is_its_outcome():
    warehouse = Kept("")
    Kept.actions_begun.clear()
    with pytest.raises(TasadorError, match="no bundle"), verbs.recorded(warehouse, "ana", "x", "y"):
        raise TasadorError("no bundle")
    action, outcome, detail, _ = Kept.actions_begun[0]
    assert (action.actor, outcome, detail) == ("ana", "failed", "no bundle")


def test_action_that_is_done_but_not_recorded_says_so():
    class Broken(Kept):
        def end_action(self, *_):
            raise TasadorError("the database does not answer")

    with (
        pytest.raises(TasadorError, match="roll back is done, but this could not be recorded"),
        verbs.recorded(Broken(""), "ana", "roll back", "3"),
    ):
        pass


def text_of(report):
    console = Console(width=160, force_terminal=False)
    with console.capture() as captured:
        console.print(report)
    return captured.get()


def test_reports_of_accounts_and_actions():
    assert "ana" in text_of(accounts_report([account("ana")]))
    assert "tasador user add" in text_of(accounts_report([]))
    begun = ActionRecord(
        actor="ana", role="operator", channel="web", action="roll back", target="[red]3", note="bad"
    )
    shown = text_of(actions_report([begun]))
    assert "[red]3" in shown
    assert "unfinished" in shown
    assert "bad" in shown
    assert "none" in text_of(actions_report([]))
