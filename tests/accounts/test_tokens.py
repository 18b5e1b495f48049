"""Access tokens nobody can make but us, and refresh tokens that are good once (T36)."""

import base64
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import OctKey

from app.accounts import tokens
from app.infra import clock
from app.infra.config import load
from tests.accounts.conftest import Person, audit_actions, registered
from tests.tampered import tampered


@pytest.fixture
def pair(owner: Person) -> tokens.TokenPair:
    return tokens.open_api(tenant_id=owner.tenant_id, user_id=owner.id)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return decoded(header), decoded(claims)


def decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def our_key() -> bytes:
    return hmac.digest(load().secret_key.encode(), b"fairway:access-token", "sha256")


def signed(header: dict[str, Any], claims: dict[str, Any], key: bytes | None = None) -> str:
    """Sign whatever header with HMAC-SHA256, as somebody who had our key could."""
    body = f"{encoded(header)}.{encoded(claims)}"
    return f"{body}.{encoded(hmac.digest(key or our_key(), body.encode(), 'sha256'))}"


def test_a_token_names_its_user(owner: Person, pair: tokens.TokenPair) -> None:
    actor = tokens.read_access(pair.access_token)
    assert actor is not None
    assert (actor.tenant_id, actor.user_id, actor.via) == (owner.tenant_id, owner.id, "jwt")
    header, claims = parts(pair.access_token)
    assert header == {"typ": "JWT", "alg": "HS256"}
    assert claims["exp"] - claims["iat"] == pair.expires_in == 900
    assert signed(header, claims) == pair.access_token


def test_our_own_signature_over_the_same_claims_is_accepted(pair: tokens.TokenPair) -> None:
    assert tokens.read_access(signed(*parts(pair.access_token))) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": ""},
        {"alg": None},
        {"kid": "../../dev/null"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"jku": "https://evil.example/keys"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"typ": "at+jwt"},
        {"x5u": "https://evil.example/"},
    ],
)
def test_any_other_header_is_refused_even_with_our_signature(pair: tokens.TokenPair, change: dict[str, Any]) -> None:
    header, claims = parts(pair.access_token)
    assert tokens.read_access(signed(header | change, claims)) is None
    unsigned = f"{encoded(header | change)}.{encoded(claims)}."
    assert tokens.read_access(unsigned) is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_our_key_is_refused(pair: tokens.TokenPair, algorithm: str) -> None:
    _, claims = parts(pair.access_token)
    forged = jwt.encode({"alg": algorithm}, claims, OctKey.import_key(our_key()), algorithms=[algorithm])
    assert tokens.read_access(forged) is None


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another-service"},
        {"aud": ["another-service"]},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"exp": 0},
        {"exp": "never"},
        {"exp": None},
        {"iat": None},
        {"nbf": 9_999_999_999},
        {"ver": 99},
        {"ver": "x"},
        {"ver": None},
        {"sub": "00000000-0000-0000-0000-000000000000"},
        {"sub": 7},
        {"sid": "00000000-0000-0000-0000-000000000000"},
        {"sid": None},
        {"tenant": "00000000-0000-0000-0000-000000000000"},
        {"tenant": "'; DROP TABLE users; --"},
        {"tenant": {}},
    ],
)
def test_wrong_claims_are_refused_even_with_our_signature(pair: tokens.TokenPair, change: dict[str, Any]) -> None:
    header, claims = parts(pair.access_token)
    wrong = {name: value for name, value in (claims | change).items() if value is not None}
    assert tokens.read_access(signed(header, wrong)) is None


def test_changed_claims_and_another_key_are_refused(pair: tokens.TokenPair) -> None:
    header, claims = parts(pair.access_token)
    _, _, signature = pair.access_token.split(".")
    assert tokens.read_access(f"{encoded(header)}.{encoded(claims | {'ver': 2})}.{signature}") is None
    assert tokens.read_access(signed(header, claims, b"k" * 32)) is None
    assert tokens.read_access(signed(header, claims, load().secret_key.encode())) is None


