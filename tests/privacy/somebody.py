"""Somebody of whom there is something in every corner, and a scan of every corner."""

import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.capture import merging
from app.capture.imports import service as imports
from app.capture.imports import work as import_work
from app.capture.imports.service import Options
from app.capture.service import process_batch
from app.customers import consents, households, notes
from app.customers.consents import Proof, State, Word
from app.customers.households import Newcomer
from app.customers.notes import Draft, Reader
from app.events import log
from app.infra import clock, queue
from app.infra.db import db, transaction
from app.mailbox import service as mailbox
from app.mailbox.service import Incoming
from app.messaging import outbox, suppression
from app.messaging.suppression import SuppressedBecause
from app.privacy import work
from tests.journeys import helpers as journeys
from tests.page_client import make_user

SAID_AT = datetime(2026, 10, 1, 9, tzinfo=UTC)
# What is hers alone; nothing else in the tests says any of it.
MARKS = (
    "zephyrine",
    "quaggamoor",
    "zq.first@mail.example",
    "zq.second@mail.example",
    "zq.older@mail.example",
    "825550142",
    "82 555 0142",
    "qzx-88112",
    "qzx-99001",
    "tee-zq-5",
    "unspeakable secret",
    "allergic to zucchini",
)
SHARED = "family@home.example"


def event(number: int, type_: str, payload: dict[str, Any], source: str = "test", **identity: Any) -> dict[str, Any]:
    return {
        "id": f"z{number}",
        "type": type_,
        "source": source,
        "timestamp": (SAID_AT + timedelta(minutes=number)).isoformat(),
        "identity": identity,
        "payload": payload,
    }


def take(tenant: Any, *events: dict[str, Any], apply: bool = True) -> None:
    results = log.append(tenant_id=tenant.id, events=events)
    assert {one.status for one in results} == {log.Status.ACCEPTED}, results
    while apply and process_batch(tenant_id=tenant.id):
        pass


def run(tenant: Any, **more: Any) -> None:
    """Do all that is due of exports and erasures."""
    while work.run_batch(tenant_id=tenant.id, now=more.get("now") or clock.now()):
        pass


def rows(tenant: Any, query: str, **values: Any) -> list[Any]:
    with transaction(tenant.id) as session:
        return list(session.execute(text(query), {"tenant_id": tenant.id, **values}).all())


def write(tenant: Any, query: str, **values: Any) -> None:
    with transaction(tenant.id) as session:
        session.execute(text(query), {"tenant_id": tenant.id, **values})


def owner_of(tenant: Any, number: int) -> UUID:
    (row,) = rows(tenant, "SELECT customer_id FROM inbound_event WHERE event_id = :id", id=f"z{number}")
    found: UUID = row.customer_id
    return found


@dataclass(frozen=True)
class Somebody:
    """Her id, the id of the profile that went into hers, her husband's and a stranger's, and the staff's."""

    id: UUID
    merged: UUID
    spouse: UUID
    stranger: UUID
    owner: UUID


def make(tenant: Any) -> Somebody:
    """Make her, with all that ever happened to her."""
    owner = make_user(tenant.id, "owner")
    take(
        tenant,
        event(
            1,
            "scl.member.created",
            {"first_name": "Zephyrine", "last_name": "Quaggamoor", "date_of_birth": "1971-03-04"},
            email="zq.older@mail.example",
            scl_member_id="QZX-88112",
        ),
        event(2, "pos.purchase", {"note": "unspeakable secret"}, scl_member_id="QZX-88112",
              phone_number="+27825550142"),
        event(3, "scl.member.created", {"first_name": "Zephyrine", "last_name": "Quaggamoor"},
              email="zq.second@mail.example", scl_member_id="QZX-99001"),
        event(4, "scl.member.created", {"first_name": "Bob", "last_name": "Quince"}, email=SHARED,
              scl_member_id="BOB-1"),
        event(5, "scl.member.created", {"first_name": "Carla", "last_name": "Stranger"}, email="carla@example.com"),
        event(6, "contactPreference.updated", {"email_opt_in": True}, scl_member_id="QZX-88112"),
    )  # fmt: skip
    take(
        tenant,
        event(7, "teetime.booked", {"players": ["Zephyrine Quaggamoor", {"email": "zq.second@mail.example"}]},
              email="carla@example.com"),
        event(8, "scl.member.created", {"first_name": "Zephyrine", "last_name": "Quaggamoor"}, email=SHARED,
              scl_member_id="QZX-88112", teetime_player_id="TEE-ZQ-5"),
    )  # fmt: skip
    lead, merged = owner_of(tenant, 1), owner_of(tenant, 3)
    who = Somebody(lead, merged, owner_of(tenant, 4), owner_of(tenant, 5), owner)
    merging.merge_customers(tenant_id=tenant.id, winner_id=lead, loser_id=merged, actor=f"user:{owner}")
    write(tenant, "UPDATE customer SET email = 'zq.first@mail.example', tags = '{vip}' WHERE id = :id", id=lead)
    write(
        tenant,
        "INSERT INTO contact_point (tenant_id, customer_id, kind, key, value, source)"
        " VALUES (:tenant_id, :id, 'email', 'zq.first@mail.example', 'ZQ.First@mail.example', 'staff')",
        id=lead,
    )
    _notes(tenant, who)
    _consents(tenant, who)
    _imports(tenant)
    _messages(tenant, who)
    _elsewhere(tenant, who)
    _household(tenant, who)
    return who


