"""Sending domains and senders: whom letters are from, and that receivers can know it.

A domain is proven by its key in the DNS, since only its owner can put it there; only then are letters from it, and they
carry its signature. Until then, and for a club without a sender, they are from MAIL_FROM.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.accounts import audit
from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.ids import new_id
from app.infra.words import is_visible
from app.messaging import dkim, dns_check
from app.messaging.channel import From
from app.messaging.dkim import Signing
from app.messaging.mime import clean_address
from app.messaging.models import MailSender, SendingDomain

MAX_NAME = 100
MOST_DOMAINS = 50

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class NoSuchDomain(NotFound):
    """There is no such sending domain."""

    def __init__(self) -> None:
        super().__init__("There is no such sending domain.")


class NoSuchSender(NotFound):
    """There is no such sender."""

    def __init__(self) -> None:
        super().__init__("There is no such sender.")


class HasSenders(Conflict):
    """Letters are from the domain."""

    def __init__(self) -> None:
        super().__init__("Senders have their addresses in this domain. Remove them first.")


def domains(*, tenant_id: UUID) -> list[SendingDomain]:
    """Return the sending domains by name."""
    with transaction(tenant_id) as session:
        query = select(SendingDomain).where(SendingDomain.tenant_id == tenant_id).order_by(SendingDomain.domain)
        return list(session.scalars(query))


def domain(*, tenant_id: UUID, domain_id: UUID) -> SendingDomain:
    """Return one sending domain, or raise NoSuchDomain."""
    with transaction(tenant_id) as session:
        return _domain(session, tenant_id, domain_id)


def records(one: SendingDomain) -> list[tuple[dns_check.Record, dns_check.Found | None]]:
    """Return the DNS records a domain needs, each with what was found of it when it was last looked for."""
    found = {
        given["kind"]: dns_check.Found(given["kind"], dns_check.State(given["state"]), given["words"])
        for given in one.findings
    }
    wanted = dns_check.records(one.domain, one.selector, one.public_key)
    return [(record, found.get(record.kind)) for record in wanted]


def add(*, tenant_id: UUID, name: str, actor: str, ip: str | None = None, now: datetime | None = None) -> SendingDomain:
    """Make a domain with a key of its own, and return it. Raises Invalid."""
    cleaned = _cleaned(name)
    sealed, public = dkim.make_key(tenant_id)
    identity = new_id()
    with transaction(tenant_id) as session:
        there = session.scalars(select(SendingDomain.domain).where(SendingDomain.tenant_id == tenant_id)).all()
        if len(there) >= MOST_DOMAINS:
            raise Invalid({"domain": f"There may be {MOST_DOMAINS} sending domains; remove one you no longer need."})
        made = SendingDomain(
            tenant_id=tenant_id,
            id=identity,
            domain=cleaned,
            # Another organisation here, or another Fairway, may sign for the same domain by a key of its own.
            selector=f"fw{identity.hex[-10:]}",
            sealed_key=sealed,
            public_key=public,
            findings=[],
            created_at=now or clock.now(),
        )
        try:
            with session.begin_nested():
                session.add(made)
                session.flush()
        except IntegrityError as error:
            if "uq_sending_domain_domain" not in str(error.orig):
                raise
            raise Invalid({"domain": "This domain is on the list already."}) from None
        audit.record(session, actor, "sending_domain.add", "sending_domain", identity, {"domain": cleaned}, ip)
        return made


def check(*, tenant_id: UUID, domain_id: UUID, now: datetime | None = None) -> SendingDomain:
    """Look for a domain's records in the DNS, note what was found, and return it. Takes seconds."""
    one = domain(tenant_id=tenant_id, domain_id=domain_id)
    # Nobody waits for a name server with a connection to the database in hand.
    found = dns_check.check(dns_check.records(one.domain, one.selector, one.public_key))
    moment = now or clock.now()
    key = next(each.state for each in found if each.kind == "dkim")
    with transaction(tenant_id) as session:
        one = _domain(session, tenant_id, domain_id)
        one.findings = [asdict(each) for each in found]
        one.checked_at = moment
        if key is dns_check.State.RIGHT:
            one.proven_at = one.proven_at or moment
        elif key is not dns_check.State.SILENT:
            one.proven_at = None
        session.flush()
        return one


def remove(*, tenant_id: UUID, domain_id: UUID, actor: str, ip: str | None = None) -> None:
    """Remove a domain with its key. Raises HasSenders where senders have their addresses in it."""
    with transaction(tenant_id) as session:
        one = _domain(session, tenant_id, domain_id, locked=True)
        if session.scalar(
            select(MailSender.id).where(MailSender.tenant_id == tenant_id, MailSender.domain_id == domain_id).limit(1)
        ):
            raise HasSenders
        session.delete(one)
        session.flush()
        audit.record(session, actor, "sending_domain.remove", "sending_domain", domain_id, {"domain": one.domain}, ip)


_LISTED = text("""
    SELECT sender.id, sender.name, sender.local_part || '@' || domain.domain AS address, sender.club_id,
        club.name AS club_name, sender.domain_id, domain.proven_at IS NOT NULL AS proven
    FROM mail_sender AS sender
    JOIN sending_domain AS domain ON domain.tenant_id = :tenant_id AND domain.id = sender.domain_id
    LEFT JOIN club ON club.tenant_id = :tenant_id AND club.id = sender.club_id
    WHERE sender.tenant_id = :tenant_id
    ORDER BY sender.club_id IS NOT NULL, club.name, sender.id
""")


