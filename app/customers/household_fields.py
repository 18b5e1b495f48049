"""Whom a customer lives with, as conditions ask of it."""

from sqlalchemy import ColumnElement, Integer, ScalarSelect, func, select

from app.conditions import Choice, Field, FieldType, Phrases
from app.customers.greetings import ROLES
from app.customers.household_models import HouseholdMember
from app.customers.models import Customer

GROUP = "Household"
READS = "household"
_PERSON = Customer.__table__.c


def _mine() -> tuple[ColumnElement[bool], ...]:
    member = HouseholdMember.__table__.c
    return member.tenant_id == _PERSON.tenant_id, member.customer_id == _PERSON.id


def _in_one() -> ColumnElement[bool]:
    found = select(HouseholdMember.__table__.c.id).where(*_mine()).correlate(Customer.__table__)
    return found.exists()


def _role() -> ScalarSelect[str]:
    return select(HouseholdMember.__table__.c.role).where(*_mine()).correlate(Customer.__table__).scalar_subquery()


def _size() -> ScalarSelect[int]:
    """Return how many live there, themselves among them; unknown of who is in no household."""
    mine, all_ = HouseholdMember.__table__, HouseholdMember.__table__.alias()
    counted = select(func.nullif(func.count(all_.c.id), 0, type_=Integer())).select_from(mine)
    counted = counted.join(all_, (all_.c.tenant_id == mine.c.tenant_id) & (all_.c.household_id == mine.c.household_id))
    return counted.where(*_mine()).correlate(Customer.__table__).scalar_subquery()


FIELDS: tuple[Field, ...] = (
    Field("in_household", "Is in a household", GROUP, FieldType.BOOLEAN, _in_one, reads=READS, always=True),
    Field(
        "household_size",
        "People in the household",
        GROUP,
        FieldType.NUMBER,
        _size,
        reads=READS,
        phrases=Phrases(
            counts=("person in the household", "people in the household"),
            some="is in a household",
            none="is in no household",
        ),
    ),
    Field(
        "household_role",
        "Role in the household",
        GROUP,
        FieldType.CHOICE,
        _role,
        tuple(Choice(role, label) for role, label in ROLES.items()),
        reads=READS,
    ),
)
