"""Two people at one form: what each of them changed of what both began with, and who did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.accounts import queries as accounts
from app.infra import clock
from app.infra.db import transaction
from app.infra.ids import as_id

LONGEST = timedelta(days=1)
"""How long ago somebody may have done what is still told of as theirs."""


@dataclass(frozen=True, slots=True)
class Apart:
    """`both` were changed by either of two people, and not to the same; `theirs` by the others alone."""

    both: list[str]
    theirs: list[str]


@dataclass(frozen=True, slots=True)
class Author:
    """Who changed something last, and when."""

    name: str
    at: datetime


def told_apart(
    began: Mapping[str, Any] | None, mine: Mapping[str, Any], theirs: Mapping[str, Any], units: Iterable[Iterable[str]]
) -> Apart:
    """Return what two people changed; each of `units` is called by its first name and holds what changes together.

    What nobody knows the beginning of (`began` is None) either may have changed.
    """
    both: list[str] = []
    others: list[str] = []
    for unit in units:
        names = list(unit)
        was, here, there = ([_plain(one.get(name)) for name in names] for one in (began or {}, mine, theirs))
        if here == there or (began is not None and there == was):
            continue
        (others if began is not None and here == was else both).append(names[0])
    return Apart(both, others)


def _plain(value: Any) -> Any:
    """Return a value as it is compared: what says nothing is nothing, however it says so."""
    if isinstance(value, Mapping):
        value = {name: plain for name, one in value.items() if (plain := _plain(one)) is not None}
    elif isinstance(value, list | tuple):
        value = [_plain(one) for one in value]
    elif isinstance(value, str):
        value = value.replace("\r\n", "\n").strip()
    return None if value in ("", [], {}, False) else value


_LAST = text("""
    SELECT actor, at FROM audit_entry
    WHERE tenant_id = :tenant_id AND at > :since AND object_type = 'journey' AND object_id = :journey_id
        AND (action = 'journey.edit' AND detail ->> 'step' = :step
            OR action = 'journey.update' AND detail -> 'changed' ? :setting)
    ORDER BY at DESC LIMIT 1
""")


def author(*, tenant_id: UUID, journey_id: UUID, asking: str, step: str = "", setting: str = "") -> Author | None:
    """Return who changed a step's settings, or a setting of the journey, last; None if that is not known.

    `asking` is who wants to know: what they did themselves they did in another window.
    """
    values = {
        "tenant_id": tenant_id,
        "journey_id": str(journey_id),
        "since": clock.now() - LONGEST,
        "step": step,
        "setting": setting,
    }
    with transaction(tenant_id) as session:
        row = session.execute(_LAST, values).one_or_none()
    if row is None:
        return None
    kind, _, id_ = row.actor.partition(":")
    user_id = as_id(id_) if kind == "user" else None
    names = accounts.names(tenant_id=tenant_id, user_ids=[user_id]) if user_id else {}
    if row.actor == asking:
        return Author("You, in another window,", row.at)
    return Author(names.get(user_id, "Somebody else") if user_id else "Somebody else", row.at)
