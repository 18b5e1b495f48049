"""What conditions may ask of: fields, their types, and the catalogues that hold them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Uuid

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause
    from sqlalchemy.sql.elements import SQLColumnExpression

    from app.conditions.behaviour import Behaviours

    Column = SQLColumnExpression[Any] | Callable[[], SQLColumnExpression[Any]]

PROFILE = "profile"
"""The kind of row most answers depend on: the person's own."""
TENANTS = "¤"
"""In the place of a currency's code: the tenant's."""
_MAX_NAME = 100
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class FieldType(StrEnum):
    """How a field's values are read and compared."""

    TEXT = "text"
    CHOICE = "choice"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    LIST = "list"
    ID = "id"
    ANY = "any"
    """Not declared: each rule takes the type its own value has. Only for what is read from a payload."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a field, and how people call it.

    `said` and `denied` are what a sentence says of who has the value, and of who does not, where "is" and the label do
    not read well ("was never asked about golf trips").
    """

    value: str
    label: str
    said: str = ""
    denied: str = ""


@dataclass(frozen=True, slots=True)
class Phrases:
    """How a field is spoken of where its label does not read well in a sentence; what is empty is told by the label.

    `yes` and `no` are a truth value's ("can be mailed"), `has` and `has_not` stand before the values ("is in the
    segment"), `some` and `none` for any and no value. `when` is what happened then ("was born"), `counts` what a number
    is of, one and several ("e-mail address", "e-mail addresses"). `summed` is what a total comes to ("spent"). `money`
    is the code of the currency an amount is in, TENANTS for the tenant's own.
    """

    yes: str = ""
    no: str = ""
    has: str = ""
    has_not: str = ""
    some: str = ""
    none: str = ""
    when: str = ""
    counts: tuple[str, str] | None = None
    summed: str = ""
    money: str = ""


