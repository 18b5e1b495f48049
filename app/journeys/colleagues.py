"""Whom steps name that concern colleagues: somebody, or those who have a role."""

from collections.abc import Iterator, Mapping

from app.journeys.step_type import Known

_ROLE = "role:"


def told(known: Known) -> dict[str, str]:
    """Return whom a notice can be for, with what they are called: anybody with a role may do a task of it, but all of
    them are told."""
    return {
        key: f"Everybody with the role {key.removeprefix(_ROLE)}" if key.startswith(_ROLE) else name
        for key, name in known.colleagues.items()
    }


def called(to: str, names: Mapping[str, str]) -> str:
    """Return what whoever a step names is called within a sentence."""
    name = names.get(to, "somebody who is gone")
    return name[:1].lower() + name[1:] if to.startswith(_ROLE) else name


def check(to: str, known: Known, can: str) -> Iterator[tuple[str, str]]:
    """Yield (field, message) where nobody like that can do what they are named for."""
    if to not in known.colleagues:
        yield "to", f"Nobody like that can {can} (any more). Choose somebody else."
