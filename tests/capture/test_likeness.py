"""Suggested duplicates: who looks alike is suggested, a household is not, and what people decide holds."""

from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.event import listen

from app.accounts.models import Club
from app.capture import likeness, merging
from app.capture.names import spellings
from app.customers import suggestions
from app.infra.db import transaction
from app.infra.ids import new_id
from tests.capture.people import NOW, STAFF, event, member, owner, post, query
from tests.conftest import make_tenant
from tests.page_client import ApiClient, PageClient
from tests.plans import nodes

CLUB = "Cape Links Golf Club"


def suggested(tenant: Any) -> list[suggestions.Suggestion]:
    return suggestions.suggested(tenant_id=tenant.id).items


@pytest.mark.parametrize(
    "one, other, reason",
    [
        (
            member(1, "Ann", "M1", email="a@example.com", date_of_birth="1970-01-01", club=CLUB),
            member(2, "Ann", "M2", email="a@example.com", date_of_birth="1971-01-01", club=CLUB),
            "the same e-mail address",
        ),
        (
            member(1, "Ann", "M1", date_of_birth="1970-01-01"),
            member(2, "Ann", "M2", date_of_birth="1970-01-01"),
            "the same date of birth",
        ),
        (
            member(1, "William", "M1", club=CLUB, email="w@example.com"),
            member(2, "Bill", "M2", club=CLUB, email="b@example.com"),
            "first names that stand for one",
        ),
        (
            member(1, "Zoë", "M1", email="z@example.com", phone_number="0821111111", club=CLUB),
            member(2, "Zoe", "M2", email="zoe@example.com", phone_number="0821111111", club=CLUB),
            "the same phone number",
        ),
        (
            member(1, "Zoë", "M1", email="z@example.com", club=CLUB),
            member(2, "Zoe", "M2", email="z@example.com", last_name="Smith", club=CLUB),
            "the same e-mail address",
        ),
    ],
)
def test_who_looks_alike_is_suggested(tenant: Any, one: Any, other: Any, reason: str) -> None:
    post(tenant, one)
    assert suggested(tenant) == []
    post(tenant, other)
    assert owner(tenant, 1) != owner(tenant, 2)
    (pair,) = suggested(tenant)
    assert {pair.one_id, pair.other_id} == {owner(tenant, 1), owner(tenant, 2)}
    assert reason in pair.speaks_for
    assert pair.score >= likeness.ENOUGH


def test_who_looks_alike_after_a_change_by_hand_is_suggested(tenant: Any, api: ApiClient) -> None:
    post(tenant, member(1, "Ann", "M1", email="a@example.com", date_of_birth="1970-01-01"))
    post(tenant, member(2, "Ann", "M2", email="b@example.com", date_of_birth="1985-01-01"))
    assert suggested(tenant) == []
    changed = api.patch(f"/customers/{owner(tenant, 2)}", {"date_of_birth": "1970-01-01", "email": "a@example.com"})
    assert changed.status_code == 200
    (pair,) = suggested(tenant)
    assert "the same e-mail address" in pair.speaks_for


def test_a_household_is_not_suggested(tenant: Any) -> None:
    post(
        tenant,
        member(1, "Ann", "M1", email="botha@example.com", phone_number="0821111111", club=CLUB),
        member(2, "Bob", "M2", email="botha@example.com", phone_number="0821111111", club=CLUB),
        member(3, "Carl", "M3", email="botha@example.com", date_of_birth="2001-01-01", club=CLUB),
    )
    assert len({owner(tenant, number) for number in (1, 2, 3)}) == 3
    assert suggested(tenant) == []


def look_alikes(tenant: Any) -> suggestions.Suggestion:
    """Make two Anns at one address whose birth dates differ, and return the suggestion."""
    post(
        tenant,
        member(1, "Ann", "M1", email="a@example.com", date_of_birth="1970-01-01", club=CLUB),
        member(2, "Ann", "M2", email="a@example.com", date_of_birth="1971-01-01", club=CLUB),
    )
    (pair,) = suggested(tenant)
    return pair


def test_a_dismissed_pair_does_not_come_back_nor_is_joined(tenant: Any) -> None:
    pair = look_alikes(tenant)
    assert suggestions.dismiss(tenant_id=tenant.id, ids=[pair.id], actor=STAFF) == 1
    post(tenant, member(3, "Ann", "M1", email="a@example.com", date_of_birth="1971-01-01"))
    post(tenant, event(4, scl_member_id="M1", external_ids={"card": "7"}), event(5, external_ids={"card": "7"}))
    assert suggested(tenant) == []
    active = query(tenant, "SELECT id FROM customer WHERE status = 'ACTIVE'")
    assert len(active) == 2
    assert suggestions.reopen(tenant_id=tenant.id, ids=[pair.id], actor=STAFF) == 1
    assert len(suggested(tenant)) == 1


def test_a_merged_pair_is_suggested_no_more(tenant: Any) -> None:
    pair = look_alikes(tenant)
    done = merging.merge_customers(
        tenant_id=tenant.id, winner_id=pair.one_id, loser_id=pair.other_id, actor=STAFF, now=NOW
    )
    assert suggested(tenant) == []
    merging.undo(tenant_id=tenant.id, merge_id=done, actor=STAFF, now=NOW)
    assert suggested(tenant) == []


