"""Accounts, sessions and delays on a real Postgres."""

import asyncio
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from tasador.accounts import delays, passwords, verbs
from tasador.clock import now
from tasador.errors import TasadorError
from tasador.settings import CHECKOUT
from tasador.warehouse.warehouse import Warehouse
from tests.kit.network import free_port
from tests.kit.waiting import wait_for

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import visitors
from tasador_web.sign_in import SignIn

ORIGIN = "http://127.0.0.1:3000"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch):
    monkeypatch.setattr(passwords, "_COST", (4, 8, 1))


def sign_in(warehouse, name, password=PASSWORD, address="10.0.0.7"):
    return verbs.sign_in(warehouse, name, password, address, 12)


def test_session_lasts_until_it_is_over_signed_out_or_the_password_changes(warehouse):
    verbs.add_account(warehouse, "Ana", "operator", PASSWORD, "root")
    first, second = (sign_in(warehouse, "ana").token for _ in range(2))
    assert first != second
    session = verbs.session_of(warehouse, first)
    assert (session.name, session.role) == ("ana", "operator")
    assert session.expires_at - session.began_at == timedelta(hours=12)
    assert warehouse.session(verbs.digest_of(first), session.expires_at) is None
    for forged in ("", "x", first[:-1], verbs.digest_of(first)):
        assert verbs.session_of(warehouse, forged) is None
    verbs.set_role(warehouse, "ana", "viewer", "root")
    assert verbs.session_of(warehouse, first).role == "viewer"
    verbs.sign_out(warehouse, first)
    assert verbs.session_of(warehouse, first) is None
    verbs.set_password(warehouse, "ana", "another good password", "root")
    assert verbs.session_of(warehouse, second) is None
    with pytest.raises(verbs.SignInRefused):
        sign_in(warehouse, "ana")
    third = sign_in(warehouse, "ana", "another good password").token
    verbs.remove_account(warehouse, "ana", "root")
    assert verbs.session_of(warehouse, third) is None
    done = [(a.actor, a.action, a.outcome) for a in warehouse.actions(100)]
    assert done[::-1] == [
        ("root", "user add", "done"),
        ("ana", "sign in", "done"),
        ("ana", "sign in", "done"),
        ("root", "user role", "done"),
        ("ana", "sign out", "done"),
        ("root", "user passwd", "done"),
        ("ana", "sign in", "refused"),
        ("ana", "sign in", "done"),
        ("root", "user remove", "done"),
    ]


def test_account_that_is_unknown_or_taken(warehouse):
    verbs.add_account(warehouse, "ben", "viewer", PASSWORD, "root")
    with pytest.raises(TasadorError, match="already"):
        verbs.add_account(warehouse, "BEN", "operator", PASSWORD, "root")
    assert warehouse.account("ben").role == "viewer"
    for change in (
        lambda: verbs.set_password(warehouse, "carla", PASSWORD, "root"),
        lambda: verbs.set_role(warehouse, "carla", "viewer", "root"),
        lambda: verbs.remove_account(warehouse, "carla", "root"),
    ):
        with pytest.raises(TasadorError, match="no account carla"):
            change()


def test_old_hash_is_renewed_at_the_next_sign_in(warehouse, monkeypatch):
    verbs.add_account(warehouse, "dora", "viewer", PASSWORD, "root")
    monkeypatch.setattr(passwords, "_COST", (5, 8, 1))
    token = sign_in(warehouse, "dora").token
    assert warehouse.account("dora").password_hash.startswith("scrypt$5$")
    assert verbs.session_of(warehouse, token) is not None


def test_session_for_a_password_that_has_just_changed_is_refused(warehouse):
    account = verbs.add_account(warehouse, "eva", "viewer", PASSWORD, "root")
    verbs.set_password(warehouse, "eva", "another good password", "root")
    at = now()
    begun = warehouse.begin_session(
        "eva", account.password_hash, "digest", at, at + timedelta(hours=1)
    )
    assert not begun
    assert warehouse.session("digest", at) is None


@pytest.fixture
def stopped_clock(monkeypatch):
    """The time of all attempts: on a busy machine five of them may take longer than the delay."""
    at = now()
    monkeypatch.setattr(verbs, "now", lambda: at)
    return at


