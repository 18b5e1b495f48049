"""Money: payments and what is bought at the bar and in the shop."""

from app.conditions.fields import FieldType
from app.events.catalogue import CLUB, Category, EventType, PayloadField, register
from app.events.readers import money

FIELDS = (
    CLUB,
    PayloadField("amount", "Amount", FieldType.NUMBER),
    PayloadField("currency", "Currency", FieldType.TEXT),
)

register(
    EventType(
        "payment.received",
        "Payment received",
        Category.PAYMENT,
        "cash",
        title=lambda payload: f"Payment received {money(payload)}",
        fields=FIELDS,
    ),
    EventType(
        "payment.failed",
        "Payment failed",
        Category.PAYMENT,
        "credit-card-off",
        title=lambda payload: f"Payment failed {money(payload)}",
        fields=FIELDS,
    ),
    EventType(
        "pos.purchase",
        "Purchase at the club",
        Category.PAYMENT,
        "shopping-bag",
        title=lambda payload: f"Purchase {money(payload)}",
        fields=(*FIELDS, PayloadField("note", "Note", FieldType.TEXT)),
    ),
)
