"""What files tell that somebody imports: members of a system that was, and their visits."""

from collections.abc import Mapping
from typing import Any

from app.conditions.fields import FieldType
from app.events.catalogue import CLUB, Category, Change, Consent, EventType, PayloadField, amount, register
from app.events.readers import a_birth_date, a_handicap, a_joining_date, a_stage, a_text, money


def _round(payload: Mapping[str, Any]) -> str:
    holes = payload.get("holes")
    return f"Round of {holes} holes" if isinstance(holes, int) else "Round"


def _visit(name: str, label: str, icon: str, words: str, done: str) -> EventType:
    return EventType(
        name,
        label,
        Category.PAYMENT,
        icon,
        done=done,
        title=lambda payload: f"{words} {money(payload)}".strip(),
        fields=amount(),
    )


register(
    EventType(
        "import.member",
        "Member imported",
        Category.MEMBERSHIP,
        "upload",
        done="been imported",
        title=lambda payload: f"Imported from {a_text(payload.get('file_name')) or 'a file'}",
        fields=(
            CLUB,
            PayloadField("membership_tier", "Membership tier", FieldType.TEXT),
            PayloadField("membership_status", "Membership status", FieldType.TEXT),
        ),
        changes=(
            Change("title", ("title",), a_text),
            Change("first_name", ("first_name",), a_text),
            Change("last_name", ("last_name",), a_text),
            Change("date_of_birth", ("date_of_birth",), a_birth_date),
            Change("membership_tier", ("membership_tier",), a_text),
            Change("membership_status", ("membership_status",), a_text),
            Change("joined_on", ("joined_on",), a_joining_date),
            Change("handicap_index", ("handicap_index",), a_handicap),
            Change("lifecycle_stage", ("lifecycle_stage",), a_stage),
            Change("club", ("club",), a_text),
        ),
        consents=(
            Consent("EMAIL", ("email_opt_in",)),
            Consent("SMS", ("sms_opt_in",)),
            Consent("PUSH", ("push_opt_in",)),
            Consent("WHATSAPP", ("whatsapp_opt_in",)),
        ),
        speaks_for_contact=True,
        second_hand=True,
    ),
    EventType(
        "visit.round",
        "Round (imported)",
        Category.GOLF,
        "golf",
        done="played a round (imported)",
        title=_round,
        fields=(
            PayloadField("holes", "Holes", FieldType.NUMBER),
            *amount(),
        ),
    ),
    _visit("visit.bar", "Bar visit (imported)", "receipt", "Bar", "visited the bar"),
    _visit("visit.shop", "Shop visit (imported)", "shopping-bag", "Shop", "visited the shop"),
    _visit("visit.function", "Function (imported)", "calendar-event", "Function", "attended a function"),
)