def test_wrong_passwords_slow_down_the_account_from_any_address(warehouse, stopped_clock):
    verbs.add_account(warehouse, "fred", "operator", PASSWORD, "root")
    for n in range(5):
        with pytest.raises(verbs.SignInRefused, match="wrong"):
            sign_in(warehouse, "fred", "guess", f"10.1.0.{n}")
    with pytest.raises(verbs.SignInRefused, match=r"try again in 1 second$") as refused:
        sign_in(warehouse, "fred", PASSWORD, "10.1.0.99")
    assert 0 < refused.value.seconds <= 1
    # A second process, and one who tries before the time is over: neither shortens nor extends it.
    with Warehouse(warehouse._url) as other:
        left = other.begin_sign_in([delays.account_key("fred")], stopped_clock, delays.delay)
        assert 0 < left <= refused.value.seconds
    later = stopped_clock + timedelta(seconds=2)
    assert warehouse.begin_sign_in([delays.account_key("fred")], later, delays.delay) == 0
    assert warehouse.begin_sign_in([delays.account_key("fred")], later, delays.delay) == 2


@pytest.mark.usefixtures("stopped_clock")
def test_wrong_passwords_slow_down_the_address_for_any_account(warehouse):
    verbs.add_account(warehouse, "gina", "viewer", PASSWORD, "root")
    for n in range(5):
        with pytest.raises(verbs.SignInRefused, match="wrong"):
            sign_in(warehouse, f"guess{n}", "guess", "10.2.0.1")
        # An account of the guesser's is no way around it.
        if n == 2:
            sign_in(warehouse, "gina", address="10.2.0.1")
    with pytest.raises(verbs.SignInRefused, match="try again"):
        sign_in(warehouse, "gina", address="10.2.0.1")
    sign_in(warehouse, "gina", address="10.2.0.2")


def test_many_guesses_at_once_are_counted_before_they_are_checked(warehouse):
    keys = [delays.account_key("hugo"), delays.address_key("10.3.0.1")]
    at = now()
    with ThreadPoolExecutor(8) as pool:
        left = list(pool.map(lambda _: warehouse.begin_sign_in(keys, at, delays.delay), range(40)))
    assert left.count(0) == 5


def test_failures_are_forgotten_after_a_day(warehouse):
    keys, at = [delays.account_key("ivo")], now()
    for _ in range(5):
        warehouse.begin_sign_in(keys, at, delays.delay)
    assert warehouse.begin_sign_in(keys, at, delays.delay) == 1
    next_day = at + timedelta(days=1, seconds=1)
    for _ in range(5):
        assert warehouse.begin_sign_in(keys, next_day, delays.delay) == 0


def test_right_password_forgets_the_accounts_failures(warehouse):
    verbs.add_account(warehouse, "jo", "viewer", PASSWORD, "root")
    for _ in range(3):
        for n in range(4):
            with pytest.raises(verbs.SignInRefused, match="wrong"):
                sign_in(warehouse, "jo", "guess", f"10.4.0.{n}")
        sign_in(warehouse, "jo", address="10.4.0.9")


def test_text_that_names_no_account_is_not_recorded(warehouse):
    with pytest.raises(verbs.SignInRefused, match="the name or the password is wrong"):
        sign_in(warehouse, "my secret password", address="10.5.0.1")
    newest = warehouse.actions(1)[0]
    assert (newest.actor, newest.outcome, newest.target) == ("", "refused", "10.5.0.1")
    assert "secret" not in repr(newest)


