"""A table with a column of every type, a table of what its people did, and what conditions may ask of both."""

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    delete,
    func,
    insert,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.conditions import Catalogue, Choice, Field, FieldType, Phrases, Related, payload_catalogue
from app.conditions.behaviour import Amounts, Behaviours, Doings
from app.conditions.fields import TENANTS

metadata = MetaData()

people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("city", Text),
    Column("tier", Text),
    Column("handicap", Numeric),
    Column("rounds", Integer),
    Column("opted_in", Boolean),
    Column("born", Date),
    Column("opened_at", DateTime(timezone=True)),
    Column("tags", ARRAY(Text)),
    Column("club_id", Uuid),
    prefixes=["TEMPORARY"],
)

done = Table(
    "done",
    metadata,
    Column("person_id", Integer),
    Column("type", Text),
    Column("occurred_at", DateTime(timezone=True)),
    Column("payload", JSONB),
    Column("price", Numeric),
    Column("price_currency", Text),
    prefixes=["TEMPORARY"],
)

badge = Table(
    "badge",
    metadata,
    Column("person_id", Integer),
    Column("list_id", Uuid),
    Column("badge", Text),
    prefixes=["TEMPORARY"],
)

TIERS = (Choice("Gold", "Gold"), Choice("Platinum", "Platinum card"), Choice("Élite", "Élite"))


def field(name: str, label: str, type: FieldType, choices: tuple[Choice, ...] = ()) -> Field:
    return Field(name, label, "Person", type, people.c[name], choices, from_payload=True)


def related(name: str, label: str, column: str, phrases: Phrases = Phrases()) -> Field:  # noqa: B008 - it is frozen
    def rows() -> Related:
        one = badge.alias()
        return Related(one, one.c.person_id, one.c[column], people.c.id, one.c[column].is_not(None))

    return Field(name, label, "Person", FieldType.LIST, from_payload=True, related=rows, reads=column, phrases=phrases)


FIELDS = (
    field("city", "City", FieldType.TEXT),
    field("tier", "Membership tier", FieldType.CHOICE, TIERS),
    field("handicap", "Handicap", FieldType.NUMBER),
    field("rounds", "Rounds", FieldType.NUMBER),
    field("opted_in", "E-mail opt-in", FieldType.BOOLEAN),
    field("born", "Date of birth", FieldType.DATE),
    field("opened_at", "E-mail opened", FieldType.DATETIME),
    field("tags", "Tags", FieldType.LIST),
    field("club_id", "Club", FieldType.ID),
)
BADGES = Phrases(has="has the badge", has_not="does not have the badge", some="has a badge", none="has no badge")
RELATED = (related("lists", "Lists", "list_id"), related("badges", "Badges", "badge", BADGES))

PAYLOAD = {
    "holes": FieldType.NUMBER,
    "club": FieldType.TEXT,
    "paid": FieldType.BOOLEAN,
    "day": FieldType.DATE,
    "at": FieldType.DATETIME,
    "tags": FieldType.LIST,
    "ref": FieldType.ID,
}
DONE = {"round": "played a round"}
LABELS = {"round": "Round played", "payment": "Payment received"}


def doings() -> Doings:
    one = done.alias()
    amounts = Amounts("price", one.c.price, "currency", one.c.price_currency)
    return Doings(
        one, one.c.type, one.c.occurred_at, one.c.payload, one.c.person_id, people.c.id, people, amounts=amounts
    )


def keep_done(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Keep what was done, in place of what was, with what the payloads say of money in columns of their own."""
    connection.execute(delete(done))
    if rows:
        connection.execute(insert(done), rows)
    amount = func.payload_amount(done.c.payload, "price", type_=Numeric())
    said = func.payload_currency(done.c.payload, "currency", type_=Text())
    connection.execute(update(done).values(price=amount, price_currency=said).where(amount.is_not(None)))


AMOUNTS = dict.fromkeys(("spent", "price"), Phrases(summed="spent", money=TENANTS))
MONEY = {"price": FieldType.NUMBER, "currency": FieldType.TEXT}
behaviours = Behaviours(
    lambda _: payload_catalogue(
        {**PAYLOAD, "spent": FieldType.NUMBER, **MONEY}, phrases=AMOUNTS, currency_in={"price": "currency"}
    ),
    lambda name: LABELS.get(name, name),
    doings,
    lambda name: DONE.get(name, ""),
)
catalogue = Catalogue((*FIELDS, *RELATED), behaviours=behaviours)
