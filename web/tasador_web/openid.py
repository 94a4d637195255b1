"""Signing in at an OpenID provider: the authorization code flow with PKCE. No Reflex.

The provider says who somebody is. In its ID token the claim that TASADOR_OIDC_ROLE_CLAIM names
says what they may do: a value that TASADOR_OIDC_OPERATORS names makes an operator, one of
TASADOR_OIDC_VIEWERS a viewer, and without TASADOR_OIDC_VIEWERS everybody else is a viewer. Its
documents are fetched at each sign-in, so that new keys of the provider hold at once.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx

from tasador.accounts.verbs import SignInRefused
from tasador.errors import ConfigurationError, StoreUnavailable
from tasador.records.account import Role
from tasador.settings import Settings

CALLBACK = "/login/openid/callback"
# No "none", and no key that the provider and this client share.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_TIMEOUT = httpx.Timeout(10.0)
_LEEWAY = 60  # seconds that two clocks may differ
_OWN_MACHINE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the browser keeps, in a cookie, while its visitor is at the provider."""

    state: str
    nonce: str
    verifier: str
    following: str  # the page that comes next

    @classmethod
    def new(cls, following: str) -> Attempt:
        """Three secrets that nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, following)

    @classmethod
    def from_cookie(cls, text: str) -> Attempt | None:
        """The attempt in a cookie, or None."""
        parts = text.split(".")
        if len(parts) != 4 or not all(parts):
            return None
        return cls(parts[0], parts[1], parts[2], unquote(parts[3]))

    @property
    def cookie(self) -> str:
        """The cookie's value."""
        following = quote(self.following, safe="").replace(".", "%2E")
        return f"{self.state}.{self.nonce}.{self.verifier}.{following}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in; ``subject`` is the same for one person for ever, whatever the name."""

    name: str
    role: Role
    subject: str


def is_configured(settings: Settings) -> bool:
    """Whether people may sign in at a provider."""
    return bool(settings.oidc_issuer)


async def address(settings: Settings, attempt: Attempt, callback: str) -> str:
    """The provider's address that the browser is sent to. Raises TasadorError."""
    _check(settings)
    async with _client() as client:
        provider = await _provider(client, settings)
    digest = hashlib.sha256(attempt.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": callback,
        "scope": settings.oidc_scopes,
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    endpoint = provider["authorization_endpoint"]
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


async def identity(settings: Settings, attempt: Attempt, code: str, callback: str) -> Identity:
    """Who the provider says has signed in. Raises SignInRefused and TasadorError."""
    _check(settings)
    async with _client() as client:
        provider = await _provider(client, settings)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": attempt.verifier,
        }
        named = (settings.oidc_client_id, settings.oidc_client_secret)
        answer = await _sent(client.post(provider["token_endpoint"], data=form, auth=named))
        if "id_token" not in answer:
            raise SignInRefused("the provider did not accept the sign-in: try again")
        keys = await _sent(client.get(provider["jwks_uri"]))
    claims = read_token(str(answer["id_token"]), keys, settings, attempt.nonce, time.time())
    return identity_of(claims, settings)


def read_token(token: str, keys: Any, settings: Settings, nonce: str, at: float) -> dict[str, Any]:
    """The claims of an ID token that the provider signed for this client and this attempt.

    ``at`` is the time in seconds. Raises SignInRefused.
    """
    # Most visitors never sign in, and the web app starts without it.
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    rules = jwt.JWTClaimsRegistry(
        now=int(at),
        leeway=_LEEWAY,
        iss={"essential": True, "value": settings.oidc_issuer},
        aud={"essential": True, "value": settings.oidc_client_id},
        sub={"essential": True},
        exp={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        found = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(_ALGORITHMS))
        rules.validate(found.claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise SignInRefused(f"the provider's token is not valid here: {error}") from None
    claims = dict(found.claims)
    # A token for several clients must have been issued to this one.
    if claims.get("azp", settings.oidc_client_id) != settings.oidc_client_id:
        raise SignInRefused("the provider's token is not valid here: it is for another client")
    return claims


def identity_of(claims: Mapping[str, Any], settings: Settings) -> Identity:
    """The name, the role and the subject of a token's claims. Raises SignInRefused."""
    subject, name = str(claims["sub"]), claims.get(settings.oidc_name_claim)
    if not isinstance(name, str) or not name:
        raise SignInRefused(
            f"the provider's token has no claim {settings.oidc_name_claim!r} "
            "(TASADOR_OIDC_NAME_CLAIM), which is to name the account"
        )
    role = role_of(claims, settings)
    if role is None:
        raise SignInRefused(f"the provider gives {name!r} no role here: ask who runs the platform")
    digest = hashlib.sha256(f"{settings.oidc_issuer}\n{subject}".encode()).hexdigest()
    return Identity(name, role, digest)


def role_of(claims: Mapping[str, Any], settings: Settings) -> Role | None:
    """What the claim of the setting allows; ``a.b`` is the claim b within a."""
    found: Any = claims
    for part in settings.oidc_role_claim.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    values = {found} if isinstance(found, str) else set(map(str, found or ()))
    if values & _listed(settings.oidc_operators):
        return "operator"
    viewers = _listed(settings.oidc_viewers)
    return "viewer" if not viewers or values & viewers else None


def _listed(text: str) -> set[str]:
    return {part.strip() for part in text.split(",") if part.strip()}


def _check(settings: Settings) -> None:
    settings.require("oidc_issuer", "oidc_client_id", "oidc_client_secret")
    parts = urlsplit(settings.oidc_issuer)
    if parts.scheme != "https" and parts.hostname not in _OWN_MACHINE:
        raise ConfigurationError(
            f"TASADOR_OIDC_ISSUER is {settings.oidc_issuer!r}; it must be an https address"
        )


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=_TIMEOUT)


async def _provider(client: httpx.AsyncClient, settings: Settings) -> dict[str, Any]:
    """The provider's description of itself."""
    where = f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
    found = await _sent(client.get(where))
    if found.get("issuer") != settings.oidc_issuer:
        raise ConfigurationError(
            f"the provider at TASADOR_OIDC_ISSUER calls itself {found.get('issuer')!r}; "
            "set the variable to exactly that"
        )
    missing = {"authorization_endpoint", "token_endpoint", "jwks_uri"} - found.keys()
    if missing:
        raise ConfigurationError(f"{where} names no {', '.join(sorted(missing))}")
    return found


async def _sent(request: Any) -> dict[str, Any]:
    """The JSON object of an answer, also of one that refuses (RFC 6749, 5.2)."""
    try:
        answer = await request
        if answer.status_code >= 500:
            raise httpx.HTTPError(f"status {answer.status_code}")
        return dict(answer.json())
    except (httpx.HTTPError, ValueError, TypeError) as error:
        raise StoreUnavailable(f"the OpenID provider does not answer: {error}") from None