def test_ten_wrong_passwords_by_the_form_slow_down(warehouse, database, monkeypatch):
    verbs.add_account(warehouse, "kim", "operator", PASSWORD, "root")
    clock = [now()]
    monkeypatch.setattr(verbs, "now", lambda: clock[0])
    monkeypatch.setattr(visitors, "warehouse", lambda: warehouse)
    monkeypatch.setenv("TASADOR_DATABASE_URL", database.database_url)

    async def post(password):
        transport = httpx.ASGITransport(SignIn(None, [ORIGIN]), client=("10.6.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            token = re.search(r'name="token" value="(\w+)"', (await client.get("/login")).text)[1]
            form = {"token": token, "name": "kim", "password": password}
            return await client.post("/login", data=form, headers={"origin": ORIGIN})

    waits = []
    for _ in range(10):
        answer = asyncio.run(post("guess"))
        if answer.status_code == 429:
            waits.append(int(answer.headers["retry-after"]))
            clock[0] += timedelta(seconds=waits[-1])
            answer = asyncio.run(post("guess"))
        assert answer.status_code == 401
    right = asyncio.run(post(PASSWORD))
    assert right.status_code == 429
    assert "try again in 32 seconds" in right.text
    assert waits == [2, 3, 5, 9, 17]
    clock[0] += timedelta(seconds=33)
    assert asyncio.run(post(PASSWORD)).status_code == 303


@pytest.fixture(scope="module")
def provider():
    """An OpenID provider, by its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            well_known = f"{address}/.well-known/openid-configuration"
            wait_for(lambda: httpx.get(well_known, trust_env=False).is_success)
            yield address
        finally:
            process.terminate()


@pytest.fixture
def visit(warehouse, database, provider, monkeypatch):
    """A function that signs in at the provider: (the app's last answer, its cookies)."""
    monkeypatch.setattr(visitors, "warehouse", lambda: warehouse)
    monkeypatch.setenv("TASADOR_DATABASE_URL", database.database_url)
    monkeypatch.setenv("TASADOR_OIDC_ISSUER", provider)
    monkeypatch.setenv("TASADOR_OIDC_CLIENT_ID", "tasador")
    monkeypatch.setenv("TASADOR_OIDC_CLIENT_SECRET", "secret")
    monkeypatch.setenv("TASADOR_OIDC_OPERATORS", "appraisers")
    monkeypatch.setenv("TASADOR_OIDC_VIEWERS", "staff")

    async def signed_in(subject, claims, form, cookies):
        app = httpx.ASGITransport(SignIn(None, [ORIGIN]), client=("10.7.0.1", 1))
        async with (
            httpx.AsyncClient(transport=app, base_url=ORIGIN) as client,
            httpx.AsyncClient(trust_env=False) as outside,
        ):
            await outside.put(f"{provider}/users/{subject}", json=claims)
            left = await client.get("/login/openid?next=/models?version=3")
            where = left.headers["location"]
            assert where.startswith(f"{provider}/")
            back = await outside.post(where, data=form or {"sub": subject})
            if not cookies:
                client.cookies.clear()
            return await client.get(back.headers["location"]), dict(client.cookies)

    def visit(subject, form=None, cookies=True, **claims):
        return asyncio.run(signed_in(subject, claims, form, cookies))

    return visit


def test_person_of_the_provider_gets_the_role_of_the_claim(warehouse, visit):
    answer, cookies = visit("s-1", preferred_username="Rosa", groups=["appraisers"])
    assert answer.status_code == 200
    assert "url=/models?version=3" in answer.text
    session = verbs.session_of(warehouse, cookies["tasador-session-3000"])
    assert (session.name, session.role) == ("rosa", "operator")
    added, signed = reversed(warehouse.actions(2))
    assert (added.actor, added.action, added.target) == (
        "the OpenID provider",
        "user add",
        "rosa (operator)",
    )
    assert (signed.actor, signed.action, signed.role) == ("rosa", "sign in", "operator")
    # The claim decides at each sign-in, for every session of the account.
    visit("s-1", preferred_username="Rosa", groups=["staff"])
    assert verbs.session_of(warehouse, cookies["tasador-session-3000"]).role == "viewer"
    # No password opens the account.
    with pytest.raises(verbs.SignInRefused, match="name or the password is wrong"):
        sign_in(warehouse, "rosa", address="10.7.0.2")


def test_provider_does_not_open_the_account_of_somebody_else(warehouse, visit):
    verbs.add_account(warehouse, "tomas", "operator", PASSWORD, "root")
    visit("s-2", preferred_username="lucia", groups=["staff"])
    for subject, name in (("s-3", "tomas"), ("s-4", "lucia")):
        answer, cookies = visit(subject, preferred_username=name, groups=["appraisers"])
        assert answer.status_code == 403
        assert "belongs to somebody else" in answer.text
        assert "tasador-session-3000" not in cookies
    assert warehouse.account("lucia").role == "viewer"


def test_sign_in_at_the_provider_that_is_refused_or_forged(visit):
    answer, cookies = visit("s-5", preferred_username="eve", groups=["others"])
    assert (answer.status_code, "tasador-session-3000" in cookies) == (403, False)
    assert "no role here" in answer.text
    # An answer that this browser did not ask for: somebody else's code in a link.
    answer, cookies = visit("s-6", preferred_username="eva", groups=["staff"], cookies=False)
    assert (answer.status_code, cookies) == (403, {})
    assert "did not begin here" in answer.text
    answer, _ = visit("s-7", form={"action": "deny"}, groups=["staff"])
    assert answer.status_code == 403


def test_provider_that_is_down_is_named(visit, monkeypatch):
    monkeypatch.setenv("TASADOR_OIDC_ISSUER", f"http://127.0.0.1:{free_port()}")

    async def leave():
        app = httpx.ASGITransport(SignIn(None, [ORIGIN]))
        async with httpx.AsyncClient(transport=app, base_url=ORIGIN) as client:
            return await client.get("/login/openid"), await client.get("/login")

    answer, form = asyncio.run(leave())
    assert answer.status_code == 503
    assert "The OpenID provider does not answer" in answer.text
    # Accounts of the platform still work.
    assert "Sign in with your organisation" in form.text
