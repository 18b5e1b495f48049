"""Where a customer is reached, as conditions ask of it: by which kinds of address, how many, which are verified.

Whether a message may go there is another question: `app.messaging.condition_fields` answers it as the gate does.
"""

from collections.abc import Callable

from sqlalchemy import Integer, ScalarSelect, and_, func, select

from app.conditions import Choice, Field, FieldType, Phrases, Related
from app.customers.contact_kinds import KINDS
from app.customers.models import ContactPoint, Customer

GROUP = "Contact"
READS = "contact"
_SEVERAL = {
    "email": "e-mail addresses",
    "phone": "phone numbers",
    "whatsapp": "WhatsApp numbers",
    "push": "push tokens",
}
_ONE = {"email": "e-mail address", "phone": "phone number", "whatsapp": "WhatsApp number", "push": "push token"}
_CHOICES = tuple(Choice(kind, label) for kind, label in KINDS.items())
_PERSON = Customer.__table__.c


def _kinds(*, verified: bool) -> Callable[[], Related]:
    """Return what a customer is reached by (email, phone …), or only what is known to be theirs."""

    def related() -> Related:
        point = ContactPoint.__table__.alias()
        counts = [point.c.verified_at.is_not(None)] if verified else []
        mine = and_(point.c.tenant_id == _PERSON.tenant_id, *counts)
        return Related(point, point.c.customer_id, point.c.kind, _PERSON.id, mine)

    return related


def _number(kind: str) -> Callable[[], ScalarSelect[int]]:
    """Return how many addresses of a kind a customer has."""

    def column() -> ScalarSelect[int]:
        point = ContactPoint.__table__.alias()
        counted = select(func.count(type_=Integer())).select_from(point)
        mine = (
            point.c.tenant_id == _PERSON.tenant_id,
            point.c.customer_id == _PERSON.id,
            point.c.kind == kind,
        )
        return counted.where(*mine).correlate(Customer.__table__).scalar_subquery()

    return column


FIELDS: tuple[Field, ...] = (
    Field(
        "contact_points",
        "Ways to reach them",
        GROUP,
        FieldType.LIST,
        choices=_CHOICES,
        related=_kinds(verified=False),
        reads=READS,
        phrases=Phrases(some="has a way to be reached", none="has no way to be reached"),
    ),
    Field(
        "verified_contact_points",
        "Verified ways to reach them",
        GROUP,
        FieldType.LIST,
        choices=_CHOICES,
        related=_kinds(verified=True),
        reads=READS,
        phrases=Phrases(some="has a verified way to be reached", none="has no verified way to be reached"),
    ),
    *(
        Field(
            f"{kind}_count",
            f"Number of {several}",
            GROUP,
            FieldType.NUMBER,
            _number(kind),
            reads=READS,
            always=True,
            phrases=Phrases(counts=(_ONE[kind], several)),
        )
        for kind, several in _SEVERAL.items()
    ),
)