def _household(tenant: Any, who: Somebody) -> None:
    """Let her live with her husband, under her name, and share an address that is hers alone by now."""
    members = [Newcomer(who.id), Newcomer(who.spouse)]
    named = {"name": "Zephyrine Quaggamoor and Bob", "greeting": "Dear Zephyrine Quaggamoor, dear Bob"}
    households.make(tenant_id=tenant.id, members=members, actor=f"user:{who.owner}", **named)
    write(
        tenant,
        "INSERT INTO household_suggestion (tenant_id, kind, key, people, status)"
        " VALUES (:tenant_id, 'email', 'zq.first@mail.example', cast(:people AS uuid[]), 'dismissed')",
        people=[who.id, who.spouse],
    )


def _notes(tenant: Any, who: Somebody) -> None:
    author = Reader(who.owner, "Owner Person", True)
    colleague = make_user(tenant.id, "staff")
    (user,) = rows(tenant, "SELECT email FROM users WHERE id = :id", id=colleague)
    mine = notes.add(
        tenant_id=tenant.id, customer_id=who.id, author=author, draft=Draft(f"Allergic to zucchini. @{user.email}")
    )
    notes.change(
        tenant_id=tenant.id,
        customer_id=who.id,
        note_id=mine.note_id,
        author=author,
        draft=Draft("Allergic to zucchini and to geese"),
    )
    notes.add(tenant_id=tenant.id, customer_id=who.id, author=author, draft=Draft("unspeakable secret", private=True))
    theirs = "Plays with Zephyrine Quaggamoor (zq.first@mail.example, 082 555 0142, QZX-88112), who is a friend"
    other = notes.add(tenant_id=tenant.id, customer_id=who.stranger, author=author, draft=Draft(theirs))
    notes.change(
        tenant_id=tenant.id,
        customer_id=who.stranger,
        note_id=other.note_id,
        author=author,
        draft=Draft(theirs.replace("a friend", "her friend")),
    )


def _consents(tenant: Any, who: Somebody) -> None:
    (topic,) = rows(tenant, "SELECT id FROM topic ORDER BY name LIMIT 1")
    consents.record(
        tenant_id=tenant.id,
        customer_id=who.id,
        words=[Word("EMAIL", State.UNSUBSCRIBED, topic.id), Word("EMAIL", State.UNSUBSCRIBED)],
        proof=Proof("staff", "by phone", f"user:{who.owner}", "Zephyrine said no", "zq.first@mail.example"),
    )
    suppression.suppress(
        tenant_id=tenant.id,
        addresses=["zq.second@mail.example"],
        because=SuppressedBecause.HARD_BOUNCE,
        details=["550 zq.second@mail.example unknown"],
    )


HEADER = "email,first_name,last_name,member_number,phone,membership_tier"
FILE = f"""{HEADER}
zq.first@mail.example,Zephyrine,Quaggamoor,QZX-88112,+27825550142,Gold
zq.first@mail.example,Zephyrine,Quaggamoor,QZX-88112,+27825550142,Gold,many
dora@example.com,Dora,Import,DORA-1,,
"""


def import_file(tenant: Any, data: str = FILE, *, name: str = "members.csv", **options: Any) -> Any:
    """Import a file, and return its run."""
    options.setdefault("mapping", {name: name for name in data.partition("\n")[0].split(",")})
    run_id = imports.start(
        tenant_id=tenant.id,
        file=io.BytesIO(data.encode()),
        file_name=name,
        options=Options(**options),
        actor="system:test",
    )
    while import_work.run_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    (row,) = rows(tenant, "SELECT * FROM import_run WHERE id = :id", id=run_id)
    return row


def _imports(tenant: Any) -> None:
    dry = import_file(tenant, dry_run=True)
    assert (dry.status, dry.refused) == ("COMPLETED", 1)
    wet = import_file(tenant)
    assert (wet.status, wet.refused) == ("COMPLETED", 1)
    # A file of somebody else's rows, which are all given its name.
    named = import_file(
        tenant,
        "email,first_name,Zephyrine Quaggamoor\ndora@example.com,Dora,Plays early\n",
        name="From_zq.first@mail.example.csv",
        mapping={"email": "email", "first_name": "first_name", "Zephyrine Quaggamoor": "note"},
    )
    assert (named.status, named.updated) == ("COMPLETED", 1)


