"""Segments pushed to a receiver: everybody first, then who enters and leaves; resumable, signed, nobody missed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.segments import service as segments
from app.segments.queries import NoSuchSegment
from app.segments.sync import envelope, service, work
from app.segments.sync.models import SegmentSync
from app.segments.sync.service import Archived, NoSync
from app.segments.sync.tell import note_changes
from app.tasks.work import _due
from tests.segments.helpers import settle as segments_settle
from tests.segments.receiver import Receiver, receiving

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ALL = tuple(envelope.FIELDS)
ACTOR = "system:tests"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    with receiving(monkeypatch) as found:
        yield found


def people(tenant: Any, count: int, first: int = 0) -> list[UUID]:
    """Make customers whose ids are in their order."""
    made = []
    with transaction(tenant.id) as session:
        for at in range(first, first + count):
            one = Customer(
                tenant_id=tenant.id,
                id=UUID(int=(at + 1) << 64 | 7 << 76),
                first_name=f"Person {at}",
                last_name="Fairbanks",
                email=f"person.{at}@example.com",
                phone=f"+2782000{at:04}",
            )
            session.add(one)
            made.append(one.id)
        session.flush()
    return made


def let_in(tenant: Any, segment_id: UUID, *customers: UUID) -> None:
    with transaction(tenant.id) as session:
        for one in customers:
            session.execute(
                text("INSERT INTO segment_member VALUES (:tenant, :segment, :customer, :now)"),
                {"tenant": tenant.id, "segment": segment_id, "customer": one, "now": NOW},
            )


def note(tenant: Any, segment_id: UUID, act: str, *customers: UUID, at: datetime = NOW) -> None:
    """Note a change as `note_changes` has it written."""
    with transaction(tenant.id) as session:
        for one in customers:
            session.execute(
                text(
                    "INSERT INTO segment_sync_change (tenant_id, id, segment_id, customer_id, act, at)"
                    " VALUES (:tenant, :id, :segment, :customer, :act, :at)"
                ),
                {"tenant": tenant.id, "id": new_id(), "segment": segment_id, "customer": one, "act": act, "at": at},
            )


def a_segment(tenant: Any, name: str = "Gold") -> UUID:
    return segments.create(tenant_id=tenant.id, actor=ACTOR, name=name, type="STATIC", now=NOW).id


def put(tenant: Any, segment_id: UUID, receiver: Receiver, **more: Any) -> service.Saved:
    given: dict[str, Any] = {"shape": "MESSAGING", "url": receiver.url, "fields": ALL, "now": NOW} | more
    return service.put(tenant_id=tenant.id, segment_id=segment_id, actor=ACTOR, **given)


def push(tenant: Any, now: datetime = NOW) -> int:
    """Push until there is nothing to tell at `now`; return how many times something was told."""
    turns = 0
    while work.push_one(tenant_id=tenant.id, now=now):
        turns += 1
        assert turns < 50
    return turns


def sync_of(tenant: Any, segment_id: UUID) -> SegmentSync:
    return service.state(tenant_id=tenant.id, segment_id=segment_id).sync


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


def test_a_change_that_failed_goes_out_again_under_its_id_with_nobody_new_in_it(
    tenant: Any, receiver: Receiver
) -> None:
    segment = a_segment(tenant)
    one, two = people(tenant, 2)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "entered", one)
    receiver.answer(500)
    assert push(tenant) == 1
    failed = sync_of(tenant, segment)
    assert failed.error == "The receiver answered 500."
    assert failed.due_at is not None
    assert work.FIRST_WAIT / 2 <= failed.due_at - failed.failing_since <= work.FIRST_WAIT  # type: ignore[operator]
    note(tenant, segment, "entered", two)
    push(tenant, failed.due_at)
    tried, again, more = receiver.told[1:]
    assert tried.id == again.id
    assert [contact["externalId"] for contact in again.json["contacts"]] == [str(one)]
    assert [contact["externalId"] for contact in more.json["contacts"]] == [str(two)]
    settled = sync_of(tenant, segment)
    assert (settled.error, settled.failing_since, settled.attempts) == (None, None, 0)


@pytest.mark.parametrize(
    "asked, seconds", [("120", 120), ("Sat, 21 Nov 2026 10:05:00 GMT", 300), ("999999", 6 * 3600), ("0", 1)]
)
def test_a_receiver_that_asks_to_be_left_alone_is(tenant: Any, receiver: Receiver, asked: str, seconds: int) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    receiver.answer(429, {"Retry-After": asked})
    assert push(tenant) == 1
    assert sync_of(tenant, segment).due_at == NOW + timedelta(seconds=seconds)


def test_waits_grow_with_jitter_and_have_a_longest(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    now, waits = NOW, []
    for _ in range(14):
        receiver.answer(503)
        push(tenant, now)
        due = sync_of(tenant, segment).due_at
        assert due is not None
        waits.append(due - now)
        now = due
    for attempt, wait in enumerate(waits):
        longest = min(work.FIRST_WAIT * 2**attempt, work.LONGEST_WAIT)
        assert longest / 2 <= wait <= longest
    assert len(set(waits[-3:])) == 3


def test_after_a_day_of_failures_it_stops_and_says_so_and_goes_on_by_hand(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    (one,) = people(tenant, 1)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "entered", one)
    for moment in (NOW, NOW + timedelta(days=1)):
        receiver.answer(500)
        push(tenant, moment)
    stopped = service.state(tenant_id=tenant.id, segment_id=segment)
    assert (stopped.sync.status, stopped.sync.error, stopped.sync.due_at) == (
        "STOPPED",
        "The receiver answered 500.",
        None,
    )
    assert push(tenant, NOW + timedelta(days=9)) == 0
    let_in(tenant, segment, one)
    before = len(receiver.told)
    service.push_all(tenant_id=tenant.id, segment_id=segment, actor=ACTOR, now=NOW + timedelta(days=9))
    push(tenant, NOW + timedelta(days=9))
    (said,) = receiver.bodies()[before:]
    assert (said["push"]["mode"], len(said["contacts"])) == ("full", 1)
    assert sync_of(tenant, segment).status == "LIVE"


def test_a_receiver_that_is_gone_is_not_asked_again(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    receiver.answer(410)
    push(tenant)
    assert (sync_of(tenant, segment).status, push(tenant, NOW + timedelta(days=2))) == ("STOPPED", 0)


def test_a_redirect_is_a_failure_and_nobody_there_hears_of_anybody(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    receiver.answer(307, {"Location": f"{receiver.origin}/elsewhere"})
    push(tenant)
    assert (len(receiver.told), sync_of(tenant, segment).error) == (1, "The receiver answered 307.")


def test_another_definition_pushes_everybody_anew_once_it_is_worked_out(tenant: Any, receiver: Receiver) -> None:
    """Who enters and leaves by it is told to nobody, so the receiver would be left with those of the old one."""
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    push(tenant)
    run = sync_of(tenant, segment).run

    def change(**values: object) -> None:
        with transaction(tenant.id) as session:
            named = ", ".join(f"{name} = :{name}" for name in values)
            session.execute(text(f"UPDATE segment SET {named} WHERE id = :id"), {"id": segment, **values})

    change(version=2, refresh_tells=False, refreshing_since=NOW)
    assert push(tenant) == 0
    assert _waits_for(tenant) is False
    change(refresh_tells=True, refreshing_since=None)
    assert _waits_for(tenant) is True
    push(tenant)
    assert len(receiver.told) == 2
    assert receiver.bodies()[-1]["push"]["mode"] == "full"
    assert sync_of(tenant, segment).run != run


def test_a_change_from_before_another_definition_does_not_undo_it(tenant: Any, receiver: Receiver) -> None:
    """Who had left and is back by the new definition, of which nobody is told, stays in; who is gone has left."""
    segment = a_segment(tenant)
    back, gone = people(tenant, 2)
    put(tenant, segment, receiver)
    push(tenant)
    note(tenant, segment, "left", back, gone)
    with transaction(tenant.id) as session:
        session.execute(
            text("INSERT INTO segment_member VALUES (:tenant, :segment, :customer, :now)"),
            {"tenant": tenant.id, "segment": segment, "customer": back, "now": NOW},
        )
        session.execute(text("UPDATE segment SET version = 2 WHERE id = :id"), {"id": segment})
    push(tenant)
    everybody, after = receiver.bodies()[-2:]
    assert [contact["externalId"] for contact in everybody["contacts"]] == [str(back)]
    assert [contact["externalId"] for contact in after["removedContacts"]] == [str(gone)]


def test_a_segment_that_is_being_worked_out_is_pushed_after_that(tenant: Any, receiver: Receiver) -> None:
    """A refresh that began before there was a sync does not note for it who enters."""
    segment = a_segment(tenant)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE segment SET refreshing_since = :now"), {"now": NOW})
    put(tenant, segment, receiver)
    push(tenant)
    assert receiver.told == []
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE segment SET refreshing_since = NULL"))
    push(tenant, NOW + work.SOON)
    assert len(receiver.told) == 1


def _waits_for(tenant: Any) -> bool:
    return any(job == "sync_segments" and id_ == tenant.id for job, id_ in _due(NOW))


@pytest.mark.committed
def test_the_tick_finds_what_is_to_be_pushed(receiver_of_its_own: Receiver) -> None:
    from tests.conftest import make_tenant

    tenant: Any = make_tenant()
    segment = a_segment(tenant)
    (one,) = people(tenant, 1)
    assert not _waits_for(tenant)
    put(tenant, segment, receiver_of_its_own)
    assert _waits_for(tenant)
    push(tenant)
    assert not _waits_for(tenant)
    note(tenant, segment, "entered", one)
    assert _waits_for(tenant)
    receiver_of_its_own.answer(500)
    push(tenant)
    assert not _waits_for(tenant)


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
    with pytest.raises(Archived):
        put(tenant, segment, receiver)


def test_a_sync_that_was_given_up_does_not_go_on_while_its_segment_is_archived(tenant: Any, receiver: Receiver) -> None:
    segment = a_segment(tenant)
    put(tenant, segment, receiver)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE segment SET archived_at = :now"), {"now": NOW})
    with pytest.raises(Archived):
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
