"""Lists as CSV files: as they are filtered, of any length, safe to open, and noted."""

import csv
import io
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.capture.imports import queries, service, work
from app.capture.imports.service import Options
from app.customers import households
from app.customers.households import Newcomer
from app.journeys import service as journeys
from app.web import downloads
from tests.capture.people import NOW, member, post, query
from tests.page_client import PageClient


def table(client: PageClient, path: str) -> list[dict[str, str]]:
    answer = client.post(path, status=200)
    assert answer.mimetype == "text/csv"
    assert "attachment" in answer.headers["Content-Disposition"]
    text = answer.get_data(as_text=True)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


@pytest.fixture
def people(tenant: Any) -> None:
    post(
        tenant,
        member(1, "=cmd|' /C calc'!A0", "ZA1", email="anna@example.com", phone="+27824751967", membership_tier="Gold"),
        member(2, "@Ben", "ZA2", email="ben@example.com", handicap_index=-2.1),
        member(3, "Cleo", "ZA3", email="-x@example.com"),
    )


def test_no_cell_is_a_formula(client: PageClient, sign_in: Callable[..., UUID], people: None) -> None:
    sign_in("marketer")
    rows = table(client, "/customers/export")
    assert len(rows) == 3
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    (anna,) = [row for row in rows if row["member_number"] == "ZA1"]
    assert anna["first_name"] == "'=cmd|' /C calc'!A0"
    assert anna["phone"] == "'+27824751967"


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Pacific/Kiritimati"])
def test_a_file_is_named_by_the_day_of_the_organisation(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, people: None, zone: str
) -> None:
    sign_in("marketer")
    query(tenant, "UPDATE tenant SET timezone = :zone RETURNING id", zone=zone)

    def today() -> str:
        return f"customers-{datetime.now(ZoneInfo(zone)):%Y-%m-%d}.csv"

    before = today()
    named = client.post("/customers/export", status=200).headers["Content-Disposition"]
    assert before in named or today() in named


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("Welcome.json", "attachment; filename=Welcome.json"),
        (
            "Mitgliederübersicht-Größe.csv",
            "attachment; filename=Mitgliederubersicht-Groe.csv;"
            " filename*=UTF-8''Mitglieder%C3%BCbersicht-Gr%C3%B6%C3%9Fe.csv",
        ),
        ("会員.csv", "attachment; filename=.csv; filename*=UTF-8''%E4%BC%9A%E5%93%A1.csv"),
    ],
)
def test_a_file_is_named_in_any_script(name: str, header: str) -> None:
    assert downloads.attachment(name)["Content-Disposition"] == header
    header.encode("ascii")


def test_what_a_file_may_not_be_called_is_left_out_of_its_name() -> None:
    assert downloads.stem('Begrüßung: "Neu" / 2026_a', "x") == "Begrüßung-Neu-2026_a"
    assert downloads.stem("…/", "journey") == "journey"


def test_the_list_is_given_out_as_it_is_filtered_and_noted(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, people: None
) -> None:
    user = sign_in("marketer")
    shown = client.get("/customers?q=cleo", htmx=True).text
    assert 'action="/customers/export?q=cleo"' in shown
    assert [row["member_number"] for row in table(client, "/customers/export?q=cleo")] == ["ZA3"]
    assert [row["member_number"] for row in table(client, "/customers/export?tier=Gold")] == ["ZA1"]
    entries = query(tenant, "SELECT * FROM audit_entry WHERE action = 'list.exported' ORDER BY at")
    assert [(one.actor, one.object_id, one.detail) for one in entries] == [
        (f"user:{user}", "customers", {"filters": {"q": "…"}}),
        (f"user:{user}", "customers", {"filters": {"tier": "Gold"}}),
    ]


def test_a_list_is_read_page_by_page_and_whole(
    client: PageClient, sign_in: Callable[..., UUID], people: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MAX_LIMIT", 1)
    sign_in("owner")
    assert sorted(row["member_number"] for row in table(client, "/customers/export")) == ["ZA1", "ZA2", "ZA3"]


LISTS = [
    "/customers",
    "/customers/duplicates",
    "/households",
    "/journeys",
    "/messages",
    "/suppressions",
    "/settings/events",
    "/settings/tags",
    "/templates",
]


@pytest.mark.parametrize("path", LISTS)
def test_who_may_not_take_lists_out(client: PageClient, sign_in: Callable[..., UUID], tenant: Any, path: str) -> None:
    for role in ("staff", "viewer", "ops"):
        sign_in(role)
        client.post(f"{path}/export", status=403)
    sign_in("admin")
    assert table(client, f"{path}/export") == []
    assert not query(tenant, "SELECT FROM audit_entry WHERE action = 'list.exported' AND object_id IS NULL")


def test_what_is_exported_can_be_imported_again_and_changes_nothing(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, people: None
) -> None:
    sign_in("marketer")
    file = client.post("/customers/export", status=200).get_data()
    options = Options(preset="fairway-csv", dry_run=True)
    run_id = service.start(
        tenant_id=tenant.id, file=io.BytesIO(file), file_name="c.csv", options=options, actor="system:test", now=NOW
    )
    while work.run_batch(tenant_id=tenant.id, now=NOW):
        pass
    run = queries.run(tenant_id=tenant.id, run_id=run_id)
    lines = queries.lines(tenant_id=tenant.id, run_id=run_id, kind="updated").items
    assert (run.rows, run.created, run.refused, lines) == (3, 0, 0, [])


def test_every_list_is_given_out_as_it_stands_there(
    client: PageClient, sign_in: Callable[..., UUID], tenant: Any, people: None
) -> None:
    post(
        tenant,
        member(4, "Anna", "ZA4", last_name="Quixley", date_of_birth="1980-02-03"),
        member(5, "Anna", "ZA5", last_name="Quixley", date_of_birth="1980-02-03"),
    )
    sign_in("owner")
    one, two = (row["id"] for row in table(client, "/customers/export?q=quixley"))
    (pair,) = table(client, "/customers/duplicates/export")
    assert {pair["customer_id"], pair["other_id"]} == {one, two}
    assert "the same date of birth" in pair["for"]
    both = [Newcomer(UUID(each)) for each in (one, two)]
    home = households.make(tenant_id=tenant.id, members=both, actor="system")
    households.change(tenant_id=tenant.id, household_id=home, changes={"name": "The =Quixleys"}, actor="system")
    journeys.create(tenant_id=tenant.id, actor="system", name="Welcome", trigger_type="MANUAL", timezone="UTC")
    homes = table(client, "/households/export?q=quixley")
    assert {(row["name"], row["customer_id"]) for row in homes} == {("The =Quixleys", one), ("The =Quixleys", two)}
    assert table(client, "/households/export?show=dissolved") == []
    assert [row["role"] for row in table(client, "/settings/users/export")] == ["owner"]
    assert [row["name"] for row in table(client, "/journeys/export?q=wel")] == ["Welcome"]
    assert table(client, "/journeys/export?status=ACTIVE") == []