def _messages(tenant: Any, who: Somebody) -> None:
    template = journeys.template(tenant.id)
    walk = journeys.journey(tenant.id, [journeys.wait("pause", "end", "3 days"), journeys.step("end", "END")])
    journeys.admit(tenant.id, walk.id, [who.id, who.stranger], now=clock.now())
    write(tenant, "UPDATE journey_enrollment SET trigger_data = '{\"name\": \"Zephyrine\"}' WHERE customer_id = :id",
          id=who.id)  # fmt: skip
    made = outbox.put(
        tenant_id=tenant.id,
        template_id=template,
        customer_ids=[who.id, who.id],
        dedupe_keys=["one", "two"],
        contexts=[{"name": "Zephyrine"}, {}],
        journey_id=walk.id,
        step_key="hello",
    )
    write(
        tenant,
        "UPDATE message SET status = 'sent', subject = 'Hello Zephyrine', response = '250 zq.first@mail.example',"
        " sent_at = now(), attempt_id = uuid7() WHERE id = :id",
        id=made["one"],
    )
    mail = (
        "From: club@example.com\r\nTo: zq.first@mail.example\r\nSubject: =?utf-8?q?Hello_Zephyrine?=\r\n"
        f"Message-ID: <{made['one']}.{tenant.id}@localhost>\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n"
    ).encode()
    quoted = (
        b"From: a@example.com\r\nSubject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"Zephyrine Qua=\r\nggamoor rang"
    )
    other = b"From: a@example.com\r\nTo: carla@example.com\r\nSubject: Hello Carla\r\n\r\nHello"
    mailbox.store(
        tenant_id=tenant.id,
        mails=[
            Incoming("club@example.com", ["zq.first@mail.example"], mail),
            Incoming("a@example.com", ["owner@example.com"], quoted),
            Incoming("a@example.com", ["carla@example.com"], other),
        ],
    )


def _elsewhere(tenant: Any, who: Somebody) -> None:
    with transaction(tenant.id):
        log.append(
            tenant_id=tenant.id,
            own=True,
            events=[
                {
                    "id": f"opened:{uuid4()}",
                    "type": "message.opened",
                    "source": "fairway",
                    "timestamp": clock.now().isoformat(),
                    "identity": {"customer_id": str(who.id)},
                    "payload": {"subject": "Hello Zephyrine"},
                }
            ],
        )
    while process_batch(tenant_id=tenant.id):
        pass
    take(tenant, event(20, "pos.purchase", {"by": "Zephyrine Quaggamoor"}, email="zq.first@mail.example"))
    write(
        tenant,
        "UPDATE inbound_event SET status = 'failed', customer_id = NULL, reason = 'zq.first@mail.example is odd'"
        " WHERE event_id = 'z20'",
    )
    write(tenant, "DELETE FROM activity WHERE payload ->> 'by' = 'Zephyrine Quaggamoor'")
    take(tenant, event(21, "pos.purchase", {"note": "unspeakable secret"}, scl_member_id="QZX-99001"), apply=False)
    write(tenant, "INSERT INTO tag (tenant_id, name, taken_from, deleted_at) VALUES (:tenant_id, 'old', :ids, now())",
          ids=[who.id, who.stranger])  # fmt: skip
    write(
        tenant,
        "INSERT INTO merge_suggestion (tenant_id, one_id, other_id, score, reasons)"
        ' VALUES (:tenant_id, least(:a, :b), greatest(:a, :b), 50, \'{"speaks_for": ["Zephyrine"]}\')'
        " ON CONFLICT DO NOTHING",
        a=who.id,
        b=who.spouse,
    )


def everything(of: Any) -> dict[str, str]:
    """Return all that stands in each table of the database, bytes read and unpacked; and in Redis."""
    found: dict[str, str] = {}
    with transaction(of.id) as session:
        for (name,) in session.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).all():
            if name != "alembic_version":
                found[name] = "\n".join(map(_said, session.execute(text(f"SELECT * FROM {name}")).all())).lower()
    redis = queue.redis()
    for key in redis.scan_iter("*"):
        kind = redis.type(key).decode()
        value = {"string": redis.get, "hash": redis.hgetall, "set": redis.smembers}.get(kind, lambda _: b"")(key)
        found[f"redis {key.decode()}"] = _said([key, value]).lower()
    db.session.expire_all()
    return found


def _said(row: Any) -> str:
    words = []
    for value in row:
        if isinstance(value, bytes | memoryview):
            raw = bytes(value)
            words.append(raw.decode("utf-8", "replace"))
            if raw[:2] == b"PK":
                with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                    words.extend(archive.read(name).decode() for name in archive.namelist())
        else:
            words.append(str(value))
    return "\x1f".join(words)


def where_marks_are(of: Any) -> dict[str, list[str]]:
    """Return in which table or key which of her marks stand."""
    return {name: hits for name, said in everything(of).items() if (hits := [one for one in MARKS if one in said])}
