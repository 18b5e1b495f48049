"""Segments' pages: the list, making, changing, what is done with one, and who may."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.infra import clock
from app.infra.db import transaction
from app.segments import queries, ready_made, refresh, service
from app.segments.models import DYNAMIC, STATIC, Segment, SegmentDay
from tests.page_client import PageClient
from tests.segments.crowd import filled, person

GOLD = {"combinator": "AND", "rules": [{"field": "membership_tier", "operator": "eq", "value": "Gold"}]}
ACTOR = "system"


def made(tenant: Any, name: str = "Gold", **more: Any) -> UUID:
    """Make a dynamic segment and let it be refreshed."""
    given = {"criteria": GOLD} | more
    one = service.create(tenant_id=tenant.id, actor=ACTOR, actor_name="Ann Author", name=name, **given)
    refresh.refresh(tenant_id=tenant.id, segment_id=one.id, now=clock.now())
    return one.id


def form(name: str = "Gold", **more: Any) -> dict[str, Any]:
    """Return the form of a segment whose one condition is the tier Gold."""
    return {
        "name": name,
        "description": "",
        "type": DYNAMIC,
        "club_id": "",
        "refresh_frequency": "DAILY",
        "criteria.of": "customers",
        "criteria.key": "1",
        "criteria.join": "AND",
        "criteria.0.key": "2",
        "criteria.0.field": "membership_tier",
        "criteria.0.was": "membership_tier",
        "criteria.0.drawn": "text",
        "criteria.0.operator": "eq",
        "criteria.0.value": "Gold",
    } | more


def links(page: str) -> list[str]:
    return re.findall(r'href="(/segments/[^"]*)"', page)


def test_the_list_tells_how_many_and_what_for(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    person(tenant.id, "Ann", membership_tier="Gold")
    one = made(tenant)
    filled(tenant.id, "Guests", [], description="Of the captain")
    page = client.get("/segments").text
    assert "Membership tier is Gold" in page
    assert "Of the captain" in page
    assert re.search(rf'/segments/{one}/people">1<', page)


def test_the_list_is_searched_filtered_and_sorted(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    filled(tenant.id, "Alpha", [person(tenant.id, "Ann")])
    filled(tenant.id, "Beta", [], archived_at=clock.now())
    made(tenant, "Gamma")
    names = lambda query: re.findall(r">(Alpha|Beta|Gamma)</a>", client.get(f"/segments?{query}").text)  # noqa: E731
    assert names("") == ["Alpha", "Gamma"]
    assert names("sort=-name") == ["Gamma", "Alpha"]
    assert names("sort=-people") == ["Alpha", "Gamma"]
    assert names("sort=&type=") == ["Alpha", "Gamma"]
    assert names("type=STATIC") == ["Alpha"]
    assert names("q=amm") == ["Gamma"]
    assert names("show=archived") == ["Beta"]
    assert names("q=nobody") == []
    assert "No segment matches" in client.get("/segments?q=nobody").text


def test_the_list_goes_on_a_page_at_a_time(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    for number in range(51):
        filled(tenant.id, f"S{number:02}", [])
    page = client.get("/segments").text
    assert "S49" in page
    assert "S50" not in page
    cursor = re.search(r"cursor=([\w-]+)", page)
    assert cursor is not None
    assert "S50" in client.get(f"/segments?cursor={cursor[1]}", htmx=True).text


def test_without_segments_ready_made_ones_are_offered(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    page = client.get("/segments").text
    assert all(one.name in page for one in ready_made.RECIPES.values())
    answer = client.post("/segments/ready-made", {"recipe": "all_customers"}, status=302)
    assert "Everybody" in client.get(answer.location).text
    assert 'value="all_customers"' not in client.get("/segments").text
    client.post("/segments/ready-made", {"recipe": "nonsense"}, status=404)


def test_a_segment_is_made_by_the_form(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    client.get("/segments/new")
    answer = client.post("/segments/new", form(description="The best"), status=302)
    (one,) = queries.page(tenant_id=tenant.id).items
    assert answer.location == f"/segments/{one.id}"
    assert (one.name, one.description, one.criteria, one.created_by_name) == (
        "Gold",
        "The best",
        GOLD,
        "Marketer Person",
    )
    assert "Looking at everybody" in client.get(answer.location).text


def test_a_static_one_has_no_conditions(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    answer = client.post("/segments/new", form(type=STATIC), status=302)
    (one,) = queries.page(tenant_id=tenant.id).items
    assert (one.type, one.criteria) == (STATIC, None)
    assert answer.location == f"/segments/{one.id}/people"


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"name": " "}, "Give a name of 1 to 200 characters."),
        ({"criteria.0.value": ""}, "criteria-2-error"),
        ({"club_id": "nonsense"}, "Choose one of your clubs."),
    ],
)
def test_what_is_wrong_stands_beside_it_and_nothing_typed_is_lost(
    client: PageClient, sign_in: Any, tenant: Any, wrong: dict[str, str], said: str
) -> None:
    sign_in()
    page = client.post("/segments/new", form("Old golds", description="Kept <words>") | wrong, status=422).text
    assert said in page
    assert "Kept &lt;words&gt;" in page
    assert 'value="Gold"' in page or "criteria.0.value" in wrong
    assert queries.page(tenant_id=tenant.id).items == []


def test_a_taken_name_is_told_beside_the_name(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    made(tenant)
    assert "already a segment called" in client.post("/segments/new", form("gold"), status=422).text


def test_the_builders_own_buttons_save_nothing(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    page = client.post("/segments/new", form("Golds", act="criteria:add:1"), status=200).text
    assert "criteria.1.field" in page
    assert 'value="Golds"' in page
    one = made(tenant)
    page = client.post(f"/segments/{one}/edit", form("Golds", act="criteria:remove:2"), status=200).text
    assert 'value="Golds"' in page
    assert queries.one(tenant_id=tenant.id, segment_id=one).criteria == GOLD


def test_a_change_makes_a_version(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = made(tenant)
    assert 'value="Gold"' in client.get(f"/segments/{one}/edit").text
    client.post(f"/segments/{one}/edit", form("Silver", **{"criteria.0.value": "Silver"}), status=302)
    page = client.get(f"/segments/{one}/history").text
    assert "Version 2" in page
    assert "holds now" in page
    assert "Membership tier is Silver" in page
    assert "Ann Author" in page
    client.post(f"/segments/{one}/restore/1", status=302)
    found = queries.one(tenant_id=tenant.id, segment_id=one)
    assert (found.version, found.criteria, found.name) == (3, GOLD, "Silver")


def test_of_two_tabs_the_later_one_undoes_nothing_unseen(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = made(tenant)
    opened = shown_version(client.get(f"/segments/{one}/edit").text)
    theirs = form("Silver", description="The best", updated_at=opened, **{"criteria.0.value": "Silver"})
    client.post(f"/segments/{one}/edit", theirs, status=302)
    mine = form("Gold ones", updated_at=opened)
    page = client.post(f"/segments/{one}/edit", mine, status=409).text
    for words in ("Not saved yet", "<dd>Silver</dd>", "<dd>The best</dd>", "Membership tier is Silver"):
        assert words in page
    assert "<dt>Club</dt>" not in page
    assert 'value="Gold ones"' in page
    found = queries.one(tenant_id=tenant.id, segment_id=one)
    assert (found.name, found.description, found.version) == ("Silver", "The best", 2)
    # Who has seen it may save theirs over it; the buttons of the conditions in between change nothing of that.
    again = client.post(
        f"/segments/{one}/edit", mine | {"updated_at": shown_version(page), "act": "criteria:add:1"}, status=200
    )
    client.post(f"/segments/{one}/edit", mine | {"updated_at": shown_version(again.text)}, status=302)
    found = queries.one(tenant_id=tenant.id, segment_id=one)
    assert (found.name, found.description, found.criteria) == ("Gold ones", "", GOLD)


def shown_version(page: str) -> str:
    found = re.search(r'name="updated_at" type="hidden" value="([^"]+)"', page)
    assert found
    return found[1]


def test_the_form_of_a_list_leaves_its_schedule_alone(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = filled(tenant.id, "Guests", [], refresh_frequency="MANUAL")
    typed = {"name": "Guests", "description": "Of the captain", "club_id": ""}
    client.post(f"/segments/{one}/edit", typed, status=302)
    found = queries.one(tenant_id=tenant.id, segment_id=one)
    assert (found.description, found.refresh_frequency) == ("Of the captain", "MANUAL")


def test_archiving_is_undone(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = made(tenant)
    answer = client.post(f"/segments/{one}/archive", {"back": "list"}, status=302)
    page = client.get(answer.location).text
    assert "“Gold” is archived" in page
    assert f"/segments/{one}/unarchive" in page
    client.post(f"/segments/{one}/unarchive", {"back": "list"}, status=302)
    assert queries.one(tenant_id=tenant.id, segment_id=one).archived_at is None
    client.post(f"/segments/{one}/archive", status=302)
    assert "Archived" in client.get(f"/segments/{one}").text


def test_what_another_segment_asks_for_stays(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = made(tenant)
    asking = {"combinator": "AND", "rules": [{"field": "segments", "operator": "contains", "value": str(one)}]}
    other = made(tenant, "Asks for gold", criteria=asking)
    assert f"/segments/{other}" in client.get(f"/segments/{one}").text
    answer = client.post(f"/segments/{one}/archive", status=302)
    page = client.get(answer.location).text
    assert "Asks for gold" in page
    assert queries.one(tenant_id=tenant.id, segment_id=one).archived_at is None
    # Nobody is silver: whoever asks for this one would be left without anybody.
    person(tenant.id, "Ann", membership_tier="Gold")
    refresh_now(tenant, one)
    page = client.post(f"/segments/{one}/edit", form(**{"criteria.0.value": "Silver"}), status=409).text
    assert "Not saved" in page
    assert f"/segments/{other}" in page
    assert 'value="Silver"' in page


def refresh_now(tenant: Any, segment_id: UUID) -> None:
    service.ask_refresh(tenant_id=tenant.id, segment_id=segment_id, actor=ACTOR)
    refresh.refresh(tenant_id=tenant.id, segment_id=segment_id, now=clock.now())


def test_copies_and_snapshots_go_their_own_way(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    ann = person(tenant.id, "Ann", membership_tier="Gold")
    one = made(tenant)
    copy = client.post(f"/segments/{one}/copy", status=302)
    assert "Copy of Gold" in client.get(copy.location).text
    snapshot = client.post(f"/segments/{one}/snapshot", status=302)
    page = client.get(snapshot.location).text
    assert "Static" in page
    (_, _, kept) = queries.page(tenant_id=tenant.id).items
    refresh.refresh(tenant_id=tenant.id, segment_id=kept.id, now=clock.now())
    assert queries.inside(tenant_id=tenant.id, segment_id=kept.id, customer_ids=[ann]) == {ann}


def test_a_refresh_is_followed_on_the_page(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = made(tenant)
    assert "data-poll" not in client.get(f"/segments/{one}").text
    client.post(f"/segments/{one}/refresh", status=302)
    page = client.get(f"/segments/{one}", htmx=True).text
    assert "data-poll" in page
    assert "Waiting for a worker" in page
    refresh.begin(tenant_id=tenant.id, segment_id=one, now=clock.now())
    assert "Looking at everybody" in client.get(f"/segments/{one}", htmx=True).text
    refresh.refresh(tenant_id=tenant.id, segment_id=one, now=clock.now())
    done = client.get(f"/segments/{one}", htmx=True).text
    assert "data-poll" not in done
    # The growth is drawn anew with it.
    assert 'hx-target="#growth"' in done


def test_the_tab_tells_no_number_that_a_refresh_is_about_to_change(
    client: PageClient, sign_in: Any, tenant: Any
) -> None:
    sign_in("marketer")
    one = made(tenant)
    assert "tab-count" in client.get(f"/segments/{one}").text
    client.post(f"/segments/{one}/refresh", status=302)
    assert "tab-count" not in client.get(f"/segments/{one}").text


def test_a_failed_refresh_says_why(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    one = made(tenant)
    with transaction(tenant.id) as session:
        found = session.get(Segment, (tenant.id, one))
        assert found is not None
        found.refresh_error = "It took longer than 30 minutes."
    page = client.get(f"/segments/{one}").text
    assert "It took longer than 30 minutes." in page
    assert "Try again" in page
    assert "Failed" in client.get("/segments").text


def test_the_schedule_is_changed_in_the_settings(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    one = made(tenant)
    client.get(f"/segments/{one}/settings")
    client.post(f"/segments/{one}/schedule", {"refresh_frequency": "WEEKLY"}, status=302)
    assert queries.one(tenant_id=tenant.id, segment_id=one).refresh_frequency == "WEEKLY"
    client.post(f"/segments/{one}/archive", status=302)
    assert "Delete" in client.get(f"/segments/{one}/settings").text
    client.post(f"/segments/{one}/delete", status=302)
    client.get(f"/segments/{one}", status=404)


def test_growth_is_drawn_with_its_numbers(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in()
    one = made(tenant)
    page = client.get(f"/segments/{one}").text
    assert "0 people today, the first day that is counted. The line begins tomorrow." in page
    assert "90 days" not in page
    today = clock.now().astimezone(ZoneInfo("Africa/Johannesburg")).date()
    for ago, entered, left, members in ((2, 2_000, 0, 2_000), (0, 0, 500, 1_500)):
        with transaction(tenant.id) as session:
            session.add(
                SegmentDay(
                    tenant_id=tenant.id,
                    segment_id=one,
                    day=today - timedelta(days=ago),
                    entered=entered,
                    left=left,
                    members=members,
                )
            )
    page = client.get(f"/segments/{one}?days=90", htmx=True).text
    # It begins with the day that was counted first, and numbers are written as the region does.
    assert page.count('<th scope="row">') == 3
    assert "2\u00a0000 at first, 1\u00a0500 at last" in page
    assert "90 days" in page


@pytest.mark.parametrize(
    "role, sees, changes",
    [("viewer", True, False), ("marketer", True, True), ("staff", False, False), ("ops", False, False)],
)
def test_who_sees_and_who_changes(
    client: PageClient, sign_in: Any, tenant: Any, role: str, sees: bool, changes: bool
) -> None:
    sign_in(role)
    one = made(tenant)
    for path in (
        "/segments",
        f"/segments/{one}",
        f"/segments/{one}/people",
        f"/segments/{one}/history",
        f"/segments/{one}/compare",
        f"/segments/{one}/overlap",
        f"/segments/{one}/why",
    ):
        page = client.get(path, status=200 if sees else 403).text
        if sees:
            assert ("Edit" in page) == changes or path == "/segments"
    for path in ("/segments/new", f"/segments/{one}/edit", f"/segments/{one}/settings"):
        client.get(path, status=200 if changes else 403)
    for act in ("refresh", "copy", "snapshot", "archive", "delete"):
        if not changes:
            client.post(f"/segments/{one}/{act}", status=403)


def test_the_list_is_given_out_as_it_is_filtered(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    made(tenant)
    filled(tenant.id, "Guests", [])
    text = client.post("/segments/export?type=DYNAMIC", status=200).text
    assert "Membership tier is Gold" in text
    assert "Guests" not in text
