"""The pages of customers: found in a moment, read by the right roles, changed only by those who may."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.accounts.models import Club
from app.capture import merging
from app.customers import custom_fields, records
from app.customers.models import Activity, ContactPoint, Customer, ExternalId
from app.infra.db import transaction
from app.infra.ids import new_id
from app.journeys.models import Journey, JourneyEnrollment
from app.messaging.models import Message
from tests.page_client import PageClient

HOSTILE = '"><img src=x onerror=alert(1)>'
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Make = Callable[..., UUID]


@pytest.fixture
def make(tenant: Any) -> Make:
    """Return a function that makes a customer and returns its id."""

    def make_customer(*, of: Any = None, member_number: str | None = None, **fields: Any) -> UUID:
        tenant_id, customer_id = (of or tenant).id, new_id()
        hints = [(kind, fields[kind]) for kind in ("email", "phone") if fields.get(kind)]
        words = records.hint_words([*hints, *([("scl_member_id", member_number)] if member_number else [])])
        fields.setdefault("search_extra", " ".join(sorted(words)) or None)
        with transaction(tenant_id) as session:
            session.add(Customer(tenant_id=tenant_id, id=customer_id, **fields))
            session.flush()
            for kind, key in hints:
                session.add(ContactPoint(tenant_id=tenant_id, customer_id=customer_id, kind=kind, key=key, value=key))
            if member_number:
                session.add(
                    ExternalId(tenant_id=tenant_id, customer_id=customer_id, kind="scl_member_id", value=member_number)
                )
        return customer_id

    return make_customer


@pytest.fixture
def nomsa(make: Make) -> UUID:
    return make(
        first_name="Nomsa",
        last_name="Dlamini",
        email="nomsa.dlamini@example.com",
        phone="+27824751967",
        member_number="ZA4711",
        membership_tier="Gold",
        lifecycle_stage="MEMBER",
        tags=["vip"],
        email_opt_in=True,
        email_opt_in_at=NOON,
    )


def row_of(tenant_id: UUID, customer_id: UUID) -> Any:
    with transaction(tenant_id) as session:
        return session.execute(text("SELECT * FROM customer WHERE id = :id"), {"id": customer_id}).one()


def happened(tenant: Any, customer_id: UUID, title: str, *, days: int = 0, **more: Any) -> UUID:
    activity = Activity(
        tenant_id=tenant.id,
        id=new_id(),
        customer_id=customer_id,
        **{"type": "teetime.booked", "category": "GOLF", "source": "teetime"} | more,
        title=title,
        occurred_at=NOON - timedelta(days=days),
    )
    with transaction(tenant.id) as session:
        session.add(activity)
    return activity.id


class TestList:
    @pytest.mark.parametrize(
        "typed",
        [
            "nomsa",
            "DLAM",
            "dlamini nom",
            "nomsa.dlamini@exa",
            "0824751967",
            "082 475 1967",
            "+27 82 475",
            "(082) 475-19",
            "za4711",
            "4751967'; drop table",
        ],
    )
    def test_finds_by_the_beginning_of_anything(
        self, client: PageClient, sign_in: Any, nomsa: UUID, make: Make, typed: str
    ) -> None:
        make(first_name="Sipho", last_name="Khumalo", email="sipho@example.com")
        sign_in("staff")
        found = client.get("/customers", query_string={"q": typed}, htmx=True).text
        assert "Sipho" not in found
        assert ("Nomsa Dlamini" in found) is ("drop" not in typed)
        assert "<html" not in found

    @pytest.mark.parametrize("typed", ["'", "\\", "&|!():*<->", "'':*", "a" * 5000, "%", '"', "ñ´¨", HOSTILE])
    def test_odd_words_find_nobody_and_break_nothing(
        self, client: PageClient, sign_in: Any, nomsa: UUID, typed: str
    ) -> None:
        sign_in("staff")
        assert "<img src=x" not in client.get("/customers", query_string={"q": typed, "tag": typed}).text

    def test_names_with_apostrophes_and_accents(self, client: PageClient, sign_in: Any, make: Make) -> None:
        make(first_name="Seán", last_name="O'Brien-Müller", search_extra="sean o'brien-muller")
        sign_in("staff")
        for typed in ("o'brien", "müller", "muller", "sean", "seán", "brien"):
            assert "Brien" in client.get("/customers", query_string={"q": typed}, htmx=True).text, typed

    def test_filters_by_club_tier_and_tag(
        self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID, make: Make
    ) -> None:
        with transaction(tenant.id) as session:
            club_id = session.query(Club).filter_by(tenant_id=tenant.id).one().id
        make(first_name="Sipho", last_name="Khumalo", club_id=club_id, membership_tier="Silver")
        sign_in("viewer")
        for query, seen in ((f"club={club_id}", "Sipho"), ("tier=Silver", "Sipho"), ("tag=vip", "Nomsa")):
            found = client.get(f"/customers?{query}", htmx=True).text
            assert seen in found
            assert {"Sipho": "Nomsa", "Nomsa": "Sipho"}[seen] not in found
        assert "Nobody matches" in client.get("/customers?tier=Platinum").text
        options = client.get("/customers").text
        assert '<option value="Gold">' in options
        assert '<option value="Silver">' in options

    def test_pages_by_name_and_ends_with_those_who_have_none(
        self, client: PageClient, sign_in: Any, make: Make
    ) -> None:
        make(email="aaa@example.com")
        for number in range(50):
            make(first_name="Zola", last_name=f"Zulu{number:02}")
        sign_in("viewer")
        first = client.get("/customers").text
        assert "aaa@example.com" not in first
        cursor = re.search(r'cursor=([^"&]+)"', first)
        assert cursor
        assert "aaa@example.com" in client.get(f"/customers?cursor={cursor[1]}", htmx=True).text
        client.get("/customers?cursor=bm9uc2Vuc2U", status=400)

    def test_says_what_to_do_when_empty(self, client: PageClient, sign_in: Any) -> None:
        sign_in("staff")
        assert "No customers yet" in client.get("/customers").text


class TestTimeline:
    def test_shows_what_happened_and_filters(self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
        happened(tenant, nomsa, "Booked a tee time", days=1, payload={"holes": 18, "note": HOSTILE})
        happened(tenant, nomsa, "Paid at the bar", days=10, type="pos.purchase", category="PAYMENT")
        sign_in("viewer")
        page = client.get(f"/customers/{nomsa}").text
        assert page.index("Booked a tee time") < page.index("Paid at the bar")
        assert "<img src=x" not in page
        golf = client.get(f"/customers/{nomsa}?category=GOLF", htmx=True).text
        assert "Booked" in golf
        assert "Paid" not in golf
        early = client.get(f"/customers/{nomsa}?until=2026-11-10", htmx=True).text
        assert "Booked" not in early
        assert "Paid" in early
        late = client.get(f"/customers/{nomsa}?since=2026-11-19&until=2026-11-19", htmx=True).text
        assert "Booked" in late
        assert "Paid" not in late
        assert "Nothing matches" in client.get(f"/customers/{nomsa}?since=2030-01-01").text
        assert "Booked" in client.get(f"/customers/{nomsa}?until=9999-12-31").text

    def test_scrolls_by_key(self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
        for number in range(51):
            happened(tenant, nomsa, f"Round {number:02}")
        sign_in("staff")
        page = client.get(f"/customers/{nomsa}").text
        cursor = re.search(r'cursor=([^"&]+)"', page)
        assert cursor
        assert "intersect" in page
        more = client.get(f"/customers/{nomsa}?cursor={cursor[1]}", htmx=True).text
        assert more.count('class="story-item') == 1
        assert "Round 00" in more

    def test_leads_to_what_it_is_about(self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
        event, message = uuid4(), uuid4()
        happened(tenant, nomsa, "Booked", object_type="event", object_id=event)
        happened(tenant, nomsa, "Was sent", type="message.sent", object_type="message", object_id=message)
        sign_in("marketer")
        page = client.get(f"/customers/{nomsa}").text
        assert f"/settings/events/{event}" in page
        assert f"/messages/{message}" in page
        sign_in("staff")
        page = client.get(f"/customers/{nomsa}").text
        assert "/settings/events/" not in page
        assert f"/messages/{message}" in page


class TestProfile:
    def test_shows_who_it_is(self, client: PageClient, sign_in: Any, nomsa: UUID) -> None:
        sign_in("viewer")
        for path in ("", "/details"):
            page = client.get(f"/customers/{nomsa}{path}").text
            for words in ("Nomsa Dlamini", "Gold", "nomsa.dlamini@example.com", "+27 82 475 1967", "ZA4711"):
                assert words in page
            assert "E-mail: yes" in page
            assert "SMS: not asked" in page
            assert "/edit" not in page

    def test_everything_typed_by_others_is_inert(
        self, client: PageClient, sign_in: Any, tenant: Any, make: Make
    ) -> None:
        evil = make(
            title=HOSTILE,
            first_name=HOSTILE,
            last_name=HOSTILE,
            email=HOSTILE,
            member_number=HOSTILE,
            membership_tier=HOSTILE,
            membership_status=HOSTILE,
            tags=[HOSTILE],
        )
        happened(tenant, evil, HOSTILE, source=HOSTILE, payload={HOSTILE: {HOSTILE: [HOSTILE]}})
        sign_in("owner")
        client.post(f"/customers/{evil}/notes", {"body": HOSTILE, "pinned": "y"}, status=302)
        for path in ("", "/notes", "/journeys", "/messages", "/details", "/edit"):
            assert "<img src=x" not in client.get(f"/customers/{evil}{path}").text
        assert "<img src=x" not in client.get("/customers").text

    def test_lists_messages_with_their_reasons(
        self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID
    ) -> None:
        with transaction(tenant.id) as session:
            session.add(
                Message(
                    tenant_id=tenant.id,
                    channel="EMAIL",
                    purpose="marketing",
                    customer_id=nomsa,
                    dedupe_key="a",
                    status="skipped",
                    reason="opted_out",
                    subject="Winter golf",
                )
            )
        sign_in("staff")
        page = client.get(f"/customers/{nomsa}/messages").text
        assert "Winter golf" in page
        assert "The customer said no to e-mail." in page
        client.get(f"/customers/{nomsa}/journeys", status=403)
        sign_in("viewer")
        assert "In no journey" in client.get(f"/customers/{nomsa}/journeys").text

    def test_lists_journeys_with_the_path(self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
        journey_id, walk_id = new_id(), new_id()
        with transaction(tenant.id) as session:
            session.add(
                Journey(
                    tenant_id=tenant.id,
                    id=journey_id,
                    name=f"Welcome {HOSTILE}",
                    trigger_type="MANUAL",
                    timezone="Africa/Johannesburg",
                    draft={"steps": []},
                    created_by="system",
                )
            )
            session.flush()
            session.add(
                JourneyEnrollment(
                    tenant_id=tenant.id,
                    id=walk_id,
                    journey_id=journey_id,
                    customer_id=nomsa,
                    status="EXITED",
                    exit_reason="step_removed",
                    current_step_key="wait-1",
                )
            )
        sign_in("viewer")
        page = client.get(f"/customers/{nomsa}/journeys").text
        assert f"/journeys/{journey_id}/people/{walk_id}" in page
        assert "The step they stood at was removed" in page
        assert "wait-1" in page
        assert "<img src=x" not in page

    def test_an_old_id_leads_to_the_customer_who_was_kept(
        self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID, make: Make
    ) -> None:
        old = make(first_name="N.", last_name="Dlamini")
        merging.merge_customers(
            tenant_id=tenant.id, winner_id=nomsa, loser_id=old, reason="same member number", actor="system"
        )
        sign_in("staff")
        for path in ("", "/notes", "/messages", "/details", "/edit"):
            response = client.get(f"/customers/{old}{path}", status=302)
            assert response.location == f"/customers/{nomsa}{path}"
        page = client.get(f"/customers/{nomsa}/details").text
        assert "proved to be one person" in page
        assert "same member number" in page
        assert client.post(f"/customers/{old}/notes", {"body": "x"}).location == f"/customers/{nomsa}"


class TestEditing:
    def form(self, client: PageClient, customer_id: UUID) -> dict[str, str]:
        page = client.get(f"/customers/{customer_id}/edit").text
        return {
            "first_name": "Nomsa",
            "last_name": "Dlamini",
            "email": "nomsa.dlamini@example.com",
            "phone": "+27824751967",
            "lifecycle_stage": "MEMBER",
            "membership_tier": "Gold",
            "tags": "vip",
        } | ({} if "Nomsa" in page else {"never": ""})

    def test_saves_profile_and_tags(self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
        sign_in("staff")
        data = self.form(client, nomsa) | {
            "last_name": "Dlamini-Nkosi",
            "phone": "082 111 2233",
            "handicap_index": "12.4",
            "date_of_birth": "1980-02-29",
            "tags": "vip, left-handed , vip",
        }
        client.post(f"/customers/{nomsa}/edit", data, status=302)
        row = row_of(tenant.id, nomsa)
        assert (row.last_name, row.phone, str(row.handicap_index)) == ("Dlamini-Nkosi", "+27821112233", "12.4")
        assert row.tags == ["vip", "left-handed"]
        assert "Dlamini-Nkosi" in client.get("/customers?q=0821112233", htmx=True).text

    def opened(self, client: PageClient, customer_id: UUID) -> dict[str, str]:
        """Return what a browser sends of the form as it opens."""
        page = client.get(f"/customers/{customer_id}/edit").text
        found = re.search(r'name="opened" value="([^"]*)"', page)
        assert found
        opened = unescape(found[1])
        return json.loads(opened) | {"opened": opened}

    def changed(self, tenant: Any) -> list[list[str]]:
        """Return which fields each entry of the audit log names, the oldest first."""
        with transaction(tenant.id) as session:
            found = session.scalars(
                text("SELECT detail FROM audit_entry WHERE action = 'customer.updated' ORDER BY at, id")
            )
            return [one["fields"] for one in found]

    def test_of_two_tabs_each_writes_only_what_it_changed(
        self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID
    ) -> None:
        sign_in("staff")
        custom_fields.add(tenant_id=tenant.id, key="locker", label="Locker", kind="NUMBER", actor="system")
        first, second = self.opened(client, nomsa), self.opened(client, nomsa)
        theirs = {"first_name": "Noma", "tags": "vip, captain", "custom.locker": "12"}
        client.post(f"/customers/{nomsa}/edit", first | theirs, status=302)
        client.post(f"/customers/{nomsa}/edit", second | {"last_name": "Nkosi"}, status=302)
        row = row_of(tenant.id, nomsa)
        assert (row.first_name, row.last_name, row.tags) == ("Noma", "Nkosi", ["vip", "captain"])
        assert row.custom == {"locker": 12}
        assert self.changed(tenant) == [["custom.locker", "first_name", "tags"], ["last_name"]]

    def test_what_two_changed_is_said_beside_its_field(
        self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID
    ) -> None:
        sign_in("staff")
        custom_fields.add(
            tenant_id=tenant.id, key="hand", label="Hand", kind="CHOICE", choices=["Left", "Right"], actor="system"
        )
        first, second = self.opened(client, nomsa), self.opened(client, nomsa)
        theirs = {"first_name": "Noma", "phone": "", "lifecycle_stage": "FORMER", "custom.hand": "Left", "title": "Dr"}
        client.post(f"/customers/{nomsa}/edit", first | theirs, status=302)
        mine = {"first_name": "Nom", "phone": "0821112233", "lifecycle_stage": "LEAD", "custom.hand": "Right"}
        # Both say the same of the title, and that is no clash.
        mine |= {"last_name": "Nkosi", "title": "Dr"}
        page = client.post(f"/customers/{nomsa}/edit", second | mine, status=422).text
        for words in ("made this “Noma” meanwhile", "emptied this meanwhile", "“Former member”", "“Left”"):
            assert words in page
        assert page.count("Save again if yours is to hold.") == 8  # beside each field, and in the summary above
        assert 'value="Nom"' in page
        assert 'value="Nkosi"' in page
        assert row_of(tenant.id, nomsa).last_name == "Dlamini"
        found = re.search(r'name="opened" value="([^"]*)"', page)
        assert found
        client.post(f"/customers/{nomsa}/edit", second | mine | {"opened": unescape(found[1])}, status=302)
        row = row_of(tenant.id, nomsa)
        assert (row.first_name, row.last_name, row.phone, row.title) == ("Nom", "Nkosi", "+27821112233", "Dr")
        assert row.custom == {"hand": "Right"}

    @pytest.mark.parametrize("said", ["", "x", "[1]", '{"first_name": 1, "custom.x": []}', "[" * 5000])
    def test_a_form_that_does_not_say_what_it_was_opened_with_is_saved_as_it_is(
        self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID, said: str
    ) -> None:
        sign_in("staff")
        client.post(f"/customers/{nomsa}/edit", self.form(client, nomsa) | {"title": "Dr", "opened": said}, status=302)
        assert self.changed(tenant) == [["title"]]

    def test_keeps_what_was_typed_and_says_what_is_wrong(
        self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID
    ) -> None:
        sign_in("staff")
        data = self.form(client, nomsa) | {"email": "not an address", "phone": "12", "handicap_index": "99"}
        page = client.post(f"/customers/{nomsa}/edit", data, status=422).text
        assert 'value="not an address"' in page
        assert "This is not an e-mail address" in page
        assert "This is not a phone number" in page
        assert "handicap index lies between" in page
        assert row_of(tenant.id, nomsa).email == "nomsa.dlamini@example.com"

    def test_nothing_changed_proves_nothing(self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID) -> None:
        sign_in("staff")
        before = row_of(tenant.id, nomsa)
        client.post(f"/customers/{nomsa}/edit", self.form(client, nomsa), status=302)
        after = row_of(tenant.id, nomsa)
        assert (after.facts_at, after.email_opt_in_at) == (before.facts_at, before.email_opt_in_at)
        with transaction(tenant.id) as session:
            assert session.execute(text("SELECT count(*) FROM consent_change")).scalar_one() == 0

    @pytest.mark.parametrize("role", ["viewer", "ops"])
    def test_is_closed_to_readers(self, client: PageClient, sign_in: Any, tenant: Any, nomsa: UUID, role: str) -> None:
        sign_in(role)
        client.get(f"/customers/{nomsa}/edit", status=403)
        client.post(f"/customers/{nomsa}/edit", {"last_name": "Changed"}, status=403)
        client.get("/customers/new", status=403)
        client.post("/customers/new", {"last_name": "New", "email": "new@example.com"}, status=403)
        assert row_of(tenant.id, nomsa).last_name == "Dlamini"


class TestAdding:
    def test_adds_somebody_new(self, client: PageClient, sign_in: Any, tenant: Any) -> None:
        sign_in("staff")
        data = {"first_name": "Thandi", "last_name": "Nkosi", "email": "Thandi@Example.com", "phone": "082 475 1967"}
        response = client.post("/customers/new", data, status=302)
        page = client.get(response.location).text
        for words in ("Thandi Nkosi", "thandi@example.com", "+27 82 475 1967", "Added by Staff Person"):
            assert words in page
        assert "Thandi" in client.get("/customers?q=0824751967", htmx=True).text

    def test_somebody_known_is_found_and_left_as_they_are(self, client: PageClient, sign_in: Any, tenant: Any) -> None:
        sign_in("staff")
        first = client.post(
            "/customers/new", {"first_name": "Thandi", "last_name": "Nkosi", "email": "thandi@example.com"}, status=302
        )
        again = client.post(
            "/customers/new", {"first_name": "Thandi", "last_name": "N.", "email": "THANDI@example.com"}, status=302
        )
        assert again.location == first.location
        page = client.get(again.location).text
        assert "We know them already, by e-mail" in page
        assert "Thandi Nkosi" in page
        with transaction(tenant.id) as session:
            assert session.execute(text("SELECT count(*) FROM customer")).scalar_one() == 1

    def test_needs_a_name_and_something_to_know_them_by(self, client: PageClient, sign_in: Any) -> None:
        sign_in("staff")
        page = client.post("/customers/new", {"first_name": "Thandi"}, status=422).text
        assert "to know them by" in page
        assert 'value="Thandi"' in page
        page = client.post("/customers/new", {"email": "x", "phone": "y"}, status=422).text
        assert "Give a first or a last name" in page
        assert "This is not an e-mail address" in page
        assert "This is not a phone number" in page


@pytest.mark.parametrize("path", ["", "/notes", "/journeys", "/messages", "/details", "/edit"])
def test_ops_see_no_customer(client: PageClient, sign_in: Any, nomsa: UUID, path: str) -> None:
    sign_in("ops")
    client.get("/customers", status=403)
    client.get(f"/customers/{nomsa}{path}", status=403)


def test_another_tenants_customer_is_not_there(client: PageClient, sign_in: Any, other_tenant: Any, make: Make) -> None:
    tenant_id = other_tenant.id
    strange = make(of=other_tenant, first_name="Secret", last_name="Person")
    sign_in("owner")
    for path in ("", "/notes", "/journeys", "/messages", "/details", "/edit"):
        client.get(f"/customers/{strange}{path}", status=404)
    client.post(f"/customers/{strange}/edit", {"last_name": "Changed"}, status=404)
    client.post(f"/customers/{strange}/notes", {"body": "x"}, status=404)
    assert "Secret" not in client.get("/customers").text
    assert row_of(tenant_id, strange).last_name == "Person"
