"""Several editors of one journey: comments on steps, who is here."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.models import Tenant
from app.infra.errors import Invalid
from app.journeys import comments, service
from app.journeys.models import Journey
from app.journeys.queries import NoSuchJourney, NoSuchStep
from tests.conftest import make_tenant
from tests.journeys.helpers import NOW
from tests.page_client import make_user


@pytest.fixture
def journey(tenant: Tenant) -> Journey:
    return service.create(tenant_id=tenant.id, actor="system", name="Welcome")


def on(journey: Journey) -> dict[str, Any]:
    return {"tenant_id": journey.tenant_id, "journey_id": journey.id}


def test_a_comment_is_resolved_and_opened_again(journey: Journey) -> None:
    by = {"author_id": uuid4(), "author_name": "Lindiwe"}
    made = comments.add(**on(journey), step_key="trigger", body=" Why only Gold? ", **by)
    comments.add(**on(journey), step_key="trigger", body="And why now?", **by)
    assert (made.body, made.author_name) == ("Why only Gold?", "Lindiwe")
    assert comments.open_counts(**on(journey)) == {"trigger": 2}
    found = comments.resolve(**on(journey), comment_id=made.id, by_name="Sipho", now=NOW)
    again = comments.resolve(**on(journey), comment_id=made.id, by_name="Nomsa", now=NOW + timedelta(days=1))
    assert (found.resolved_by_name, again.resolved_by_name, again.resolved_at) == ("Sipho", "Sipho", NOW)
    assert [one.body for one in comments.of_step(**on(journey), step_key="trigger")] == [
        "And why now?",
        "Why only Gold?",
    ]
    comments.resolve(**on(journey), comment_id=made.id, by_name="Nomsa", resolved=False, now=NOW)
    assert comments.open_counts(**on(journey)) == {"trigger": 2}


def test_comments_need_words_and_a_journey_of_the_tenant(journey: Journey) -> None:
    by = {"author_id": uuid4(), "author_name": "Lindiwe"}
    for body in ("", " \u200b ", "x" * 2001, "a\0b"):
        with pytest.raises(Invalid):
            comments.add(**on(journey), step_key="trigger", body=body, **by)
    made = comments.add(**on(journey), step_key="trigger", body="Why?", **by)
    with pytest.raises(NoSuchStep):
        comments.add(**on(journey), step_key="gone", body="Why?", **by)
    other = make_tenant()
    elsewhere = {"tenant_id": other.id, "journey_id": journey.id}
    with pytest.raises(NoSuchJourney):
        comments.add(**elsewhere, step_key="trigger", body="Why?", **by)
    with pytest.raises(comments.NoSuchComment):
        comments.resolve(**elsewhere, comment_id=made.id, by_name="x", now=NOW)


def test_who_is_here_is_known_for_half_a_minute(tenant: Tenant, journey: Journey) -> None:
    lindiwe, sipho = make_user(tenant.id, "marketer"), make_user(tenant.id, "marketer")
    assert comments.here(**on(journey), user_id=lindiwe, name="Lindiwe", step_key="trigger", now=NOW) == []
    others = comments.here(**on(journey), user_id=sipho, name="Sipho", now=NOW + timedelta(seconds=20))
    assert others == [comments.Present(lindiwe, "Lindiwe", "trigger")]
    late = NOW + timedelta(seconds=31)
    assert comments.here(**on(journey), user_id=sipho, name="Sipho", now=late) == []


def test_the_pulse_tells_who_else_is_here(client: Any, sign_in: Any, tenant: Tenant, journey: Journey) -> None:
    other = make_user(tenant.id, "marketer")
    comments.here(**on(journey), user_id=other, name="Lindiwe", step_key="trigger")
    sign_in("viewer")
    page = client.post(f"/journeys/{journey.id}/pulse", {"open": "trigger"}, htmx=True, status=200)
    assert 'data-present="trigger"' in page.text
    assert "Lindiwe has this journey open" in page.text
    assert f'data-revision="{journey.draft_revision}"' in page.text


def test_comments_on_the_panel(client: Any, sign_in: Any, journey: Journey) -> None:
    sign_in("marketer")
    there = f"/journeys/{journey.id}"
    empty = client.post(f"{there}/steps/trigger/comments", {"body": " "}, htmx=True, status=422)
    assert "Write between 1 and" in empty.text
    client.post(f"{there}/steps/gone/comments", {"body": "Why?"}, htmx=True, status=404)
    said = client.post(f"{there}/steps/trigger/comments", {"body": "<b>Why?</b>"}, htmx=True, status=200)
    assert "&lt;b&gt;Why?&lt;/b&gt;" in said.text
    assert 'hx-target="#talk-trigger"' in said.text
    [made] = comments.of_step(**on(journey), step_key="trigger")
    shown = client.post(f"{there}/comments/{made.id}", {"resolved": "1"}, htmx=True, status=200)
    assert "Open again" in shown.text
    assert "Resolved by" in client.get(f"{there}/steps/trigger").text
    sign_in("viewer")
    client.post(f"{there}/steps/trigger/comments", {"body": "Me too"}, status=403)
    assert "comment-form" not in client.get(f"{there}/steps/trigger").text


def test_who_may_not_edit_is_at_no_step(client: Any, sign_in: Any, tenant: Tenant, journey: Journey) -> None:
    viewer = sign_in("viewer")
    client.post(f"/journeys/{journey.id}/pulse", {"open": "trigger"}, htmx=True, status=200)
    other = make_user(tenant.id, "marketer")
    [found] = comments.here(**on(journey), user_id=other, name="Lindiwe")
    assert (found.user_id, found.step_key) == (viewer, None)
    client.get(f"/journeys/{journey.id}/pulse", status=405)
