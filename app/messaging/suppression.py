"""Addresses that are not written to, whatever anybody consented to."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text

from app.accounts import audit
from app.infra import clock
from app.infra.arrays import array
from app.infra.crypto import PREFIX, keyed_hash, keyed_hashes
from app.infra.db import transaction
from app.infra.errors import Conflict, Invalid, NotFound
from app.infra.paging import DEFAULT_LIMIT, Page, cut, id_cursor
from app.messaging.channel import EMAIL, channel, installed
from app.messaging.models import Suppression

MAX_DETAIL = 500
NOT_MAIL = "This is not an e-mail address. Check the spelling."
NOT_HERE = "This is not an address of this channel, such as +27821234567 for texts."


class SuppressedBecause(StrEnum):
    """Why an address is suppressed. Only one that mail can't reach stops transactional mail too."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"
    INVALID = "invalid"
    ERASED = "erased"
    STOPPED = "stopped"


REASONS = {
    SuppressedBecause.HARD_BOUNCE: "Bounced for good",
    SuppressedBecause.COMPLAINT: "Complained",
    SuppressedBecause.MANUAL: "By hand",
    SuppressedBecause.INVALID: "Not a real address",
    SuppressedBecause.ERASED: "Person was erased",
    SuppressedBecause.STOPPED: "Wrote STOP",
}
"""The reasons in words."""
BY_HAND = tuple(one for one in SuppressedBecause if one not in (SuppressedBecause.ERASED, SuppressedBecause.STOPPED))
"""The reasons somebody may give; of people who were erased, and by those who write STOP, nobody says it for them."""
DEAD = frozenset((SuppressedBecause.HARD_BOUNCE, SuppressedBecause.INVALID))

# One that was lifted is suppressed anew; one that still holds keeps its first reason.
ADD = text("""
    INSERT INTO suppression AS held (tenant_id, channel, address_key, reason, detail, added_by)
    SELECT :tenant_id, :channel, entry.address_key, :reason, entry.detail, :by
    FROM unnest(CAST(:keys AS text[]), CAST(:details AS text[])) AS entry(address_key, detail)
    ON CONFLICT (tenant_id, channel, address_key) DO UPDATE
    SET id = uuid7(), reason = excluded.reason, detail = excluded.detail, added_by = excluded.added_by,
        created_at = now(), lifted_at = NULL, lifted_by = NULL, lift_reason = NULL
    WHERE held.lifted_at IS NOT NULL
    RETURNING id
""")

# The reason stays; what was written beside it may tell who it was.
_HIDE = text("""
    UPDATE suppression s SET address_key = h.hash, detail = NULL, lift_reason = NULL
    FROM unnest(cast(:keys AS text[]), cast(:hashes AS text[])) AS h(address_key, hash)
    WHERE s.tenant_id = :tenant_id AND s.channel = :channel AND s.address_key = h.address_key AND NOT EXISTS (
        SELECT FROM suppression o
        WHERE o.tenant_id = :tenant_id AND o.channel = :channel AND o.address_key = h.hash)
""")
_FORGET = text("""
    DELETE FROM suppression
    WHERE tenant_id = :tenant_id AND channel = :channel AND address_key = ANY(cast(:keys AS text[]))
""")


HELD = text("""
    SELECT s.channel, s.address_key, s.id, s.reason, s.detail, s.created_at
    FROM unnest(CAST(:channels AS text[]), CAST(:keys AS text[])) AS one(channel, address_key)
    JOIN suppression s ON s.tenant_id = :tenant_id AND s.channel = one.channel AND s.address_key = one.address_key
        AND s.lifted_at IS NULL
""")


# In words that the index of the list knows (text_pattern_ops): ";" follows ":".
_ANY_HIDDEN = text(f"""
    SELECT EXISTS (SELECT FROM suppression
        WHERE tenant_id = :tenant_id AND address_key ~>=~ '{PREFIX}' AND address_key ~<~ '{PREFIX[:-1]};')
""")  # noqa: S608 - the words are ours


@dataclass(frozen=True, slots=True)
class Held:
    """Why an address is not written to, since when. `dead`: mail can't reach it, whatever anybody wants."""

    id: UUID
    reason: SuppressedBecause
    detail: str | None
    created_at: datetime

    @property
    def dead(self) -> bool:
        """Return whether nobody is reached there."""
        return self.reason in DEAD


