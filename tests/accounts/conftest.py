"""Accounts with passwords, and limits that start afresh for each test."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.accounts import queries, service, sessions
from app.accounts.actor import Actor
from app.accounts.permissions import permissions_of
from app.infra.db import transaction
from app.web.limits import limiter

PASSWORD = "seven blue herons"
NEW_PASSWORD = "nine green turtles"


@pytest.fixture(autouse=True)
def fresh_limits(app: Flask) -> Iterator[None]:
    limiter.reset()
    yield
    limiter.reset()


@dataclass(frozen=True)
class Person:
    """A registered owner."""

    tenant_id: UUID
    id: UUID
    email: str
    password: str = PASSWORD

    @property
    def actor(self) -> Actor:
        return actor_of(self.tenant_id, self.id)


def actor_of(tenant_id: UUID, user_id: UUID) -> Actor:
    """Return a user as who asks, without a sign-in."""
    found = queries.user(tenant_id=tenant_id, user_id=user_id)
    return Actor(
        tenant_id=tenant_id,
        user_id=user_id,
        name=found.name,
        email=found.email,
        role=found.role,
        permissions=permissions_of(found.role),
        via="session",
    )


def registered(email: str = "thandi@example.com", organisation: str = "Two Capes Golf") -> Person:
    """Register an organisation and return its owner."""
    made = service.register(organisation=organisation, name="Thandi Nel", email=email, password=PASSWORD)
    return Person(made.tenant_id, made.user_id, email)


@pytest.fixture
def owner(session_tx: None) -> Person:
    return registered()


def audit_actions(tenant_id: UUID) -> list[str]:
    """Return what was recorded, in order."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            text("SELECT action FROM audit_entry WHERE tenant_id = :id ORDER BY at, id"), {"id": tenant_id}
        )
        return [row.action for row in rows]


def mails_of(tenant_id: UUID) -> list[dict[str, Any]]:
    """Return the messages waiting in the outbox."""
    with transaction(tenant_id) as session:
        rows = session.execute(
            text("SELECT builtin, to_address, user_id, context FROM message WHERE tenant_id = :id ORDER BY id"),
            {"id": tenant_id},
        )
        return [dict(row._mapping) for row in rows]


def web_token(tenant_id: UUID, user_id: UUID) -> str:
    """Sign a user in by browser and return the cookie's token."""
    token = sessions.open_web(tenant_id=tenant_id, user_id=user_id).token
    assert token is not None
    return token