@dataclass(frozen=True, slots=True)
class Related:
    """Values a person has in other rows: those of `table` whose `person_key` is the surrounding query's `person`.

    `value` is a column of ids or of texts, `where` says which of the rows count (all). It may compare with columns of
    the surrounding query (the tenant's) by equality only: then a database can hash the rows once, or look each up.
    """

    table: FromClause
    person_key: ColumnElement[Any]
    value: ColumnElement[Any]
    person: ColumnElement[Any]
    where: ColumnElement[bool] | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a condition may ask about.

    `column` answers in SQL: a column or any other SQL expression, or a function that returns one (for models
    that import late). `related` does so in its place for a LIST that is kept in other rows, compared exactly; each
    call returns it over an alias of its own. `from_payload` says that the value can also be read from a mapping in
    Python, under the field's name. `choices` bind a CHOICE field and are suggestions for a TEXT or LIST field.
    `anniversary` is what people call a DATE's day of the year ("Birthday"). `past` says that its day or moment lies
    behind, `always` that nobody is without a value: forms don't offer what would be asked in vain.

    `currency_in` is the key of a payload under which the currency of an amount in it stands. `inside` answers in SQL
    where the value stands in a JSON document of the statement: it returns that, as jsonb; the field's name is then the
    document's, a dot and the key there, as a name leads into nested mappings for the other reader.

    `reads` names the kinds of rows the answer depends on, and `by_time` says that it changes as time passes, whatever
    the rule's operator.
    """

    name: str
    label: str
    group: str
    type: FieldType
    column: Column | None = field(default=None, compare=False, repr=False)
    choices: tuple[Choice, ...] = ()
    from_payload: bool = False
    anniversary: str = ""
    past: bool = False
    always: bool = False
    related: Callable[[], Related] | None = field(default=None, compare=False, repr=False)
    inside: Callable[[], ColumnElement[Any]] | None = field(default=None, compare=False, repr=False)
    reads: str | frozenset[str] = PROFILE
    by_time: bool = False
    phrases: Phrases = Phrases()
    currency_in: str = ""

    @property
    def in_sql(self) -> bool:
        """Return whether the database can answer."""
        return self.column is not None or self.related is not None or self.inside is not None

    @property
    def of_ids(self) -> bool:
        """Return whether its values are ids kept in other rows."""
        return self.related is not None and isinstance(self.related().value.type, Uuid)

    @property
    def yearly(self) -> str:
        """Return what people call its day of the year."""
        return self.anniversary or f"The anniversary of “{self.label}”"

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"{self.name!r} is no name for a field")
        if self.column is not None and self.related is not None:
            raise ValueError(f"field {self.name} has a column, and other rows beside it")
        if self.related is not None and self.type is not FieldType.LIST:
            raise ValueError(f"field {self.name} is kept in other rows and so must be a list")
        if not self.in_sql and not self.from_payload:
            raise ValueError(f"field {self.name} can be answered neither in SQL nor from a payload")
        if self.type is FieldType.ANY and self.column is not None:
            raise ValueError(f"field {self.name} has a column and so must declare its type")
        if self.type is FieldType.CHOICE and not self.choices:
            raise ValueError(f"field {self.name} is a choice of nothing")

    def choice(self, value: str) -> Choice | None:
        """Return the choice of that value, whatever its case, or None."""
        wanted = value.strip().casefold()
        return next((choice for choice in self.choices if choice.value.casefold() == wanted), None)


class DuplicateField(ValueError):
    """Two fields of one catalogue have the same name."""


class Catalogue:
    """The fields one kind of condition may ask of, in the order they were added.

    A catalogue `for_payload` serves conditions evaluated in Python on one event: rules on fields that need SQL
    are refused when they are parsed. If it is also `open`, names it does not know are taken as untyped keys of
    the payload. Names are looked up as they stand, else in snake_case (`membershipTier` finds `membership_tier`).
    `behaviours` lets rules ask of what somebody did.
    """

    def __init__(
        self,
        fields: Iterable[Field] = (),
        *,
        for_payload: bool = False,
        open: bool = False,
        behaviours: Behaviours | None = None,
    ) -> None:
        if open and not for_payload:
            raise ValueError("only a catalogue for payloads can take unknown names")
        self.for_payload = for_payload
        self.open = open
        self.behaviours = behaviours
        self._fields: dict[str, Field] = {}
        self.add(*fields)

    def add(self, *fields: Field) -> None:
        """Add the fields; raise DuplicateField for a name that is taken."""
        for one in fields:
            if one.name in self._fields:
                raise DuplicateField(f"field {one.name} is already in the catalogue")
            self._fields[one.name] = one

    def find(self, name: str) -> Field | None:
        """Return the field of that name, an untyped one where the catalogue is open, or None."""
        known = self._fields.get(name) or self._fields.get(_HUMP.sub("_", name).lower())
        if known is None and self.open and is_name(name):
            return Field(name, _spoken(name), "Event", FieldType.ANY, from_payload=True)
        return known

    def groups(self) -> dict[str, list[Field]]:
        """Return the fields by the heading they stand under, both in the order they were added."""
        groups: dict[str, list[Field]] = {}
        for one in self:
            groups.setdefault(one.group, []).append(one)
        return groups

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._fields


def payload_catalogue(
    types: Mapping[str, FieldType],
    *,
    labels: Mapping[str, str] | None = None,
    phrases: Mapping[str, Phrases] | None = None,
    currency_in: Mapping[str, str] | None = None,
    group: str = "Event",
) -> Catalogue:
    """Return the open catalogue of an event type's payload, from the types of the keys that are known."""
    labels, spoken, beside = labels or {}, phrases or {}, currency_in or {}
    return Catalogue(
        (
            Field(
                name,
                labels.get(name) or _spoken(name),
                group,
                kind,
                from_payload=True,
                phrases=spoken.get(name, Phrases()),
                currency_in=beside.get(name, ""),
            )
            for name, kind in types.items()
        ),
        for_payload=True,
        open=True,
    )


def is_name(name: str) -> bool:
    """Return whether the name may be a key of a payload, or a path into it."""
    return 0 < len(name) <= _MAX_NAME and name.isprintable() and name == name.strip()


def _spoken(name: str) -> str:
    words = _HUMP.sub(" ", name).replace("_", " ").replace(".", " ").strip().lower()
    return words[:1].upper() + words[1:] if words else name


profile = Catalogue()
"""The fields of a customer. Each room adds its own when its `condition_fields` module is imported."""
