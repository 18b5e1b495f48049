"""Ids that sort by the time they were made."""

from uuid import RFC_4122, UUID

from app.infra import clock
from app.infra.ids import first_id_at, new_id, new_ids


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
