"""Ids that sort by the time they were made."""

from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

from app.infra import clock
from app.infra.ids import first_id_after, first_id_at, first_id_before, new_id, new_ids


def test_many_at_once_are_ids_like_all_others_and_keep_their_order() -> None:
    begun = first_id_at(clock.now())
    found = [UUID(one) for one in new_ids(10_000)]
    assert found == sorted(set(found))
    assert {(one.version, one.variant) for one in found} == {(7, RFC_4122)}
    assert {one.int >> 62 & 3 for one in found} == {2}
    assert begun <= found[0]
    # Those that are made later sort later, but for the milliseconds so many take.
    assert found[-1].int >> 80 <= (new_id().int >> 80) + 3
    assert new_ids(0) == []


def test_the_first_id_of_a_moment_before_or_after_another_ids() -> None:
    moment, day = datetime(2026, 11, 20, 9, tzinfo=UTC), timedelta(days=1)
    made = UUID(int=first_id_at(moment).int + 12_345)
    assert first_id_before(made, day) == first_id_at(moment - day)
    assert first_id_after(made, day) == first_id_at(moment + day)