def senders(*, tenant_id: UUID) -> list[Mapping[str, Any]]:
    """Return the senders: id, name, address, club_id, club_name, domain_id and proven; that of all clubs first."""
    with transaction(tenant_id) as session:
        return [dict(row) for row in session.execute(_LISTED, {"tenant_id": tenant_id}).mappings()]


def set_sender(
    *, tenant_id: UUID, name: str, address: str, club_id: UUID | None, actor: str, ip: str | None = None
) -> UUID:
    """Let letters to the customers of a club (None: of all others) be from `name <address>`, and return its id.

    One that was there is replaced. Raises Invalid: the address has to be in one of the sending domains.
    """
    errors: dict[str, str] = {}
    name = " ".join((name or "").split())
    if not is_visible(name) or _CONTROL.search(name):
        errors["name"] = "Say who the letters are from, as readers should see it."
    elif len(name) > MAX_NAME:
        errors["name"] = f"Use at most {MAX_NAME} characters."
    cleaned = clean_address(address or "")
    local, _, its_domain = (cleaned or "").rpartition("@")
    if cleaned is None:
        errors["address"] = "This is not an address mail can be from."
    with transaction(tenant_id) as session:
        by_name = {one.domain: one.id for one in domains(tenant_id=tenant_id)}
        if cleaned is not None and its_domain.lower() not in by_name:
            errors["address"] = f"{its_domain.lower()} is not among your sending domains. Add it first."
        if club_id is not None and not session.scalar(
            text("SELECT id FROM club WHERE tenant_id = :tenant_id AND id = :id"),
            {"tenant_id": tenant_id, "id": club_id},
        ):
            errors["club_id"] = "There is no such club."
        if errors:
            raise Invalid(errors)
        values = {"domain_id": by_name[its_domain.lower()], "name": name, "local_part": local}
        put = insert(MailSender).values(tenant_id=tenant_id, id=new_id(), club_id=club_id, **values)
        put = put.on_conflict_do_update(index_elements=["tenant_id", "club_id"], set_=values)
        identity: UUID = session.execute(put.returning(MailSender.id)).scalar_one()
        detail = {"name": name, "address": cleaned, "club_id": club_id and str(club_id)}
        audit.record(session, actor, "mail_sender.set", "mail_sender", identity, detail, ip)
        return identity


def remove_sender(*, tenant_id: UUID, sender_id: UUID, actor: str, ip: str | None = None) -> None:
    """Remove a sender. Raises NoSuchSender."""
    with transaction(tenant_id) as session:
        gone = session.execute(delete(MailSender).where(MailSender.tenant_id == tenant_id, MailSender.id == sender_id))
        if not gone.rowcount:  # type: ignore[attr-defined]
            raise NoSuchSender
        audit.record(session, actor, "mail_sender.remove", "mail_sender", sender_id, {}, ip)


_IN_USE = text("""
    SELECT sender.id, sender.club_id, sender.name, sender.local_part, domain.domain, domain.selector, domain.sealed_key
    FROM mail_sender AS sender
    JOIN sending_domain AS domain ON domain.tenant_id = :tenant_id AND domain.id = sender.domain_id
    WHERE sender.tenant_id = :tenant_id AND domain.proven_at IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class Senders:
    """Whom letters are from now: by the reader's club, under None for readers of all others; and each by its id."""

    by_club: Mapping[UUID | None, From]
    by_id: Mapping[UUID, From]

    def of(self, club_id: UUID | None, chosen: UUID | None = None) -> From | None:
        """Return whom a letter is from: who was chosen, else the sender of the reader's club, or of all others."""
        return (self.by_id.get(chosen) if chosen else None) or self.by_club.get(club_id) or self.by_club.get(None)


def in_use(*, tenant_id: UUID) -> Senders:
    """Return the senders whose domains are proven."""
    with transaction(tenant_id) as session:
        found = {
            (row.id, row.club_id): From(
                row.name,
                f"{row.local_part}@{row.domain}",
                Signing(tenant_id, row.domain, row.selector, row.sealed_key),
            )
            for row in session.execute(_IN_USE, {"tenant_id": tenant_id})
        }
    return Senders({club: one for (_, club), one in found.items()}, {id_: one for (id_, _), one in found.items()})


def _domain(session: Session, tenant_id: UUID, domain_id: UUID, *, locked: bool = False) -> SendingDomain:
    found = session.get(SendingDomain, (tenant_id, domain_id), with_for_update=locked or None)
    if found is None:
        raise NoSuchDomain
    return found


def _cleaned(name: str) -> str:
    cleaned = (name or "").strip().rstrip(".").lower().rpartition("@")[2]
    try:
        cleaned = cleaned.encode("idna").decode("ascii")
    except UnicodeError:
        cleaned = ""
    if not _DOMAIN.match(cleaned) or len(cleaned) > 200:
        raise Invalid({"domain": "Write a domain of yours, such as news.club.example."})
    return cleaned
