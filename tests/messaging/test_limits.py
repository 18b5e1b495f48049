"""Quiet hours, frequency caps and one copy an address: what keeps back marketing that its reader agreed to."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import text

from app.capture.merging import merge_customers
from app.infra import clock
from app.infra.db import db, transaction
from app.infra.ids import first_id_before, new_id
from app.messaging import gate, outbox, policy, runs, sender
from app.messaging.policy import Policy
from app.messaging.runs import Content
from app.messaging.states import Purpose
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.families import household, sharing
from tests.messaging.sink import Sink

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ACTOR = "system"
Say = Callable[..., Policy]


@pytest.fixture
def say(tenant: Any) -> Say:
    """Return a function that says caps (most, hours and a channel each) and the quiet hours of e-mail."""

    def said(*caps: tuple[Any, ...], quiet: tuple[str, str] | None = None) -> Policy:
        listed = [{"most": one[0], "hours": one[1], "channel": one[2] if len(one) > 2 else None} for one in caps]
        hours = {"EMAIL": {"from": quiet[0], "to": quiet[1]} if quiet else None}
        return policy.save(tenant_id=tenant.id, actor=ACTOR, changes={"caps": listed, "quiet": hours}, now=NOON)

    return said


class Runs:
    """Runs of the outbox, as campaigns make them."""

    def __init__(self, mailer: Mailer) -> None:
        self.mailer, self.tenant_id = mailer, mailer.tenant_id

    def put(self, *people: UUID, one_copy: bool = False, due_at: datetime = NOON, **more: Any) -> list[UUID]:
        run_id = new_id()
        runs.make(tenant_id=self.tenant_id, run_id=run_id, now=NOON)
        content = Content("EMAIL", self.mailer.template_id, 1, None)
        runs.put(
            tenant_id=self.tenant_id,
            run_id=run_id,
            campaign_id=None,
            content=content,
            customers=people,
            due_at=due_at,
            one_copy=one_copy,
            now=NOON,
            **more,
        )
        runs.open_(tenant_id=self.tenant_id, run_id=run_id, per_hour=None, now=NOON)
        with transaction(self.tenant_id) as session:
            found = session.execute(text("SELECT customer_id, id FROM message WHERE run_id = :id"), {"id": run_id})
            made = {row.customer_id: row.id for row in found}
        return [made[one] for one in people]


@pytest.fixture
def campaign(mailer: Mailer) -> Runs:
    return Runs(mailer)


class TestCaps:
    def test_what_is_more_than_a_person_gets_waits_until_the_cap_allows_it(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say((1, 24))
        ann, ben = customer(), customer()
        [first] = mailer.put(ann, key="first")
        [second] = mailer.put(ann, key="second", now=NOON + HOUR)
        [other] = mailer.put(ben, key="other", now=NOON + HOUR)
        mailer.send()
        mailer.send(HOUR)
        assert mailer.fate(first) == mailer.fate(other) == ("sent", None)
        assert mailer.fate(second) == ("held", "frequency_cap")
        kept = mailer.row(second)
        assert kept.due_at == NOON + DAY
        assert kept.saw["cap"] == {
            "channel": None,
            "most": 1,
            "hours": 24,
            "opens_at": (NOON + DAY).isoformat(),
        }
        mailer.send(DAY - timedelta(seconds=1))
        assert mailer.fate(second) == ("held", "frequency_cap")
        mailer.send(DAY)
        assert mailer.fate(second) == ("sent", None)
        assert mailer.row(second).saw is None
        assert len(sink.letters) == 3

    def test_a_campaigns_message_is_skipped_and_a_journeys_takes_the_last_place(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say, campaign: Runs
    ) -> None:
        say((1, 24))
        ann = customer()
        [news] = campaign.put(ann, due_at=NOON - HOUR)
        [journey] = mailer.put(ann, key="journey")
        mailer.send()
        assert mailer.fate(journey) == ("sent", None)
        assert mailer.fate(news) == ("skipped", "frequency_cap")
        assert len(sink.letters) == 1

    def test_transactional_mail_is_neither_counted_nor_stopped(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say((1, 24))
        ann = customer()
        first = mailer.put(ann, key="booking", purpose=Purpose.TRANSACTIONAL)
        mailer.send()
        [news] = mailer.put(ann, key="news")
        mailer.send()
        last = mailer.put(ann, key="receipt", purpose=Purpose.TRANSACTIONAL)
        mailer.send()
        assert [mailer.fate(one) for one in (*first, news, *last)] == [("sent", None)] * 3

    def test_each_cap_counts_its_own_channel_and_time(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say((2, 24, "EMAIL"), (3, 72), (1, 1, "SMS"))
        ann = customer()
        made = [mailer.put(ann, key=f"m{hour}", now=NOON + hour * HOUR)[0] for hour in (0, 1, 2, 25, 26)]
        for hour in (0, 1, 2, 24, 25, 26):
            mailer.send(hour * HOUR)
        assert [mailer.fate(one)[0] for one in made] == ["sent", "sent", "sent", "held", "held"]
        assert mailer.row(made[3]).due_at == NOON + 72 * HOUR

    def test_what_would_wait_too_long_or_expire_first_is_skipped(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say((1, 7 * 24))
        ann = customer()
        mailer.put(ann, key="first")
        mailer.send()
        [second] = mailer.put(ann, key="second")
        mailer.send()
        assert mailer.fate(second) == ("skipped", "frequency_cap")
        say((1, 24))
        [third] = mailer.put(ann, key="third", expires_at=NOON + DAY)
        [fourth] = mailer.put(ann, key="fourth", expires_at=NOON + DAY + HOUR)
        mailer.send()
        assert mailer.fate(third) == ("skipped", "frequency_cap")
        assert mailer.fate(fourth) == ("held", "frequency_cap")

    def test_an_attempt_that_failed_counts_for_nothing_and_one_that_may_have_arrived_counts(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say((1, 24))
        ann, ben = customer(), customer()
        [lost] = mailer.put(ann, key="lost")
        [unknown] = mailer.put(ben, key="unknown")
        gate.claim(tenant_id=mailer.tenant_id, limit=10, now=NOON)
        with transaction(mailer.tenant_id) as session:
            session.execute(text("UPDATE message SET status = 'failed' WHERE id = :id"), {"id": lost})
            session.execute(text("UPDATE message SET status = 'unknown' WHERE id = :id"), {"id": unknown})
        [one], [two] = mailer.put(ann, key="next"), mailer.put(ben, key="next")
        mailer.send(HOUR)
        assert mailer.fate(one) == ("sent", None)
        assert mailer.fate(two) == ("held", "frequency_cap")

    def test_raising_a_cap_lets_out_at_once_what_it_held(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say((1, 24))
        ann = customer()
        mailer.put(ann, key="first")
        mailer.send()
        [second] = mailer.put(ann, key="second")
        mailer.send()
        assert mailer.fate(second) == ("held", "frequency_cap")
        say((2, 24))
        mailer.send(HOUR)
        assert mailer.fate(second) == ("sent", None)

    def test_what_a_profile_was_sent_before_it_was_merged_counts_for_who_it_became(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say((1, 24))
        ann, anna = customer(), customer()
        mailer.put(ann, key="first")
        mailer.send()
        [second] = mailer.put(anna, key="second")
        merge_customers(tenant_id=mailer.tenant_id, winner_id=anna, loser_id=ann, actor=ACTOR)
        mailer.send()
        assert mailer.fate(second) == ("held", "frequency_cap")

    @pytest.mark.committed
    def test_senders_at_work_for_the_same_people_let_out_no_more_than_the_cap(
        self, app: Flask, mailer: Mailer, customer: MakeCustomer, say: Say
    ) -> None:
        say((2, 24))
        people = [customer() for _ in range(10)]
        for turn in range(8):
            outbox.put(
                tenant_id=mailer.tenant_id,
                template_id=mailer.template_id,
                customer_ids=people if turn % 2 else people[::-1],
                dedupe_keys=[f"{turn}:{one}" for one in (people if turn % 2 else people[::-1])],
            )
        moment = clock.now() + timedelta(minutes=10)
        faults: list[BaseException] = []
        ready = threading.Barrier(4)

        def work() -> None:
            try:
                with app.app_context():
                    ready.wait()
                    while gate.claim(tenant_id=mailer.tenant_id, limit=7, now=moment).looked_at:
                        pass
                    db.session.remove()
            except BaseException as fault:
                faults.append(fault)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults
        with transaction(mailer.tenant_id) as session:
            rows = session.execute(
                text(
                    "SELECT customer_id, count(*) FILTER (WHERE status = 'sending') AS out, count(*) AS n"
                    " FROM message GROUP BY customer_id"
                )
            ).all()
        assert {(row.out, row.n) for row in rows} == {(2, 8)}
        assert len(rows) == 10


class TestQuietHours:
    @pytest.mark.parametrize(
        ("zone", "before", "first", "ends"),
        [
            # The last second before, and the first one in: 21:00 in Johannesburg is 19:00 UTC.
            ("Africa/Johannesburg", "2026-11-20T18:59:59", "2026-11-20T19:00:00", "2026-11-21T06:00:00"),
            # The clocks go forward at 02:00 on 29 March in Paris: 08:00 is 06:00 UTC and no longer 07:00.
            ("Europe/Paris", "2026-03-28T19:59:59", "2026-03-28T20:00:00", "2026-03-29T06:00:00"),
            # They go back on 25 October: 08:00 is 07:00 UTC again.
            ("Europe/Paris", "2026-10-24T18:59:59", "2026-10-24T19:00:00", "2026-10-25T07:00:00"),
            ("America/New_York", "2026-11-01T00:59:59", "2026-11-01T01:00:00", "2026-11-01T13:00:00"),
            ("Australia/Lord_Howe", "2026-10-03T10:29:59", "2026-10-03T10:30:00", "2026-10-03T21:00:00"),
        ],
    )
    def test_a_night_is_that_of_the_reader(
        self,
        mailer: Mailer,
        customer: MakeCustomer,
        sink: Sink,
        say: Say,
        zone: str,
        before: str,
        first: str,
        ends: str,
    ) -> None:
        say(quiet=("21:00", "08:00"))
        just, at, morning = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (before, first, ends))
        [early] = mailer.put(customer(timezone=zone), key="early", now=just)
        [late] = mailer.put(customer(timezone=zone), key="late", now=at)
        mailer.send(just - NOON)
        assert mailer.fate(early) == ("sent", None)
        mailer.send(at - NOON)
        assert mailer.fate(late) == ("held", "quiet_hours")
        row = mailer.row(late)
        assert row.due_at == morning
        assert row.saw["quiet"] == {"zone": zone, "from": "21:00", "to": "08:00"}
        mailer.send(morning - NOON - timedelta(seconds=1))
        assert mailer.fate(late) == ("held", "quiet_hours")
        mailer.send(morning - NOON)
        assert mailer.fate(late) == ("sent", None)

    def test_hours_that_a_night_shows_twice_are_quiet_once(self) -> None:
        quiet = policy.read([], {"EMAIL": {"from": "23:00", "to": "02:30"}}).quiet_hours("EMAIL")
        assert quiet is not None
        paris = ZoneInfo("Europe/Paris")
        first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
        assert quiet.until(first - timedelta(seconds=1), paris) == first
        # 02:15 comes a second time, after the end.
        assert quiet.until(datetime(2026, 10, 25, 1, 15, tzinfo=UTC), paris) is None

    def test_hours_of_a_day_need_no_midnight(self) -> None:
        quiet = policy.read([], {"EMAIL": {"from": "12:00", "to": "14:00"}}).quiet_hours("EMAIL")
        assert quiet is not None
        utc = ZoneInfo("UTC")
        assert quiet.until(NOON, utc) == NOON + 2 * HOUR
        assert quiet.until(NOON + 2 * HOUR, utc) is None
        assert quiet.until(NOON - timedelta(seconds=1), utc) is None

    def test_whose_zone_is_not_known_goes_by_their_clubs_else_the_organisations(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say(quiet=("21:00", "08:00"))
        club = mailer.one("UPDATE club SET timezone = 'Australia/Sydney' RETURNING id")
        # 12:00 UTC: 23:00 in Sydney, 14:00 in Johannesburg, the organisation's.
        [sydney] = mailer.put(customer(club_id=club), key="club")
        [home] = mailer.put(customer(), key="tenant")
        [odd] = mailer.put(customer(timezone="Mars/Olympus"), key="odd")
        mailer.send()
        assert mailer.fate(sydney) == ("held", "quiet_hours")
        assert mailer.fate(home) == mailer.fate(odd) == ("sent", None)

    def test_what_would_come_too_late_is_dropped_and_transactional_mail_goes_at_night(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, say: Say
    ) -> None:
        say(quiet=("12:00", "20:00"))
        ann = customer(timezone="UTC")
        [late] = mailer.put(ann, key="late", expires_at=NOON + 8 * HOUR)
        [waits] = mailer.put(ann, key="waits", expires_at=NOON + 9 * HOUR)
        [booked] = mailer.put(ann, key="booked", purpose=Purpose.TRANSACTIONAL)
        mailer.send()
        assert mailer.fate(late) == ("skipped", "expired")
        assert mailer.row(late).saw["quiet"]["to"] == "20:00"
        assert mailer.fate(waits) == ("held", "quiet_hours")
        assert mailer.fate(booked) == ("sent", None)

    def test_without_a_word_what_makes_a_sound_is_quiet_at_night(self) -> None:
        known = policy.read(None, None)
        assert known.quiet_hours("EMAIL") is None
        assert known.quiet_hours("SMS") == known.quiet_hours("PUSH") == policy.NIGHT


class TestOneCopy:
    def test_an_address_that_people_share_gets_one_copy_of_a_run(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, campaign: Runs
    ) -> None:
        family = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ben", "Cid")
        household(mailer.tenant_id, family, ["child", "member", "head"])
        alone = customer()
        made = campaign.put(*family, alone, one_copy=True)
        mailer.send()
        assert [mailer.fate(one) for one in made] == [
            ("skipped", "household_copy"),
            ("skipped", "household_copy"),
            ("sent", None),
            ("sent", None),
        ]
        assert mailer.row(made[0]).saw["copy"] == {"message_id": str(made[2])}
        assert len(sink.letters) == 2
        again = campaign.put(*family, one_copy=False)
        mailer.send()
        assert [mailer.fate(one) for one in again] == [("sent", None)] * 3

    def test_batches_of_one_come_to_the_same(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, campaign: Runs
    ) -> None:
        family = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ben", "Cid")
        household(mailer.tenant_id, family, ["child", "member", "head"])
        made = campaign.put(*family, one_copy=True)
        for second in range(0, 60, 3):
            while sender.send_batch(tenant_id=mailer.tenant_id, now=NOON + timedelta(seconds=second), limit=1):
                pass
        assert [mailer.fate(one)[0] for one in made] == ["skipped", "skipped", "sent"]

    def test_where_the_first_is_skipped_the_next_gets_it(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, campaign: Runs
    ) -> None:
        ann, ben, cid = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ben", "Cid")
        household(mailer.tenant_id, [ann, ben, cid], ["head", "member", "member"])
        mailer.one("UPDATE customer SET email_opt_in = false WHERE id = :id RETURNING 1", id=ann)
        made = campaign.put(ann, ben, cid, one_copy=True)
        mailer.send()
        mailer.send(timedelta(seconds=5))
        assert [mailer.fate(one) for one in made] == [
            ("skipped", "opted_out"),
            ("sent", None),
            ("skipped", "household_copy"),
        ]

    def test_who_comes_first_and_waits_is_waited_for(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, campaign: Runs, say: Say
    ) -> None:
        say(quiet=("21:00", "08:00"))
        ann, ben = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ben")
        household(mailer.tenant_id, [ann, ben], ["head", "member"])
        # Ann is in Sydney, where it is night.
        mailer.one("UPDATE customer SET timezone = 'Australia/Sydney' WHERE id = :id RETURNING 1", id=ann)
        [hers, his] = campaign.put(ann, ben, one_copy=True)
        mailer.send()
        assert mailer.fate(hers) == ("held", "quiet_hours")
        assert mailer.fate(his) == ("held", "copy_pending")
        assert mailer.row(his).due_at > mailer.row(hers).due_at
        mailer.send(20 * HOUR)
        assert mailer.fate(hers) == ("sent", None)
        assert mailer.fate(his) == ("skipped", "household_copy")

    def test_two_of_an_address_who_became_one_get_one(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink, campaign: Runs
    ) -> None:
        ann, ben, cid = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ann", "Cid")
        made = campaign.put(ann, ben, cid, one_copy=True)
        merge_customers(tenant_id=mailer.tenant_id, winner_id=ben, loser_id=ann, actor=ACTOR)
        for second in range(0, 30, 3):
            mailer.send(timedelta(seconds=second))
        fates = [mailer.fate(one) for one in made]
        assert len(sink.letters) == 1
        assert sorted(fates[:2], key=str) == [("sent", None), ("skipped", "twice")]
        assert fates[2] == ("skipped", "household_copy")

    def test_a_step_gives_an_address_one_a_day(self, mailer: Mailer, customer: MakeCustomer, sink: Sink) -> None:
        ann, ben, cid = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ben", "Cid")
        step = {"journey_id": new_id(), "step_key": "hello", "one_copy": True}
        [first] = mailer.put(ann, key="a", **step)
        mailer.send()
        [second] = mailer.put(ben, key="b", now=NOON + HOUR, **step)
        [elsewhere] = mailer.put(ben, key="c", now=NOON + HOUR, **step | {"step_key": "bye"})
        [third] = mailer.put(cid, key="d", now=NOON + 25 * HOUR, **step)
        mailer.send(HOUR)
        mailer.send(25 * HOUR)
        assert mailer.fate(first) == mailer.fate(elsewhere) == mailer.fate(third) == ("sent", None)
        assert mailer.fate(second) == ("skipped", "household_copy")

    def test_one_that_a_window_held_for_days_is_still_seen(
        self, mailer: Mailer, customer: MakeCustomer, sink: Sink
    ) -> None:
        ann, ben = sharing(customer, mailer.tenant_id, "home@example.com", "Ann", "Ben")
        step = {"journey_id": new_id(), "step_key": "hello", "one_copy": True}
        [first] = mailer.put(ann, key="a", due_at=NOON + 6 * DAY, **step)
        older = first_id_before(first, 6 * DAY)
        mailer.one("UPDATE message SET id = :older WHERE id = :id RETURNING 1", older=older, id=first)
        [second] = mailer.put(ben, key="b", now=NOON + 6 * DAY, **step)
        mailer.send(6 * DAY)
        mailer.send(6 * DAY + HOUR)
        assert mailer.fate(older) == ("sent", None)
        assert mailer.fate(second) == ("skipped", "household_copy")

    @pytest.mark.committed
    def test_senders_side_by_side_give_each_address_one(
        self, app: Flask, mailer: Mailer, customer: MakeCustomer, campaign: Runs
    ) -> None:
        homes = [sharing(customer, mailer.tenant_id, f"home{n}@example.com", "Ann", "Ben", "Cid") for n in range(12)]
        people = [one for home in zip(*homes, strict=True) for one in home]
        campaign.put(*people, one_copy=True)
        mailer.put(*people, key="step", journey_id=new_id(), step_key="hello", one_copy=True)
        faults: list[BaseException] = []
        ready = threading.Barrier(3)

        def work() -> None:
            try:
                with app.app_context():
                    ready.wait()
                    for second in range(600, 640, 3):
                        moment = NOON + timedelta(seconds=second)
                        while gate.claim(tenant_id=mailer.tenant_id, limit=5, now=moment).looked_at:
                            pass
                    db.session.remove()
            except BaseException as fault:
                faults.append(fault)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults
        with transaction(mailer.tenant_id) as session:
            rows = session.execute(
                text(
                    "SELECT to_address, run_id, count(*) FILTER (WHERE status = 'sending') AS out,"
                    " count(*) FILTER (WHERE reason = 'household_copy') AS copies"
                    " FROM message GROUP BY to_address, run_id"
                )
            ).all()
        assert {(row.out, row.copies) for row in rows} == {(1, 2)}
        assert len(rows) == 24
