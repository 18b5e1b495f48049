"""Segments pushed to a receiver: everybody first, then who enters and leaves; resumable, signed, nobody missed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.infra.db import transaction
from app.infra.errors import Invalid, IsArchived
from app.infra.ids import new_id
from app.segments import service as segments
from app.segments.queries import NoSuchSegment
from app.segments.sync import envelope, service, work
from app.segments.sync.service import NoSync
from app.segments.sync.tell import note_changes
from tests.segments.helpers import settle as segments_settle
from tests.segments.pushing import (
    ACTOR,
    NOW,
    a_segment,
    let_in,
    note,
    people,
    push,
    put,
    sync_of,
    waits_for,
)
from tests.segments.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def test_the_messaging_service_gets_a_segment_in_its_own_shape(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    (one,) = people(tenant, 1)
    let_in(tenant, segment, one)
    secret = put(tenant, segment, receiver).secret
    receiver.answer(200, body=b'{"id": "seg_77"}')
    push(tenant)
    (told,) = receiver.told
    said = told.json
    assert said.pop("push") == {"mode": "full", "run": str(sync_of(tenant, segment).run), "part": 0, "last": True}
    assert said == {
        "externalId": str(segment),
        "tenantId": str(tenant.id),
        "name": "Gold",
        "contacts": [
            {
                "externalId": str(one),
                "email": "person.0@example.com",
                "phoneNumber": "+27820000000",
                "firstName": "Person 0",
                "lastName": "Fairbanks",
            }
        ],
        "removedContacts": [],
    }
    assert secret
    assert told.signed_by(secret)
    assert not told.signed_by(envelope.new_secret())
    assert told.headers["content-type"] == "application/json"
    state = service.state(tenant_id=tenant.id, segment_id=segment)
    assert (state.sync.status, state.sync.receiver_id, state.waiting) == ("LIVE", "seg_77", 0)
    assert state.sync.last_full_at is not None
    assert push(tenant) == 0


def test_a_webhook_is_told_of_a_person_what_was_chosen_and_no_more(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    (one,) = people(tenant, 1)
    let_in(tenant, segment, one)
    put(tenant, segment, receiver, shape="WEBHOOK", fields=["first_name"])
    push(tenant)
    (said,) = receiver.bodies()
    assert said["type"] == "segment.changed"
    assert said["data"]["entered"] == [{"id": str(one), "first_name": "Person 0"}]
    assert "example.com" not in receiver.told[0].body.decode()
    put(tenant, segment, receiver, shape="WEBHOOK", fields=[])
    push(tenant)
    assert receiver.bodies()[-1]["data"]["entered"] == [{"id": str(one)}]


def test_an_empty_segment_is_told_as_well(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    push(tenant)
    assert [(one["contacts"], one["push"]["last"]) for one in receiver.bodies()] == [([], True)]


def test_everybody_is_pushed_by_pages_each_once(
    tenant: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "BATCH", 3)
    segment = a_segment(tenant)
    members = people(tenant, 7)
    let_in(tenant, segment, *members)
    put(tenant, segment, receiver)
    push(tenant)
    bodies = receiver.bodies()
    assert [len(one["contacts"]) for one in bodies] == [3, 3, 1]
    assert [contact["externalId"] for one in bodies for contact in one["contacts"]] == [str(one) for one in members]
    assert [(one["push"]["part"], one["push"]["last"]) for one in bodies] == [(0, False), (1, False), (2, True)]
    assert len({one["push"]["run"] for one in bodies}) == 1
    assert len({one.id for one in receiver.told}) == 3
    assert sync_of(tenant, segment).pushed == 7


def test_who_dies_in_the_middle_tells_the_same_part_again_under_the_same_id(
    tenant: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver had it; nobody wrote that down. Meanwhile somebody left and somebody else came: nobody is missed."""
    monkeypatch.setattr(work, "BATCH", 3)
    segment = a_segment(tenant)
    members = people(tenant, 8)
    let_in(tenant, segment, *members[::2], members[5])
    put(tenant, segment, receiver)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(work, "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            work.push_one(tenant_id=tenant.id, now=NOW)
    assert push(tenant) == 0, "whoever holds the part may still be at it"
    with transaction(tenant.id) as session:
        session.execute(
            text("DELETE FROM segment_member WHERE tenant_id = :id AND customer_id = :one"),
            {"id": tenant.id, "one": members[0]},
        )
    let_in(tenant, segment, members[1])
    note(tenant, segment, "left", members[0])
    note(tenant, segment, "entered", members[1])
    push(tenant, NOW + work.LEASE)
    first, again, *rest = receiver.told
    assert first.id == again.id
    assert len({one.id for one in rest}) == len(rest)
    has = _known_to(receiver)
    assert has == {str(one) for one in (members[1], *members[2::2], members[5])}


def _known_to(receiver: Receiver) -> set[str]:
    """Return who is in the segment by what the receiver heard, passing over what it heard twice."""
    heard: set[str] = set()
    has: set[str] = set()
    for one in receiver.told:
        if one.id in heard:
            continue
        heard.add(one.id)
        has |= {contact["externalId"] for contact in one.json["contacts"]}
        has -= {contact["externalId"] for contact in one.json["removedContacts"]}
    return has


def test_then_changes_are_told_the_last_of_each_person(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    one, two, three = people(tenant, 3)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "entered", one, two, at=NOW)
    note(tenant, segment, "left", two, at=NOW + timedelta(seconds=1))
    note(tenant, segment, "left", three, at=NOW)
    assert service.state(tenant_id=tenant.id, segment_id=segment).waiting == 4
    push(tenant)
    said = receiver.bodies()[-1]
    assert said["push"]["mode"] == "changes"
    assert [contact["externalId"] for contact in said["contacts"]] == [str(one)]
    assert {contact["externalId"] for contact in said["removedContacts"]} == {str(two), str(three)}
    assert service.state(tenant_id=tenant.id, segment_id=segment).waiting == 0
    assert push(tenant) == 0


def test_who_waited_for_the_segment_is_told_last_however_early_they_began(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    segments_settle(tenant.id, NOW)
    (one,) = people(tenant, 1)
    put(tenant, segment, receiver)
    push(tenant)
    given: dict[str, Any] = {"tenant_id": tenant.id, "segment_id": segment, "customer_ids": [one], "actor": ACTOR}
    segments.add_people(**given, tellers=[note_changes], now=NOW + timedelta(seconds=1))
    # Asked for before, and held up by the other.
    segments.remove_people(**given, users=(), tellers=[note_changes], now=NOW)
    push(tenant)
    assert receiver.bodies()[-1]["contacts"] == []
    assert [contact["externalId"] for contact in receiver.bodies()[-1]["removedContacts"]] == [str(one)]


def test_the_audit_trail_says_only_the_host_of_a_receiver(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver, url=f"{receiver.url}/a-secret-path")
    service.remove(tenant_id=tenant.id, segment_id=segment, actor=ACTOR)
    with transaction(tenant.id) as session:
        details = session.scalars(
            text("SELECT CAST(detail AS text) FROM audit_entry WHERE action LIKE 'segment.sync%'")
        )
        assert [("a-secret-path" in one, "host" in one) for one in details] == [(False, True)] * 2


def test_somebody_who_is_deleted_is_told_to_have_left_by_their_id_alone(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    one, two = people(tenant, 2)
    let_in(tenant, segment, one, two)
    put(tenant, segment, receiver)
    push(tenant)
    with transaction(tenant.id) as session:
        session.execute(text("DELETE FROM customer WHERE tenant_id = :t AND id = :id"), {"t": tenant.id, "id": one})
    push(tenant)
    assert receiver.bodies()[-1]["removedContacts"] == [{"externalId": str(one)}]
    assert "person.0" not in receiver.told[-1].body.decode()


@pytest.mark.committed
def test_the_tick_finds_what_is_to_be_pushed(receiver_of_its_own: Receiver) -> None:
    from tests.conftest import make_tenant

    tenant: Any = make_tenant()
    segment = a_segment(tenant)
    (one,) = people(tenant, 1)
    assert not waits_for(tenant)
    put(tenant, segment, receiver_of_its_own)
    assert waits_for(tenant)
    push(tenant)
    assert not waits_for(tenant)
    note(tenant, segment, "entered", one)
    assert waits_for(tenant)
    receiver_of_its_own.answer(500)
    push(tenant)
    assert not waits_for(tenant)


@pytest.fixture
def receiver_of_its_own(real_db: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def test_nothing_of_the_database_is_held_while_the_receiver_thinks(
    tenant: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.infra.db import _TENANT, db

    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    open_: list[bool] = []
    ask = work.http.request

    def asking(*args: Any, **more: Any) -> Any:
        open_.append(_TENANT in db.session().info)
        return ask(*args, **more)

    monkeypatch.setattr(work.http, "request", asking)
    push(tenant)
    assert open_ == [False]


def test_two_workers_do_not_tell_one_part_twice(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    first = work._claim(tenant.id, NOW)
    assert isinstance(first, work.Claimed)
    assert work._claim(tenant.id, NOW) is False
    late = work._tell(first, NOW)
    second = work._claim(tenant.id, NOW + work.LEASE)
    assert isinstance(second, work.Claimed)
    assert second.part.id == first.part.id
    work._settle(tenant.id, second, work._tell(second, NOW), NOW)
    work._settle(tenant.id, first, late, NOW)
    assert sync_of(tenant, segment).part == 1


def test_changing_the_receiver_while_it_thinks_is_not_undone_by_its_answer(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    claimed = work._claim(tenant.id, NOW)
    assert isinstance(claimed, work.Claimed)
    put(tenant, segment, receiver, fields=["email"])
    work._settle(tenant.id, claimed, work._tell(claimed, NOW), NOW)
    assert sync_of(tenant, segment).status == "FULL"
    push(tenant)
    assert sync_of(tenant, segment).status == "LIVE"


def test_a_new_secret_signs_beside_the_old_one_for_a_day(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    first = put(tenant, segment, receiver).secret
    assert first
    again = put(tenant, segment, receiver)
    assert again.secret is None
    second = put(tenant, segment, receiver, renew_secret=True).secret
    assert second
    push(tenant)
    assert receiver.told[-1].signed_by(first)
    assert receiver.told[-1].signed_by(second)
    service.push_all(tenant_id=tenant.id, segment_id=segment, actor=ACTOR, now=NOW + timedelta(days=2))
    push(tenant, NOW + timedelta(days=2))
    assert not receiver.told[-1].signed_by(first)
    assert receiver.told[-1].signed_by(second)


def test_the_secret_is_kept_sealed_and_another_receiver_gets_another(
    tenant: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = a_segment(tenant)
    secret = put(tenant, segment, receiver).secret
    assert secret
    sync = sync_of(tenant, segment)
    assert secret.removeprefix("whsec_")[:12] not in sync.secret
    other = put(tenant, segment, receiver, url="https://hooks.example.com/in").secret
    assert other not in (None, secret)
    assert sync_of(tenant, segment).old_secret is None


def test_a_secret_that_no_key_opens_stops_the_sync_and_says_what_to_do(
    tenant: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.infra import config

    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    monkeypatch.setenv("ENCRYPTION_KEYS", "another")
    config.load.cache_clear()
    push(tenant)
    sync = sync_of(tenant, segment)
    assert sync.status == "STOPPED"
    assert "ENCRYPTION_KEYS" in (sync.error or "")
    assert receiver.told == []
    monkeypatch.setenv("ENCRYPTION_KEYS", "another,tests-only")
    config.load.cache_clear()
    service.push_all(tenant_id=tenant.id, segment_id=segment, actor=ACTOR, now=NOW)
    push(tenant)
    assert len(receiver.told) == 1


@pytest.mark.parametrize("url", ["http://hooks.example.com/", "https://10.0.0.5/", "https://127.0.0.1/", "nonsense"])
def test_a_receiver_inside_is_refused_beside_its_field(tenant: Any, receiver: Receiver, url: str) -> None:
    segment = a_segment(tenant)
    with pytest.raises(Invalid) as refused:
        put(tenant, segment, receiver, url=url, shape="FAX", fields=["email", "handicap"])
    assert set(refused.value.errors) == {"url", "shape", "fields"}
    with pytest.raises(NoSync):
        service.state(tenant_id=tenant.id, segment_id=segment)


def test_taken_away_it_tells_nothing_more(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    (one,) = people(tenant, 1)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "entered", one)
    service.remove(tenant_id=tenant.id, segment_id=segment, actor=ACTOR)
    push(tenant)
    assert len(receiver.told) == 1
    with transaction(tenant.id) as session:
        assert session.scalar(text("SELECT count(*) FROM segment_sync_change")) == 0
    with pytest.raises(NoSync):
        service.remove(tenant_id=tenant.id, segment_id=segment, actor=ACTOR)
    with pytest.raises(NoSuchSegment):
        put(tenant, new_id(), receiver)


def test_an_archived_segment_is_pushed_nowhere(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE segment SET archived_at = :now"), {"now": NOW})
    with pytest.raises(IsArchived):
        put(tenant, segment, receiver)


def test_a_sync_that_was_given_up_does_not_go_on_while_its_segment_is_archived(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE segment SET archived_at = :now"), {"now": NOW})
    with pytest.raises(IsArchived):
        service.push_all(tenant_id=tenant.id, segment_id=segment, actor=ACTOR, now=NOW)


def test_who_enters_and_leaves_by_what_happens_to_them_is_told(tenant: Any, receiver: Receiver) -> None:
    """All of it: a change of somebody, the segment that looks at them again, what is noted, what is told."""
    from app.road import SEGMENT_TELLERS
    from app.segments import work as segment_work

    gold = {"combinator": "AND", "rules": [{"field": "membership_tier", "operator": "eq", "value": "Gold"}]}

    def settle(now: datetime) -> None:
        while segment_work.run_step(tenant_id=tenant.id, now=now, tellers=SEGMENT_TELLERS):
            pass

    def tier(name: str, *who: UUID) -> None:
        with transaction(tenant.id) as session:
            session.execute(
                text("UPDATE customer SET membership_tier = :name WHERE id = ANY(:who)"),
                {"name": name, "who": list(who)},
            )

    one, two, three = people(tenant, 3)
    tier("Gold", one)
    segment = segments.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=gold, now=NOW).id
    other = segments.create(tenant_id=tenant.id, actor=ACTOR, name="Gold too", criteria=gold, now=NOW).id
    put(tenant, segment, receiver)
    push(tenant)
    assert receiver.told == [], "who is in it is not known yet"
    settle(NOW)
    push(tenant, NOW + work.SOON)
    assert [len(said["contacts"]) for said in receiver.bodies()] == [1]
    tier("Gold", two, three)
    settle(NOW + timedelta(minutes=1))
    tier("Silver", one, two)
    settle(NOW + timedelta(minutes=2))
    push(tenant, NOW + timedelta(minutes=2))
    (said,) = receiver.bodies()[1:]
    assert said["externalId"] == str(segment) != str(other)
    assert [contact["externalId"] for contact in said["contacts"]] == [str(three)]
    assert {contact["externalId"] for contact in said["removedContacts"]} == {str(one), str(two)}
