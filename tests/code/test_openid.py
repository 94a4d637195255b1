"""ID tokens of an OpenID provider: which are accepted, and which role they give."""

import asyncio
import sys
from base64 import urlsafe_b64encode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from tasador.accounts.verbs import SignInRefused
from tasador.errors import ConfigurationError
from tasador.settings import CHECKOUT, Settings

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import openid

NO_ALGORITHM = b'{"alg": "none"}'
AT = 1_800_000_000.0
CLAIMS = {
    "iss": "https://id.example",
    "aud": "tasador",
    "sub": "42",
    "exp": AT + 300,
    "iat": AT,
    "nonce": "once",
    "preferred_username": "ana",
    "groups": ["staff", "appraisers"],
}


@pytest.fixture(scope="module")
def key():
    return RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})


@pytest.fixture(scope="module")
def keys(key):
    return KeySet([key]).as_dict(private=False)


@pytest.fixture
def settings(tmp_path):
    return Settings.load({"TASADOR_HOME": str(tmp_path)})._replace(
        oidc_issuer="https://id.example",
        oidc_client_id="tasador",
        oidc_client_secret="secret",
        oidc_operators="appraisers, owners",
    )


def signed(key, changes=None, algorithm="RS256"):
    claims = {n: v for n, v in {**CLAIMS, **(changes or {})}.items() if v is not None}
    return jwt.encode({"alg": algorithm, "kid": "k1"}, claims, key, algorithms=[algorithm])


def test_token_of_the_provider_says_who_signed_in(key, keys, settings):
    claims = openid.read_token(signed(key), keys, settings, "once", AT)
    who = openid.identity_of(claims, settings)
    assert (who.name, who.role) == ("ana", "operator")
    # Another person of the same name is not the same subject.
    other = openid.identity_of({**claims, "sub": "43"}, settings)
    assert other.subject != who.subject


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"aud": ["tasador", "another"], "azp": "another"},
        {"nonce": "again"},
        {"nonce": None},
        {"exp": AT - 3600},
        {"exp": None},
        {"sub": None},
    ],
)
def test_token_for_another_time_place_or_attempt_is_refused(key, keys, settings, changes):
    with pytest.raises(SignInRefused, match="not valid here"):
        openid.read_token(signed(key, changes), keys, settings, "once", AT)


def test_forged_tokens_are_refused(key, keys, settings):
    other = RSAKey.generate_key(2048, {"kid": "k1"})
    # A signature by a secret that both sides know, and none at all.
    confused = OctKey.generate_key(256, {"kid": "k1"})
    head, body, _ = signed(key).split(".")
    bare = f"{urlsafe_b64encode(NO_ALGORITHM).decode()}.{body}."
    for token in (signed(other), signed(confused, None, "HS256"), bare, f"{head}.{body}.", "x"):
        with pytest.raises(SignInRefused, match="not valid here"):
            openid.read_token(token, keys, settings, "once", AT)


@pytest.mark.parametrize(
    ("changes", "claims", "role"),
    [
        ({}, {"groups": ["owners"]}, "operator"),
        ({}, {"groups": "owners"}, "operator"),
        ({}, {"groups": ["x"]}, "viewer"),
        ({}, {}, "viewer"),
        ({"oidc_viewers": "staff"}, {"groups": ["staff"]}, "viewer"),
        ({"oidc_viewers": "staff"}, {"groups": ["x"]}, None),
        ({"oidc_viewers": "staff"}, {}, None),
        ({"oidc_operators": ""}, {"groups": [""]}, "viewer"),
        ({"oidc_role_claim": "access.roles"}, {"access": {"roles": ["owners"]}}, "operator"),
        ({"oidc_role_claim": "access.roles"}, {"access": "owners"}, "viewer"),
    ],
)
def test_role_follows_the_claim(settings, changes, claims, role):
    assert openid.role_of(claims, settings._replace(**changes)) == role


def test_token_without_a_name_or_a_role_is_refused(settings):
    with pytest.raises(SignInRefused, match="TASADOR_OIDC_NAME_CLAIM"):
        openid.identity_of({"sub": "42"}, settings)
    with pytest.raises(SignInRefused, match="no role here"):
        openid.identity_of(CLAIMS, settings._replace(oidc_operators="", oidc_viewers="x"))


async def _address(settings):
    return await openid.address(settings, openid.Attempt.new("/"), "http://127.0.0.1:3000/x")


def test_provider_without_https_is_refused(settings):
    with pytest.raises(ConfigurationError, match="https"):
        asyncio.run(_address(settings._replace(oidc_issuer="http://id.example")))


def test_attempt_is_read_from_its_cookie():
    attempt = openid.Attempt.new("/models?version=3.5")
    assert openid.Attempt.from_cookie(attempt.cookie) == attempt
    for wrong in ("", "a.b.c", "a..c.d", f"{attempt.cookie}.x"):
        assert openid.Attempt.from_cookie(wrong) is None
