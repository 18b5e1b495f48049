"""What a column of a file can become: the one list of it, for the wizard, the API and whoever checks a mapping."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from app.capture.imports.fields import CONSENT, CONSENTS, EXTERNAL_ID, OF_MEMBERS, OF_VISITS, SEVERAL
from app.capture.imports.preset import VISITS
from app.customers import custom_fields
from app.customers.facts import CHANNEL_WORDS, CONSENT_FIELDS
from app.customers.topics import topics
from app.events.validation import SYSTEM
from app.infra.errors import Invalid

IGNORE = "ignore"
PERSON, OWN, REACH, IDS, MORE, CONSENT_GROUP, VISIT = (
    "About them",
    "Your own fields",
    "How to reach them",
    "Ids in other systems",
    "Tags and notes",
    "Consent",
    "The visit",
)
IDS_OF_PEOPLE = ("member_number", "auth_user_id", "teetime_player_id", "messaging_contact_id")
_GROUPS = {
    **dict.fromkeys(("email", "phone", "home_phone"), REACH),
    **dict.fromkeys(IDS_OF_PEOPLE, IDS),
    **dict.fromkeys(("tag", "note"), MORE),
    **dict.fromkeys(CONSENTS, CONSENT_GROUP),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One thing a column can become: the name a mapping gives it, what people call it, and where it is listed."""

    name: str
    label: str
    group: str

    @property
    def is_consent(self) -> bool:
        """Return whether it is written only if somebody says that the file proves it."""
        return self.group == CONSENT_GROUP


def targets(*, tenant_id: UUID, kind: str) -> list[Target]:
    """Return what columns of files of a kind (MEMBERS or VISITS) can become in this tenant, by group.

    An id in a system that nobody named yet is not among them: see `is_id`.
    """
    if kind == VISITS:
        return [Target(name, label, VISIT) for name, label in OF_VISITS.items()]
    found = [Target(name, label, _GROUPS.get(name, PERSON)) for name, label in OF_MEMBERS.items()]
    found += [Target(one.name, one.label, OWN) for one in custom_fields.fields(tenant_id=tenant_id)]
    for topic in topics(tenant_id=tenant_id):
        found += [
            Target(f"{CONSENT}{topic.key}:{channel}", f"{topic.name}, by {CHANNEL_WORDS[channel]}", CONSENT_GROUP)
            for channel in CONSENT_FIELDS
        ]
    order = (PERSON, OWN, REACH, IDS, MORE, CONSENT_GROUP)
    return sorted(found, key=lambda one: order.index(one.group))


def is_id(name: str) -> bool:
    """Return whether a target is an id in another system, named after `external_id:`."""
    return name.startswith(EXTERNAL_ID) and SYSTEM.fullmatch(name.removeprefix(EXTERNAL_ID)) is not None


def checked(mapping: Mapping[str, str], *, tenant_id: UUID, kind: str) -> dict[str, str]:
    """Return a mapping (column → target) without what is ignored.

    Raises Invalid by `mapping.<column>`, and by `mapping` with the first of these.
    """
    known = {one.name: one.label for one in targets(tenant_id=tenant_id, kind=kind)}
    kept: dict[str, str] = {}
    errors: dict[str, str] = {}
    for column, name in mapping.items():
        if not name or name == IGNORE:
            continue
        if "\x00" in column:
            errors[f"mapping.{column}"] = "A column's name holds no NUL character."
        elif name.startswith(EXTERNAL_ID) and not is_id(name) and kind != VISITS:
            errors[f"mapping.{column}"] = "Name the system: a letter, then letters, digits, dots, dashes; at most 60."
        elif name not in known and not (is_id(name) and kind != VISITS):
            errors[f"mapping.{column}"] = f"There is no field {name[:60]!r}."
        elif name in kept.values() and name not in SEVERAL:
            errors[f"mapping.{column}"] = f"Another column is {known.get(name, name)} already."
        else:
            kept[column] = name
    if errors:
        raise Invalid({"mapping": next(iter(errors.values())), **errors})
    return kept


def identifies(names: set[str]) -> bool:
    """Return whether one of the targets tells who somebody is."""
    return any(name in (*IDS_OF_PEOPLE, "email", "phone") or name.startswith(EXTERNAL_ID) for name in names)
