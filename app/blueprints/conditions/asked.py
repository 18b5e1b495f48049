"""Of what conditions are asked: a tenant's customers, the payload of one type of event, or walks through a journey."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from uuid import UUID
from zoneinfo import ZoneInfo

from app.accounts import queries as accounts
from app.conditions import Catalogue, Field, InvalidConditions, parse, walk
from app.customers import custom_fields
from app.events import catalogue as events
from app.journeys.walks import Around, Walks
from app.road import condition_names

Names = Mapping[str, list[tuple[str, str]]]
CUSTOMERS, EVENT, WALK = "customers", "event:", "walk:"


MOST_EVENTS = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form for conditions is drawn from, and read with.

    `of` says the same in a word, for the form to carry: CUSTOMERS; EVENT and the type; WALK and the types of what lets
    people into a journey, and of what is waited for in it, a stroke after each. `names` are the values, with
    labels, that fields without choices of their own have in this tenant; instants are typed in `zone`. `currencies` are
    the codes of those in use, the organisation's first.
    """

    of: str
    catalogue: Catalogue
    names: Names = field(default_factory=dict)
    zone: tzinfo = UTC
    events: tuple[tuple[str, str], ...] = ()
    currencies: tuple[str, ...] = ()

    @property
    def of_people(self) -> bool:
        """Return whether customers are asked, so that they can be counted."""
        return not self.of.startswith(EVENT)

    def of_walks(self, tree: object) -> bool:
        """Return whether conditions in JSON ask of more than who somebody is: of their walk through a journey."""
        try:
            found = parse(tree, self.catalogue, allow_empty=True)
        except InvalidConditions:
            return False
        return any(rule.field.inside for _, rule in walk(found))

    def payload_of(self, event: str) -> "Asked":
        """Return the same for the conditions on the payloads of what somebody did."""
        known = self.catalogue.behaviours
        return Asked(f"{EVENT}{event}", known.fields_of(event) if known else Catalogue(), self.names, self.zone)

    def headings(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the fields to choose from as (name, label), under their headings."""
        groups = self.catalogue.groups().items()
        offered = [(heading, [one for one in fields if self._offers(one)]) for heading, fields in groups]
        return [(heading, [(one.name, one.label) for one in fields]) for heading, fields in offered if fields]

    def words_of(self, name: str) -> str:
        """Return what else a field is searched by: what people call its day of the year ("Birthday")."""
        found = self.catalogue.find(name)
        return found.anniversary if found else ""

    def words_of_event(self, event: str) -> str:
        """Return what else an event is searched by: what a total of it comes to ("spent")."""
        fields = [one for group in self.payload_of(event).catalogue.groups().values() for one in group]
        return " ".join(sorted({one.phrases.summed for one in fields} - {""}))

    def problems(self, tree: object, *, allow_empty: bool) -> dict[str, str]:
        """Return what is wrong with conditions in JSON, by path in the tree, operators called as the form does."""
        try:
            parse(tree, self.catalogue, allow_empty=allow_empty, spoken=True)
        except InvalidConditions as wrong:
            return dict(wrong.errors)
        return {}

    def _offers(self, one: Field) -> bool:
        return one.from_payload if self.catalogue.for_payload else one.in_sql

    def labels(self) -> dict[str, dict[str, str]]:
        """Return the names as the language's words want them."""
        return {name: dict(some) for name, some in self.names.items()}


def of_customers(tenant_id: UUID) -> Asked:
    """Return what conditions on the tenant's customers are asked of."""
    known = custom_fields.catalogue(tenant_id=tenant_id)
    told = sorted(((kind.name, kind.label) for kind in events.done()), key=lambda one: one[1].casefold())
    clubs = (one.currency for one in accounts.clubs(tenant_id=tenant_id))
    used = dict.fromkeys((accounts.tenant_info(tenant_id=tenant_id).currency, *clubs))
    return Asked(
        CUSTOMERS,
        known,
        condition_names(tenant_id),
        _zone(tenant_id),
        tuple(told) if known.behaviours else (),
        tuple(used),
    )


def of_walks(tenant_id: UUID, around: Around) -> Asked:
    """Return what conditions on people in a journey, and on their walks, are asked of."""
    people = of_customers(tenant_id)
    known = Walks(people.catalogue, around, typed=True)
    names = dict(people.names)
    for document, type in around.events():
        told = {f"{document}.{one.name}": names[one.name] for one in events.payload_fields(type) if one.name in names}
        names |= told
    return replace(people, of=f"{WALK}{'|'.join((around.trigger, *around.awaited))}", catalogue=known, names=names)


def of_event(tenant_id: UUID, event: str) -> Asked:
    """Return what conditions on the payload of one type of event are asked of."""
    return Asked(f"{EVENT}{event}", events.payload_fields(event), condition_names(tenant_id), _zone(tenant_id))


def asked_of(tenant_id: UUID, of: str) -> Asked:
    """Return what a form says its conditions are asked of."""
    if of.startswith(WALK):
        trigger, *awaited = (one[:100] for one in of.removeprefix(WALK).split("|")[:MOST_EVENTS])
        return of_walks(tenant_id, Around(trigger, tuple(awaited)))
    return of_event(tenant_id, of.removeprefix(EVENT)[:100]) if of.startswith(EVENT) else of_customers(tenant_id)


def _zone(tenant_id: UUID) -> tzinfo:
    return ZoneInfo(accounts.tenant_info(tenant_id=tenant_id).timezone)
