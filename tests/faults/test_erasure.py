"""Somebody is erased while a journey has them, a letter to them waits, and a file that names them comes in.

Afterwards nothing of them is found by looking from outside: in a dump of the database, in Redis, in logs and files.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import psycopg
import pytest

from app.infra.embedded import Postgres, Redis
from tests.stack import Organisation, Stack, until

ROWS = 3000
FIRST, LAST = "Zephyrette", "Quillfeather"
EMAIL, OLD_EMAIL = "zq.feather@mail.example", "old.feather@mail.example"
PHONE, MEMBER = "+27825550173", "ZQF-55017"
# However they are written: in lower case, as a local number, as digits.
MARKS = ("zephyrette", "quillfeather", EMAIL, OLD_EMAIL, "825550173", "82 555 0173", "zqf-55017", "in confidence")


def event(number: int, kind: str, payload: dict[str, Any], **identity: str) -> dict[str, Any]:
    return {
        "id": f"zq{number}",
        "type": kind,
        "source": "test",
        "timestamp": f"2026-10-0{number}T10:00:00Z",
        "identity": identity,
        "payload": payload,
    }


def journey(organisation: Organisation) -> None:
    """Begin a journey that writes to every new member, and has them wait for a month."""
    template = organisation.template("Welcome", "Welcome {{ customer.first_name }} {{ customer.last_name }}")
    made = organisation.call("POST", "/journeys", {"name": "Welcome", "trigger_type": "scl.member.created"})
    steps = [
        {"key": "start", "type": "TRIGGER", "config": {"event_type": "scl.member.created", "conditions": []},
         "next": "mail"},
        {"key": "mail", "type": "SEND", "config": {"channel": "EMAIL", "template_id": template}, "next": "pause"},
        {"key": "pause", "type": "WAIT", "config": {"duration": "30 days"}, "next": "end"},
        {"key": "end", "type": "END", "config": {}},
    ]  # fmt: skip
    organisation.call("PUT", f"/journeys/{made['id']}/steps", {"steps": steps})
    organisation.call("POST", f"/journeys/{made['id']}/activate")


def member_file(rows: int) -> bytes:
    """Return a file of many, with them last."""
    lines = [f"M{number},First{number},Last{number},m{number}@example.com,," for number in range(rows)]
    hers = f'{MEMBER},{FIRST},{LAST},{EMAIL},082 555 0173,"Told us in confidence"'
    return "\n".join(["member_number,first_name,last_name,email,phone,note", *lines, hers, ""]).encode()


def upload(organisation: Organisation, name: str, data: bytes) -> str:
    """Begin an import and return its id."""
    boundary = uuid4().hex
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="preset"\r\n\r\nfairway-csv\r\n'.encode()]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: text/csv\r\n\r\n".encode()
        + data
        + f"\r\n--{boundary}--\r\n".encode()
    )
    status, answer = organisation.stack.send(
        "POST", "/api/v1/imports", b"".join(parts), organisation.token, f"multipart/form-data; boundary={boundary}"
    )
    assert status == 202, answer
    found: str = answer["id"]
    return found


def finished(organisation: Organisation, path: str) -> Any:
    """Return an import, or a request, once nothing more becomes of it."""
    found = organisation.call("GET", path)
    return found if found["status"] in ("COMPLETED", "FAILED") else None


def where(stack: Stack) -> dict[str, list[str]]:
    """Return in which table, key or file which of the marks stand."""
    places = {**_tables(stack), **_redis(stack), **_files(stack)}
    return {place: hits for place, said in places.items() if (hits := [one for one in MARKS if is_in(one, said)])}


def is_in(mark: str, said: bytes) -> bool:
    """Return whether the mark stands in a text, as it is or in the hexadecimal in which bytes are dumped."""
    return mark.encode() in said or mark.encode().hex().encode() in said


def _tables(stack: Stack) -> dict[str, bytes]:
    address = Postgres(stack.home).superuser_url.replace("/postgres?", "/fairway?", 1)
    found = {}
    with psycopg.connect(address) as connection:
        names = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (name,) in names:
            # Names of files and texts in bytes are dumped in the case in which they were written.
            with connection.cursor().copy(f"COPY {name} TO STDOUT") as rows:
                said = b"".join(bytes(row) for row in rows)
            found[f"table {name}"] = said.lower() + _bytes_of(connection, name)
    return found


def _bytes_of(connection: psycopg.Connection[Any], table: str) -> bytes:
    """Return what stands in columns of bytes, in lower case."""
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND atttypid = 'bytea'::regtype AND attnum > 0",
        (table,),
    ).fetchall()
    pieces = [connection.execute(f'SELECT "{one}" FROM {table}').fetchall() for (one,) in columns]
    return b"\n".join(bytes(value) for rows in pieces for (value,) in rows if value).lower()


def _redis(stack: Stack) -> dict[str, bytes]:
    with Redis(stack.home).client() as client:
        client.config_set("rdbcompression", "no")
        client.save()
        settings = client.config_get()
    return {"redis": Path(settings["dir"], settings["dbfilename"]).read_bytes().lower()}


def _files(stack: Stack) -> dict[str, bytes]:
    """Return all files but those in which PostgreSQL keeps its tables and their past."""
    tables = ("base", "global", "pg_wal", "pg_xact", "pg_stat", "pg_multixact", "pg_subtrans")
    found = {stack.log.name: stack.log.read_bytes().lower()}
    for path in stack.home.rglob("*"):
        if path.is_file() and not set(tables) & set(path.parts):
            found[str(path.relative_to(stack.home))] = path.read_bytes().lower()
    return found


@pytest.fixture(scope="module")
def organisation(shared: Stack) -> Organisation:
    made = shared.register()
    journey(made)
    hints = {"email": EMAIL, "phone_number": PHONE, "scl_member_id": MEMBER}
    told = {"first_name": FIRST, "last_name": LAST, "membership_tier": "Gold"}
    made.call(
        "POST",
        "/events",
        [
            event(1, "contactPreference.updated", {"email_opt_in": True}, **hints),
            event(2, "scl.member.created", told, **hints),
            event(3, "pos.purchase", {"note": "in confidence"}, email=OLD_EMAIL, scl_member_id=MEMBER),
            event(4, "pos.purchase", {"with": f"{FIRST} {LAST}, {PHONE}"}, email="friend@example.com"),
        ],
    )
    return made


def test_nothing_of_somebody_erased_amid_everything_is_left(shared: Stack, organisation: Organisation) -> None:
    customer = until(lambda: _found(organisation))
    tenant = {"t": organisation.tenant_id}
    until(
        lambda: shared.rows(
            "SELECT 1 FROM message m JOIN journey_enrollment e ON e.customer_id = m.customer_id"
            " WHERE m.tenant_id = %(t)s AND m.status = 'queued' AND m.attempts > 0 AND e.status = 'ACTIVE'"
            " AND e.current_step_key = 'pause'",
            **tenant,
        )
    )
    note = {"content": f"{FIRST} told us in confidence", "type": "general"}
    organisation.call("POST", f"/customers/{customer}/notes", note)
    for query in ({"q": f"{FIRST} {LAST}"}, {"email": EMAIL}, {"phone": PHONE}):
        organisation.call("GET", f"/customers?{urlencode(query)}")
    asked = organisation.call("POST", f"/customers/{customer}/export")
    until(lambda: finished(organisation, f"/privacy-requests/{asked['id']}"))
    # Without these the search would prove little.
    assert where(shared).keys() >= {
        f"table public.{name}" for name in ("customer", "contact_point", "inbound_event", "activity", "note", "message")
    }

    run = upload(organisation, f"{LAST}_{EMAIL}.csv", member_file(ROWS))
    erasure = organisation.call("DELETE", f"/customers/{customer}")["id"]
    status, refused = shared.request(
        "POST", f"/api/v1/customers/{customer}/merge", {"loser_id": _friend(organisation)}, organisation.token
    )
    # By now the customer may be gone.
    assert status == 404 or (status == 409 and "is being erased" in refused["detail"]), refused

    erased = until(lambda: finished(organisation, f"/privacy-requests/{erasure}"))
    taken = until(lambda: finished(organisation, f"/imports/{run}"))
    assert (erased["status"], taken["status"], taken["rows"]) == ("COMPLETED", "COMPLETED", ROWS + 1), (erased, taken)
    assert where(shared) == {}
    assert not shared.rows("SELECT 1 FROM message WHERE tenant_id = %(t)s AND status IN ('queued', 'held')", **tenant)


def test_a_file_does_not_bring_them_back(shared: Stack, organisation: Organisation) -> None:
    again = upload(organisation, "again.csv", member_file(2))
    taken = until(lambda: finished(organisation, f"/imports/{again}"))
    assert (taken["created"], taken["refused"]) == (0, 1)
    (kept,) = organisation.call("GET", f"/suppressions?{urlencode({'q': EMAIL})}")["items"]
    assert (kept["reason"], kept["lifted_at"]) == ("erased", None)
    assert where(shared) == {}


def _found(organisation: Organisation) -> str | None:
    items = organisation.call("GET", f"/customers?{urlencode({'email': OLD_EMAIL})}")["items"]
    return items[0]["id"] if items else None


def _friend(organisation: Organisation) -> str:
    (friend,) = organisation.call("GET", "/customers?email=friend@example.com")["items"]
    found: str = friend["id"]
    return found
