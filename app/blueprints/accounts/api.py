"""The API of accounts: tokens, users, keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from flask import request
from pydantic import Field

from app.accounts import api_keys, queries, service, sessions, sign_in, tokens
from app.blueprints.accounts.limits import forget_tries, limits_registration, limits_sign_in
from app.infra.paging import Page
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, PageQuery, Shown

api = ApiBlueprint("accounts_api", __name__)

Words = Annotated[str, Field(max_length=500)]


class RegisterBody(Body):
    """A new organisation and its owner."""

    organisation: Words
    name: Words
    email: Words
    password: Words


class LoginBody(Body):
    """Address and password."""

    email: Words
    password: Words


class RefreshBody(Body):
    """A refresh token that was not used yet."""

    refresh_token: Annotated[str, Field(max_length=2000)]


class Tokens(Shown):
    """An access token for the Authorization header, and the token that gets the next pair, once."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int


class Registered(Tokens):
    """The first tokens of a new organisation's owner."""

    tenant_id: UUID
    user_id: UUID


class UserOut(Shown):
    """A user of the organisation."""

    id: UUID
    email: str
    name: str
    role: str
    status: str
    last_sign_in_at: datetime | None
    created_at: datetime


class Me(UserOut):
    """The user who asks, with what the role allows."""

    tenant_id: UUID
    permissions: list[str]


class KeyBody(Body):
    """A new key: which machine uses it, and for what."""

    name: Words
    scopes: Annotated[list[Words], Field(max_length=100)]


class KeyOut(Shown):
    """An API key without its secret."""

    id: UUID
    name: str
    hint: str
    scopes: list[str]
    created_by: UUID | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKey(KeyOut):
    """A key just made; `key` is shown in this answer and never again."""

    key: str


@api.operation("POST", "/auth/register", permission=None, body=RegisterBody, returns=Registered, status=201)
@limits_registration
def register(*, body: RegisterBody) -> Registered:
    """Make an organisation with its owner, and sign the owner in."""
    account = service.register(**body.model_dump(), ip=request.remote_addr)
    pair = tokens.open_api(
        tenant_id=account.tenant_id,
        user_id=account.user_id,
        ip=request.remote_addr,
        user_agent=request.user_agent.string,
    )
    made = Tokens.model_validate(pair)
    return Registered(**made.model_dump(), tenant_id=account.tenant_id, user_id=account.user_id)


@api.operation("POST", "/auth/login", permission=None, body=LoginBody, returns=Tokens)
@limits_sign_in
def login(*, body: LoginBody) -> Tokens:
    """Sign in with address and password."""
    pair = sign_in.by_api(
        email=body.email, password=body.password, ip=request.remote_addr, user_agent=request.user_agent.string
    )
    forget_tries()
    return Tokens.model_validate(pair)


@api.operation("POST", "/auth/refresh", permission=None, body=RefreshBody, returns=Tokens)
def refresh(*, body: RefreshBody) -> Tokens:
    """Exchange a refresh token for new tokens; one used before ends its session."""
    return Tokens.model_validate(tokens.refresh(body.refresh_token, ip=request.remote_addr))


@api.operation("POST", "/auth/logout", permission="account.self", status=204)
def logout() -> None:
    """End the session of the access token, and its refresh token."""
    actor = current()
    if actor.user_id and actor.session_id:
        sessions.revoke(tenant_id=actor.tenant_id, user_id=actor.user_id, session_id=actor.session_id)


@api.operation("GET", "/users/me", permission="account.self", returns=Me)
def me() -> Me:
    """Return the user who asks."""
    actor = current()
    assert actor.user_id is not None
    found = UserOut.model_validate(queries.user(tenant_id=actor.tenant_id, user_id=actor.user_id))
    return Me(**found.model_dump(), tenant_id=actor.tenant_id, permissions=sorted(actor.permissions))


@api.operation("GET", "/users", permission="users.view", query=PageQuery, returns=UserOut, paged=True)
def list_users(*, query: PageQuery) -> Page[UserOut]:
    """List the organisation's users, the oldest account first."""
    found = queries.users(tenant_id=current().tenant_id, limit=query.limit, cursor=query.cursor)
    return Page([UserOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation("GET", "/api-keys", permission="api_keys.manage", query=PageQuery, returns=KeyOut, paged=True)
def list_keys(*, query: PageQuery) -> Page[KeyOut]:
    """List the organisation's API keys, the newest first."""
    found = api_keys.listed(tenant_id=current().tenant_id, limit=query.limit, cursor=query.cursor)
    return Page([KeyOut.model_validate(one) for one in found.items], found.next_cursor)


@api.operation("POST", "/api-keys", permission="api_keys.manage", body=KeyBody, returns=NewKey, secret=True, status=201)
def create_key(*, body: KeyBody) -> NewKey:
    """Make an API key; the answer holds it, this once."""
    actor = current()
    key, full = api_keys.create(
        tenant_id=actor.tenant_id, actor=actor, name=body.name, scopes=body.scopes, ip=request.remote_addr
    )
    return NewKey(**KeyOut.model_validate(key).model_dump(), key=full)


@api.operation("DELETE", "/api-keys/<uuid:key_id>", permission="api_keys.manage", status=204)
def revoke_key(*, key_id: UUID) -> None:
    """Revoke an API key at once."""
    actor = current()
    api_keys.revoke(tenant_id=actor.tenant_id, actor=actor, key_id=key_id, ip=request.remote_addr)
