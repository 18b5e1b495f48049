"""What the pages of lists read from their address. What can't be read is refused, with the parameter's name: nobody is
shown another list than the one asked for."""

from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Protocol, TypeVar
from uuid import UUID

from flask import request

from app.infra.errors import Invalid, NotFound
from app.infra.ids import as_id

_SHOWN = 60
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)


class _Archivable(Protocol):
    @property
    def archived_at(self) -> datetime | None: ...


T = TypeVar("T", bound=_Archivable)


def asked_sort(sorts: Collection[str], default: str) -> str:
    """Return the order asked for: one of `sorts`, backwards with a minus before it, else `default`; or raise
    Invalid."""
    return asked_choice("sort", {*sorts, *(f"-{one}" for one in sorts)}) or default


def asked_choice(name: str, choices: Collection[str]) -> str | None:
    """Return which of `choices` is asked for under a name, None where nothing is; raise Invalid for what is none."""
    said = _said(name)
    if said and said not in choices:
        raise wrong(name, "is not one of the choices.")
    return said or None


def asked_for(name: str, choice: str) -> bool:
    """Return whether the one choice there is under a name is asked for, or raise Invalid."""
    return asked_choice(name, (choice,)) is not None


def asked_id(name: str) -> UUID | None:
    """Return the id asked for, None where none is, or raise Invalid."""
    return next(iter(asked_ids(name)), None)


def asked_ids(name: str) -> list[UUID]:
    """Return the ids asked for under one name, each once, or raise Invalid."""
    found = [as_id(said) for one in request.values.getlist(name) if (said := one.strip())]
    if None in found:
        raise wrong(name, "is no id.")
    return [one for one in dict.fromkeys(found) if one is not None]


def asked_day(name: str) -> date | None:
    """Return the day asked for, None where none is, or raise Invalid.

    One before 1900 counts as the first of these years, one after 2999 as the last: nothing is from there, and not every
    zone has a midnight then.
    """
    said = _said(name)
    if not said:
        return None
    try:
        found = date.fromisoformat(said)
    except ValueError:
        raise wrong(name, "is no day. Write it as 2026-11-22.") from None
    return min(max(found, _FIRST_DAY), _LAST_DAY)


def asked_until(name: str, since: date | None) -> date | None:
    """Return the last day asked for of those from `since` on, None where none is, or raise Invalid."""
    until = asked_day(name)
    if since and until and until < since:
        raise wrong(name, "lies before the day it is to begin with.")
    return until


def asked_number(name: str) -> int | None:
    """Return the number of up to nine digits asked for, None where none is, or raise Invalid."""
    said = _said(name)
    if said and not (said.isascii() and said.isdigit() and len(said) < 10):
        raise wrong(name, "is not one of the numbers.")
    return int(said) if said else None


def wrong(name: str, what: str) -> Invalid:
    """Return the refusal of what an address says under a name; `what` goes on after it in quotes."""
    said = _said(name)
    return Invalid({name: f"“{said[:_SHOWN]}{'…' if len(said) > _SHOWN else ''}” {what}"})


def _said(name: str) -> str:
    """Return what is said in the address, or by the form of a page that was opened by one."""
    return request.values.get(name, "").strip()


def just_archived(find: Callable[[UUID], T]) -> T | None:
    """Return what was just archived from the list, for its notice; `find` looks it up, or raises NotFound."""
    archived = as_id(request.args.get("archived"))
    if archived is None:
        return None
    try:
        found = find(archived)
    except NotFound:
        return None
    return found if found.archived_at else None
