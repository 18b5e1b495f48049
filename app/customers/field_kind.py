"""What a kind of custom field must know: how a value is read, kept, shown, asked for and compared.

A kind is one file in `field_kinds/`. Values are kept as JSON in `customer.custom`, by the field's key; what is empty is
not kept at all.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.sql.elements import SQLColumnExpression

from app.conditions import FieldType
from app.customers.records import CUSTOM
from app.infra.registry import Registry


@dataclass(frozen=True, slots=True)
class CustomFieldInfo:
    """One custom field of a tenant. `choices` are the values it may take; `currency` is that of an amount."""

    id: UUID
    key: str
    label: str
    kind: str
    heading: str
    choices: tuple[str, ...] = ()
    currency: str | None = None
    archived_at: datetime | None = None

    @property
    def name(self) -> str:
        """Return what conditions, events' facts and journeys call it."""
        return f"{CUSTOM}{self.key}"


@dataclass(frozen=True, slots=True)
class Control:
    """How a value is asked for: `widget` is input or select, `text` what stands in it."""

    widget: str
    text: str
    type: str = "text"
    options: tuple[tuple[str, str], ...] = ()
    help: str | None = None
    attrs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file writes things: `locale` that of its numbers, `days` the formats (strptime) its days may have."""

    locale: str
    days: tuple[str, ...]


class FieldKind(ABC):
    """One kind of custom field."""

    label: ClassVar[str]
    condition_type: ClassVar[FieldType]
    takes_choices: ClassVar[bool] = False
    needs_choices: ClassVar[bool] = False
    has_currency: ClassVar[bool] = False

    @abstractmethod
    def read(self, value: Any, about: CustomFieldInfo) -> Any:
        """Return the JSON that is kept of a value (typed text or JSON), None for an empty one; raise ValueError."""

    def merge_tag(self, about: CustomFieldInfo) -> str:
        """Return what puts the value into a template."""
        return f"{{{{ customer.custom.{about.key} }}}}"

    def parse(self, text: str, about: CustomFieldInfo, manner: Manner) -> Any:  # noqa: ARG002 - kinds may look at it
        """Return as `read` does what a file says, written in the manner of its region."""
        return self.read(text, about)

    @abstractmethod
    def show(self, value: Any, about: CustomFieldInfo, locale: str) -> str:
        """Return a kept value as people of the region read it."""

    @abstractmethod
    def column(self, custom: Any, key: str) -> SQLColumnExpression[Any]:
        """Return the value in SQL, NULL where there is none or one of another kind."""

    def control(self, value: Any, about: CustomFieldInfo) -> Control:  # noqa: ARG002 - kinds may look at the field
        """Return how the value is asked for; `value` is what is kept, None for nothing."""
        return Control("input", "" if value is None else str(value))


registry: Registry[FieldKind] = Registry("kind of custom field")


@cache
def field_kinds() -> Registry[FieldKind]:
    """Return the kinds; every module in `field_kinds/` has registered its own."""
    registry.discover("app.customers.field_kinds")
    return registry