def test_a_token_of_one_tenant_opens_no_other(owner: Person, pair: tokens.TokenPair) -> None:
    other = registered("second@example.com", "Second Greens")
    header, claims = parts(pair.access_token)
    assert tokens.read_access(signed(header, claims | {"tenant": str(other.tenant_id)})) is None
    assert tokens.read_access(signed(header, claims | {"sub": str(other.id)})) is None


def test_it_lasts_fifteen_minutes(pair: tokens.TokenPair) -> None:
    assert tokens.read_access(pair.access_token, now=clock.now() + timedelta(minutes=14)) is not None
    assert tokens.read_access(pair.access_token, now=clock.now() + timedelta(minutes=15, seconds=1)) is None


@pytest.mark.parametrize(
    "word",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "é.é.é",
        "x" * 1_000_000,
        ".".join(["eyJhbGciOiJIUzI1NiJ9"] * 9),
        f"{encoded(b'[' * 1200)}.e30.AAAA",
        f"{encoded([1])}.{encoded({})}.AAAA",
        f"{encoded({'alg': 'HS256', 'typ': 'JWT'})}.{encoded(b'not json')}.AAAA",
    ],
)
def test_nonsense_is_nobody(word: str, app: Flask) -> None:
    assert tokens.read_access(word) is None


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Basic dGhhbmRpOng=", "Bearer a.b.c", "Bearer " + "x" * 20_000])
def test_the_api_answers_401_to_what_proves_nothing(app: Flask, value: str) -> None:
    answer = app.test_client().get("/api/v1/users/me", headers={"Authorization": value})
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"


def test_the_cookie_opens_no_api(app: Flask, client: Any, sign_in: Any) -> None:
    sign_in("owner")
    assert client.http.get("/api/v1/users/me").status_code == 401


def test_a_refresh_token_gives_new_ones_and_is_then_used_up(owner: Person, pair: tokens.TokenPair) -> None:
    second = tokens.refresh(pair.refresh_token)
    assert second.refresh_token != pair.refresh_token
    assert tokens.read_access(second.access_token) is not None
    third = tokens.refresh(second.refresh_token)
    with pytest.raises(tokens.RefreshRefused):
        tokens.refresh(pair.refresh_token)
    # Somebody has a copy, so the session is over for whoever holds the newest tokens too.
    assert tokens.read_access(third.access_token) is None
    with pytest.raises(tokens.RefreshRefused):
        tokens.refresh(third.refresh_token)
    assert audit_actions(owner.tenant_id)[-1] == "refresh_token_reused"


def test_thirty_days_unused_end_a_refresh_token(pair: tokens.TokenPair) -> None:
    with pytest.raises(tokens.RefreshRefused):
        tokens.refresh(pair.refresh_token, now=clock.now() + timedelta(days=31))


@pytest.mark.parametrize(
    "change", [lambda t: "", lambda t: t[:-3] + tampered(t[-3:]), lambda t: t + "A", lambda t: "x" * 5000]
)
def test_a_forged_refresh_token_is_refused_and_ends_nothing(pair: tokens.TokenPair, change: Any) -> None:
    with pytest.raises(tokens.RefreshRefused):
        tokens.refresh(change(pair.refresh_token))
    assert tokens.refresh(pair.refresh_token).expires_in == 900


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(pair: tokens.TokenPair) -> None:
    with pytest.raises(tokens.RefreshRefused):
        tokens.refresh(pair.access_token)
    assert tokens.read_access(pair.refresh_token) is None


def test_ids_in_a_token_are_those_of_rows(owner: Person, pair: tokens.TokenPair) -> None:
    _, claims = parts(pair.access_token)
    assert UUID(claims["sub"]) == owner.id
    assert UUID(claims["tenant"]) == owner.tenant_id
