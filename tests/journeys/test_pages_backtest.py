"""The page and the API of a draft that is walked over the past."""

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app.infra import clock
from app.journeys import backtest
from app.journeys.models import Journey
from tests.journeys.helpers import journey, people, send, step, template, wait
from tests.journeys.test_backtest import BOOKED, happened


@pytest.fixture
def booked(tenant: Any) -> Journey:
    return journey(
        tenant.id,
        [step("t", "TRIGGER", "hi", {"event_type": BOOKED}), send("hi", "rest", template(tenant.id)),
         wait("rest", None, "1 day")],
        active=False,
    )  # fmt: skip


def _walked(tenant_id: UUID) -> None:
    while backtest.run_batch(tenant_id=tenant_id, now=clock.now()):
        pass


def test_days_are_chosen_a_worker_walks_and_the_numbers_are_shown(
    client: Any, sign_in: Any, tenant: Any, booked: Journey
) -> None:
    sign_in("marketer")
    (thandi,) = people(tenant.id, first_name="Thandi", last_name="Mokoena")
    (refused,) = people(tenant.id, email_opt_in=False)
    for one in (thandi, refused):
        happened(tenant.id, one, clock.now() - timedelta(days=5))
    url = f"/journeys/{booked.id}/backtest"
    page = client.get(url).text
    assert f'href="{url}"' in client.get(f"/journeys/{booked.id}/rehearsal").text
    assert "Events that a file brought count too" in page
    since, until = ((clock.now() - timedelta(days=days)).date().isoformat() for days in (10, 1))
    client.post(url, {"since": since, "until": until}, status=302)
    assert "Looking who would have come in" in client.get(url).text
    _walked(tenant.id)
    text = client.get(url).text
    for words in ("2 would have come in", "1 message by E-mail", "1 skipped: The customer said no to e-mail.",
                  "Thandi Mokoena", "Through", "Messages by day: E-mail"):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        ("", "2026-01-02", "Choose a day."),
        ("1026-01-01", "2026-01-02", "Choose a day between 2000 and today."),
        ("2026-01-03", "2026-01-01", "Choose a day before the last one."),
        ("2020-01-03", "2025-01-01", "Choose a year at most."),
    ],
)
def test_what_cannot_be_walked_is_said_beside_it(
    client: Any, sign_in: Any, booked: Journey, since: str, until: str, words: str
) -> None:
    sign_in("marketer")
    answer = client.post(f"/journeys/{booked.id}/backtest", {"since": since, "until": until}, status=422)
    assert words in answer.text


def test_the_days_that_were_walked_stay_in_the_form(client: Any, sign_in: Any, booked: Journey) -> None:
    sign_in("marketer")
    today = clock.now().astimezone(ZoneInfo(booked.timezone)).date()
    url = f"/journeys/{booked.id}/backtest"
    usual = f'value="{today - backtest.USUAL}"'
    assert usual in client.get(url).text
    since, until = today - timedelta(days=50), today - timedelta(days=40)
    client.post(url, {"since": str(since), "until": str(until)}, status=302)
    text = client.get(url).text
    for day in (since, until):
        assert f'value="{day}"' in text
    assert usual not in text


def test_who_may_not_edit_journeys_may_not_walk_them(client: Any, sign_in: Any, booked: Journey) -> None:
    sign_in("viewer")
    assert client.get(f"/journeys/{booked.id}/backtest", status=403)


def test_over_the_api(api: Any, tenant: Any, booked: Journey) -> None:
    happened(tenant.id, people(tenant.id)[0], clock.now() - timedelta(days=5))
    at = f"/journeys/{booked.id}"
    asked = api.post(f"{at}/backtest", json={})
    assert asked.status_code == 202
    _walked(tenant.id)
    found = api.get(f"{at}/backtests/{asked.get_json()['id']}").get_json()
    assert (found["status"], found["total"], found["walked"]) == ("DONE", 1, 1)
    assert found["sums"]["steps"]["rest"] == {"came": 1, "passed": 1}
    assert api.get(f"{at}/backtests/{booked.id}").status_code == 404
    refused = api.post(f"{at}/backtest", json={"since": "2130-01-01T00:00:00Z"})
    assert "since" in refused.get_json()["errors"]
