"""What journeys name stays while they name it, and is called by its new name, in their settings as in their steps."""

from uuid import UUID

import pytest
from sqlalchemy import select

from app.accounts.models import Tenant
from app.customers import tags as tag_list
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.journeys import lifecycle, queries, service, setting_changes, tagging
from app.journeys.models import JourneyVersion
from app.road import SEGMENT_USERS, TAG_FOLLOWERS
from app.segments import service as segments
from app.segments import usage
from tests.journeys.helpers import NOW, Json, admit, journey, people, run, statuses, tag, tags, wait

ACTOR = "system"
GOLD: Json = {"combinator": "AND", "rules": [{"field": "membership_tier", "operator": "is", "value": "Gold"}]}
VIP: Json = {"combinator": "AND", "rules": [{"field": "tags", "operator": "contains", "value": "vip"}]}


def among(segment_id: UUID) -> Json:
    rule = {"field": "segments", "operator": "contains", "value": str(segment_id)}
    return {"combinator": "AND", "rules": [rule]}


def segment(tenant: Tenant) -> UUID:
    return segments.create(tenant_id=tenant.id, actor=ACTOR, name="Gold", criteria=GOLD, now=NOW).id


def rename(tenant: Tenant, old: str, new: str) -> None:
    tag_list.count(tenant_id=tenant.id)
    found = next(one for one in tag_list.listed(tenant_id=tenant.id).items if one.name == old)
    tag_list.change(tenant_id=tenant.id, tag_id=found.id, name=new, actor=ACTOR, followers=TAG_FOLLOWERS)


@pytest.mark.parametrize("setting", ["exit_conditions", "goal"])
def test_a_segment_that_settings_name_stays(tenant: Tenant, setting: str) -> None:
    named = segment(tenant)
    rules = among(named) if setting == "exit_conditions" else {"conditions": among(named)}
    made = journey(tenant.id, [wait("w", None, "1 day")], **{setting: rules})
    [use] = usage.of(tenant_id=tenant.id, segment_ids=[named], users=SEGMENT_USERS)[named]
    assert (use.name, use.running, use.place) == (
        "Welcome", True, "what people leave by" if setting == "exit_conditions" else "goal")  # fmt: skip
    with pytest.raises(segments.InUse, match="journey “Welcome”"):
        segments.archive(tenant_id=tenant.id, segment_id=named, actor=ACTOR, users=SEGMENT_USERS)
    lifecycle.archive(tenant_id=tenant.id, journey_id=made.id, actor=ACTOR)
    segments.delete(tenant_id=tenant.id, segment_id=named, actor=ACTOR, users=SEGMENT_USERS)


def test_settings_name_only_segments_there_are(tenant: Tenant) -> None:
    made = journey(tenant.id, [wait("w", None, "1 day")])
    on: Json = {"tenant_id": tenant.id, "journey_id": made.id, "actor": ACTOR}
    with pytest.raises(Invalid) as refused:
        service.update_settings(**on, changes={"exit_conditions": among(new_id())})
    assert list(refused.value.errors) == ["exit_conditions.rules[0]"]


@pytest.mark.parametrize("setting", ["exit_conditions", "goal"])
def test_a_tag_is_renamed_in_settings(tenant: Tenant, setting: str) -> None:
    [vip, other] = [*people(tenant.id, 1, tags=["vip"]), *people(tenant.id)]
    rules = VIP if setting == "exit_conditions" else {"conditions": VIP}
    made = journey(tenant.id, [wait("w", None, "1 day")], **{setting: rules})
    assert tagging.naming(tenant_id=tenant.id, tag="vip") == [(made.id, "Welcome")]
    rename(tenant, "vip", "Star guest")
    admit(tenant.id, made.id, [vip, other])
    run(tenant.id)
    told = statuses(tenant.id)
    assert (told[vip][0], told[other][0]) == ("EXITED", "ACTIVE")
    found = queries.journey(tenant_id=tenant.id, journey_id=made.id)
    kept = getattr(found, setting)
    assert "Star guest" in str(kept)
    assert "vip" not in str(kept)
    # Nobody changed a setting since the version that people follow.
    with transaction(tenant.id) as session:
        (version,) = session.scalars(select(JourneyVersion).where(JourneyVersion.journey_id == made.id))
        assert version.settings == setting_changes.kept(found)


def test_a_worker_that_runs_gives_the_tag_its_new_name(tenant: Tenant) -> None:
    first, second = people(tenant.id, 2)
    made = journey(tenant.id, [tag("u", None, "vip")])
    admit(tenant.id, made.id, [first])
    run(tenant.id)
    rename(tenant, "vip", "Star guest")
    admit(tenant.id, made.id, [second])
    run(tenant.id)
    assert [tags(tenant.id, one) for one in (first, second)] == [["Star guest"], ["Star guest"]]
