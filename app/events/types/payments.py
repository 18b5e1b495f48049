"""Money: payments and what is bought at the bar and in the shop."""

from app.conditions.fields import TENANTS, FieldType, Phrases
from app.events.catalogue import CLUB, Category, EventType, PayloadField, amount, register
from app.events.readers import money

FIELDS = (CLUB, *amount())
NOT_PAID = (CLUB, *amount(Phrases(money=TENANTS)))

register(
    EventType(
        "payment.received",
        "Payment received",
        Category.PAYMENT,
        "cash",
        done="paid",
        title=lambda payload: f"Payment received {money(payload)}",
        fields=FIELDS,
    ),
    EventType(
        "payment.failed",
        "Payment failed",
        Category.PAYMENT,
        "credit-card-off",
        done="had a payment fail",
        title=lambda payload: f"Payment failed {money(payload)}",
        fields=NOT_PAID,
    ),
    EventType(
        "pos.purchase",
        "Purchase at the club",
        Category.PAYMENT,
        "shopping-bag",
        done="bought something at the club",
        title=lambda payload: f"Purchase {money(payload)}",
        fields=(*FIELDS, PayloadField("note", "Note", FieldType.TEXT)),
    ),
)
