"""Sending domains and senders over the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from flask import request
from pydantic import Field

from app.messaging import sending_domains
from app.messaging.models import SendingDomain
from app.web.api import ApiBlueprint
from app.web.guards import current
from app.web.schemas import Body, Shown, Text

api = ApiBlueprint("sending_api", __name__)

Words = Annotated[Text, Field(max_length=320)]


class RecordOut(Shown):
    """A DNS record to set, and what was found of it: `state` is right, missing, wrong or silent, or null."""

    kind: str
    name: str
    type: str
    value: str
    needed: bool
    state: str | None
    words: str | None


class DomainOut(Shown):
    """A sending domain. Letters are from it once it is proven: its key was found in the DNS."""

    id: UUID
    domain: str
    selector: str
    created_at: datetime
    proven_at: datetime | None
    checked_at: datetime | None
    records: list[RecordOut]


class DomainsOut(Shown):
    """All sending domains, by name."""

    items: list[DomainOut]


class DomainBody(Body):
    """A domain to send from."""

    domain: Words


class SenderOut(Shown):
    """Whom letters are from to the customers of a club; without one, to all whose club has no sender of its own."""

    id: UUID
    name: str
    address: str
    club_id: UUID | None
    club_name: str | None
    proven: bool


class SendersOut(Shown):
    """All senders: that of all clubs first."""

    items: list[SenderOut]


class SenderBody(Body):
    """Whom letters are to be from; the address lies in one of the sending domains."""

    name: Words
    address: Words
    club_id: UUID | None = None


@api.operation("GET", "/sending-domains", permission="settings.manage", returns=DomainsOut)
def list_sending_domains() -> DomainsOut:
    """List the sending domains, each with its DNS records."""
    return DomainsOut(items=[_shown(one) for one in sending_domains.domains(tenant_id=current().tenant_id)])


@api.operation("POST", "/sending-domains", permission="settings.manage", body=DomainBody, returns=DomainOut, status=201)
def add_sending_domain(body: DomainBody) -> DomainOut:
    """Add a sending domain with a key of its own."""
    actor = current()
    return _shown(
        sending_domains.add(tenant_id=actor.tenant_id, name=body.domain, actor=actor.ref, ip=request.remote_addr)
    )


@api.operation("GET", "/sending-domains/<uuid:domain_id>", permission="settings.manage", returns=DomainOut)
def show_sending_domain(domain_id: UUID) -> DomainOut:
    """Show a sending domain."""
    return _shown(sending_domains.domain(tenant_id=current().tenant_id, domain_id=domain_id))


@api.operation("POST", "/sending-domains/<uuid:domain_id>/check", permission="settings.manage", returns=DomainOut)
def check_sending_domain(domain_id: UUID) -> DomainOut:
    """Look for a domain's records in the DNS now. It takes seconds where name servers are slow."""
    return _shown(sending_domains.check(tenant_id=current().tenant_id, domain_id=domain_id))


@api.operation("DELETE", "/sending-domains/<uuid:domain_id>", permission="settings.manage", status=204)
def remove_sending_domain(domain_id: UUID) -> None:
    """Remove a domain no sender has an address in."""
    actor = current()
    sending_domains.remove(tenant_id=actor.tenant_id, domain_id=domain_id, actor=actor.ref, ip=request.remote_addr)


@api.operation("GET", "/senders", permission="settings.manage", returns=SendersOut)
def list_senders() -> SendersOut:
    """List whom letters are from, by club."""
    found = sending_domains.senders(tenant_id=current().tenant_id)
    return SendersOut(items=[SenderOut(**_fields(one)) for one in found])


@api.operation("POST", "/senders", permission="settings.manage", body=SenderBody, returns=SenderOut, status=201)
def set_sender(body: SenderBody) -> SenderOut:
    """Set whom letters to a club's customers are from, in place of who was set before."""
    actor = current()
    identity = sending_domains.set_sender(
        tenant_id=actor.tenant_id,
        name=body.name,
        address=body.address,
        club_id=body.club_id,
        actor=actor.ref,
        ip=request.remote_addr,
    )
    [made] = [one for one in sending_domains.senders(tenant_id=actor.tenant_id) if one["id"] == identity]
    return SenderOut(**_fields(made))


@api.operation("DELETE", "/senders/<uuid:sender_id>", permission="settings.manage", status=204)
def remove_sender(sender_id: UUID) -> None:
    """Remove a sender."""
    actor = current()
    sending_domains.remove_sender(
        tenant_id=actor.tenant_id, sender_id=sender_id, actor=actor.ref, ip=request.remote_addr
    )


def _fields(one: Any) -> dict[str, Any]:
    return {name: one[name] for name in SenderOut.model_fields}


def _shown(one: SendingDomain) -> DomainOut:
    records = [
        RecordOut(
            kind=record.kind,
            name=record.name,
            type=record.type,
            value=record.value,
            needed=record.needed,
            state=found and found.state,
            words=found and found.words,
        )
        for record, found in sending_domains.records(one)
    ]
    fields = {name: getattr(one, name) for name in DomainOut.model_fields if name != "records"}
    return DomainOut(records=records, **fields)