def test_the_queue_is_decided_on_in_bulk(client: PageClient, sign_in: Any, tenant: Any) -> None:
    pair = look_alikes(tenant)
    sign_in("staff")
    page = client.get("/customers/duplicates").text
    assert "another date of birth" in page
    assert f"/customers/{pair.one_id}/merge/{pair.other_id}" in page
    client.post("/customers/duplicates", {"act": "dismiss"}, status=302)
    back = client.post("/customers/duplicates", {"act": "dismiss", "pair": str(pair.id)}, status=302)
    page = client.get(back.location).text
    assert "No suggestions" in page
    assert "They are two people." in page
    client.post("/customers/duplicates/reopen", {"pair": str(pair.id)}, status=302)
    back = client.post("/customers/duplicates", {"act": "merge", "pair": str(pair.id)}, status=302)
    (row,) = query(tenant, "SELECT winner_id, loser_id FROM customer_merge")
    assert tuple(row) == (pair.one_id, pair.other_id)
    assert "They are one profile now" in client.get(back.location).text


def test_a_pair_of_the_queue_is_compared_merged_and_taken_back(client: PageClient, sign_in: Any, tenant: Any) -> None:
    pair = look_alikes(tenant)
    sign_in("staff")
    compare = f"/customers/{pair.one_id}/merge/{pair.other_id}?from=duplicates"
    assert compare in client.get("/customers/duplicates").text
    page = client.get(compare).text
    assert "another date of birth" in page
    assert "Not the same" in page
    back = client.post(compare.partition("?")[0], {"from": "duplicates"}, status=302).location
    assert back.startswith("/customers/duplicates?merged=")
    assert "They are one profile now" in client.get(back).text
    client.post(f"/customers/merges/{back.partition('=')[2]}/undo", status=302)
    assert "They are one profile now" not in client.get(back).text


def test_who_is_compared_by_hand_stays_with_the_profile(client: PageClient, sign_in: Any, tenant: Any) -> None:
    pair = look_alikes(tenant)
    sign_in("staff")
    back = client.post(f"/customers/{pair.one_id}/merge/{pair.other_id}", {}, status=302).location
    assert back == f"/customers/{pair.one_id}"


def test_suggestions_over_the_api(api: ApiClient, tenant: Any) -> None:
    pair = look_alikes(tenant)
    post(tenant, member(3, "Ann", "M3", email="a@example.com", date_of_birth="1972-01-01", club=CLUB))
    first = api.get("/merge-suggestions?limit=1").get_json()
    rest = api.get(f"/merge-suggestions?cursor={first['next_cursor']}").get_json()
    assert len(first["items"] + rest["items"]) == 3
    assert len(api.get(f"/merge-suggestions?customer_id={owner(tenant, 3)}").get_json()["items"]) == 2
    assert api.post(f"/merge-suggestions/{pair.id}/dismiss").status_code == 204
    assert api.post(f"/merge-suggestions/{tenant.id}/dismiss").status_code == 404
    assert len(api.get("/merge-suggestions").get_json()["items"]) == 2


def test_spellings_of_a_name() -> None:
    assert {"bill", "will", "william"} <= spellings("Bill")
    assert spellings("Zoë") == {"zoë", "zoe"}


@pytest.mark.committed
def test_looking_reads_those_who_look_alike_and_nobody_else(real_db: str) -> None:
    tenant_id = make_tenant("Large Links").id
    club = new_id()
    with transaction(tenant_id) as session:
        session.add(
            Club(
                tenant_id=tenant_id,
                id=club,
                name="Large",
                timezone="Africa/Johannesburg",
                country="ZA",
                locale="en_ZA",
                currency="ZAR",
            )
        )
        session.flush()
        session.execute(_CROWD, {"tenant": tenant_id, "club": club, "many": 3000})
        ids = list(session.scalars(text("SELECT id FROM customer ORDER BY id LIMIT 100")))
    with psycopg.connect(real_db, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE customer")
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "WITH me AS" in statement and "merge_suggestion" in statement and "EXPLAIN" not in statement:
            asked.append((statement, values))

    with transaction(tenant_id) as session:
        connection = session.connection()
        listen(connection, "before_cursor_execute", note)
        assert len(likeness.look(session, tenant_id, ids, NOW)) > 500
        statement, values = asked[0]
        [[plan]] = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
    scans = [one for one in nodes(plan[0]["Plan"]) if one.get("Relation Name") in ("customer", "merge_suggestion")]
    assert len(scans) == 6
    # A loop is one person looked for; besides those who look like them nobody is read.
    assert all(one["Actual Rows"] + one.get("Rows Removed by Filter", 0) <= 20 for one in scans), scans


_CROWD = text("""
    INSERT INTO customer (tenant_id, id, first_name, last_name, date_of_birth, club_id)
    SELECT cast(:tenant AS uuid), uuid7(), 'First' || n % 40, 'Last' || n % 50,
        CASE WHEN n % 3 > 0 THEN date '1950-01-01' + n % 700 END, cast(:club AS uuid)
    FROM generate_series(1, :many) AS n
""")


@pytest.mark.parametrize(("many", "found"), [(likeness.NAMESAKES, True), (likeness.NAMESAKES + 1, False)])
def test_a_name_that_many_in_a_club_have_says_nothing(tenant: Any, many: int, found: bool) -> None:
    everybody = [member(at, "Ann", f"M{at}", club=CLUB, email=f"a{at}@example.com") for at in range(1, many)]
    post(tenant, *everybody)
    before = {frozenset((one.one_id, one.other_id)) for one in suggested(tenant)}
    post(tenant, member(many, "Ann", f"M{many}", club=CLUB, email=f"a{many}@example.com"))
    after = {frozenset((one.one_id, one.other_id)) for one in suggested(tenant)}
    assert (after > before) is found