class NoSuchSuppression(NotFound):
    """There is no such entry on the list."""

    def __init__(self) -> None:
        super().__init__("There is no such entry on the suppression list.")


class AlreadySuppressed(Conflict):
    """The address is on the list already."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This address is on the list already ({reason.replace('_', ' ')}).", "address")


class AlreadyLifted(Conflict):
    """The entry was lifted before."""

    def __init__(self) -> None:
        super().__init__("This entry was lifted before. Reload the page.")


def suppress(
    *,
    tenant_id: UUID,
    addresses: Sequence[str],
    because: SuppressedBecause,
    details: Sequence[str] | None = None,
    channel_name: str = EMAIL,
) -> None:
    """Suppress addresses on a channel; one that is suppressed already keeps its first reason.

    `details`, if given, has one text for each address (what the other side said).
    """
    if not addresses:
        return
    found = channel(channel_name)
    said: Sequence[str | None] = details or [None] * len(addresses)
    entries = dict(zip(map(found.address_key, addresses), said, strict=True))
    with transaction(tenant_id) as session:
        session.execute(
            ADD,
            {
                "tenant_id": tenant_id,
                "channel": channel_name,
                "reason": because,
                "by": None,
                # In one order in every process, so that two of them never wait for each other.
                "keys": sorted(entries),
                "details": [entries[key] for key in sorted(entries)],
            },
        )


def hashes_of(tenant_id: UUID, address_key: str) -> list[str]:
    """Return what stands on the list for an address whose owner was erased, by each of the keys we have."""
    return keyed_hashes("suppression", tenant_id, address_key)


def hide(*, tenant_id: UUID, addresses: Collection[str], actor: str, channel_name: str = EMAIL) -> None:
    """Keep hashes in place of the addresses of somebody who is erased: each of them stays suppressed, or becomes so."""
    found = channel(channel_name)
    keys = sorted({found.address_key(one) for one in addresses} - {""})
    if not keys:
        return
    hashes = [keyed_hash("suppression", tenant_id, key) for key in keys]
    values = {"tenant_id": tenant_id, "channel": channel_name, "keys": array(keys), "hashes": array(hashes)}
    with transaction(tenant_id) as session:
        session.execute(_HIDE, values)
        session.execute(_FORGET, values)
        reason = {"reason": SuppressedBecause.ERASED, "by": actor, "keys": hashes, "details": [None] * len(hashes)}
        session.execute(ADD, {**values, **reason})


def held(*, tenant_id: UUID, addresses: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Held]:
    """Return by (channel, address key) why those of the addresses that are suppressed are.

    The one reader of the list, for the gate as for pages. Of an address that stands on it twice, once as the hash of
    somebody who was erased, the entry that stops more counts.
    """
    spoken = {one: one for one in addresses}
    if not spoken:
        return {}
    with transaction(tenant_id) as session:
        # Hashing thousands of addresses takes longer than to ask whether anybody was erased.
        if session.scalar(_ANY_HIDDEN, {"tenant_id": tenant_id}):
            spoken |= {(name, one): (name, key) for name, key in spoken for one in hashes_of(tenant_id, key)}
        values = {"channels": array(name for name, _ in spoken), "keys": array(key for _, key in spoken)}
        rows = session.execute(HELD, {"tenant_id": tenant_id, **values}).all()
    entries = [
        (spoken[row.channel, row.address_key], Held(row.id, SuppressedBecause(row.reason), row.detail, row.created_at))
        for row in rows
    ]
    return dict(sorted(entries, key=lambda entry: (entry[1].dead, entry[1].reason is not SuppressedBecause.ERASED)))


def _entry_of(tenant_id: UUID, channel_name: str, key: str) -> Held | None:
    return held(tenant_id=tenant_id, addresses=[(channel_name, key)]).get((channel_name, key))


def page(
    *,
    tenant_id: UUID,
    q: str | None = None,
    reason: SuppressedBecause | None = None,
    channel_name: str | None = None,
    lifted: bool = False,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> Page[Suppression]:
    """Return entries of the list, the newest first; `q` is how the address begins, `lifted` those that hold no more.

    The address of somebody who was erased is found when `q` is the whole of it.
    """
    wanted = select(Suppression).where(Suppression.tenant_id == tenant_id)
    wanted = wanted.where(Suppression.lifted_at.is_not(None) if lifted else Suppression.lifted_at.is_(None))
    if q and q.strip():
        keys = sorted({one.address_key(q) for _, one in installed()})
        hashes = [one for key in keys for one in hashes_of(tenant_id, key)]
        begun = [Suppression.address_key.startswith(key, autoescape=True) for key in keys]
        wanted = wanted.where(or_(Suppression.address_key.in_(hashes), *begun))
    if reason is not None:
        wanted = wanted.where(Suppression.reason == reason)
    if channel_name is not None:
        wanted = wanted.where(Suppression.channel == channel_name)
    if cursor:
        wanted = wanted.where(Suppression.id < id_cursor(cursor))
    with transaction(tenant_id) as session:
        ordered = wanted.order_by(Suppression.id.desc()).limit(limit + 1)
        rows = session.scalars(ordered.execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (row.id,), lambda row: row)


def entry(*, tenant_id: UUID, suppression_id: UUID) -> Suppression:
    """Return one entry, lifted ones too, or raise NoSuchSuppression."""
    with transaction(tenant_id) as session:
        found = session.get(Suppression, (tenant_id, suppression_id), populate_existing=True)
        if found is None:
            raise NoSuchSuppression
        return found


def add(
    *,
    tenant_id: UUID,
    address: str,
    because: SuppressedBecause,
    actor: str,
    detail: str | None = None,
    channel_name: str = EMAIL,
) -> Suppression:
    """Put one address on the list by hand and return its entry. Raises Invalid or AlreadySuppressed."""
    errors: dict[str, str] = {}
    if channel_name not in installed():
        errors["channel"] = "There is no such channel."
    key = channel(EMAIL if errors else channel_name).address_key(address or "")
    if not key or len(key) > 254 or not key.isprintable() or " " in key or not _fits(channel_name, key, errors):
        errors["address"] = NOT_MAIL if channel_name == EMAIL else NOT_HERE
    said = _tidy(detail, "detail", errors)
    if because not in BY_HAND:
        errors["reason"] = "Choose another reason: this one is Fairway's own to give."
    if errors:
        raise Invalid(errors)
    values: dict[str, Any] = {"tenant_id": tenant_id, "channel": channel_name, "reason": because, "by": actor}
    with transaction(tenant_id) as session:
        if there := _entry_of(tenant_id, channel_name, key):
            raise AlreadySuppressed(there.reason)
        made = session.execute(ADD, {**values, "keys": [key], "details": [said]}).first()
        if made is None:
            # Somebody else put it there at the same moment.
            raise AlreadySuppressed(
                held(tenant_id=tenant_id, addresses=[(channel_name, key)])[channel_name, key].reason
            )
        # Entries of the audit outlive the people they speak of: they name no address.
        audit.record(session, actor, "suppression.added", "suppression", made.id, {"reason": str(because)})
        return entry(tenant_id=tenant_id, suppression_id=made.id)


def _fits(channel_name: str, key: str, errors: Mapping[str, str]) -> bool:
    """Return whether a key may be an address of the channel: of mail more is listed than can be written to."""
    if "channel" in errors or channel_name == EMAIL:
        return "@" in key
    return channel(channel_name).clean_address(key) is not None


def lift(*, tenant_id: UUID, suppression_id: UUID, reason: str, actor: str, now: datetime | None = None) -> Suppression:
    """Let mail go to an address again, and keep why. Raises Invalid, NoSuchSuppression or AlreadyLifted."""
    errors: dict[str, str] = {}
    said = _tidy(reason, "reason", errors)
    if not said and not errors:
        errors["reason"] = "Say why mail may go there again."
    with transaction(tenant_id) as session:
        found = session.get(Suppression, (tenant_id, suppression_id), with_for_update=True, populate_existing=True)
        if found is None:
            raise NoSuchSuppression
        if errors:
            raise Invalid(errors)
        if found.lifted_at is not None:
            raise AlreadyLifted
        found.lifted_at, found.lifted_by, found.lift_reason = now or clock.now(), actor, said
        session.flush()
        audit.record(session, actor, "suppression.lifted", "suppression", suppression_id, {"reason": said})
        return found


def _tidy(value: str | None, name: str, errors: dict[str, str]) -> str | None:
    tidy = " ".join((value or "").split())
    if len(tidy) > MAX_DETAIL:
        errors[name] = f"Use at most {MAX_DETAIL} characters."
    return tidy or None
