"""An address that asks for what there is not is refused, and says what is wrong: no page and no answer of the API shows
another list than the one asked for."""

import html
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask import Flask

from app.web.api import ENDPOINTS
from tests.house.test_tenant_walk import PLAIN, ROWS, furnish
from tests.journeys.helpers import journey, tag
from tests.page_client import ApiClient, PageClient

# Each page, and what can't be read in its address, one by one.
WRONG = {
    "/journeys": "status=GONE",
    "/journeys/{journey}/people": "since=2026-13-01&until=x&version=99999999999&week=never&way=a&flow=:b"
    "&did=danced:mail&status=GONE&converted=2",
    "/journeys/{journey}/report": "since=yesterday&until=2026-02-30&version=-1&steps=nowhere",
    "/journeys/{journey}/steps/start/people": "which=gone",
    "/journeys/recipes": "club_id=x",
    "/campaigns": "status=gone&type=gone&campaign_type=gone&show=all&sort=luck",
    "/campaigns/calendar": "month=May&month=1999-01",
    "/campaigns/{campaign}/report": "run=x&by=luck&variant=zz",
    "/campaigns/{campaign}/report/people": "what=luck&by=luck",
    "/campaigns/{campaign}/why": "customer_id=x",
    "/messages": "status=gone&reason=gone&journey=x&campaign=x&customer=x&today=2",
    "/suppressions": "reason=gone&show=all",
    "/segments": "type=gone&club=x&show=all&sort=luck",
    "/segments/{segment}": "days=5&days=x",
    "/segments/{segment}/overlap": "with=x",
    "/segments/{segment}/compare": "field=shoe_size",
    "/segments/{segment}/why": "customer_id=x",
    "/templates": "channel=PIGEON&topic=x&show=all&sort=luck",
    "/templates/snippets": "show=all",
    "/customers": "club=x",
    "/customers/{customer}": "category=gone&club=x&since=x&until=x",
    "/households": "show=all",
    "/mailbox": "channel=PIGEON",
    "/settings/events": "status=gone",
    "/settings/audit-log": "what=gone&from=x&to=x",
}
EXPORTED = ("/journeys", "/journeys/{journey}/people", "/campaigns", "/messages", "/segments", "/templates")
BACKWARDS = {
    "/journeys/{journey}/people": ("since", "until"),
    "/journeys/{journey}/report": ("since", "until"),
    "/customers/{customer}": ("since", "until"),
    "/settings/audit-log": ("from", "to"),
}


@pytest.fixture
def ids(tenant: Any) -> dict[str, Any]:
    return furnish(tenant.id) | {"journey": journey(tenant.id, [tag("start", None, "x")]).id}


def test_a_page_says_what_of_its_address_is_wrong(app: Flask, tenant: Any, ids: dict[str, Any]) -> None:
    page = PageClient(app)
    page.sign_in("owner", tenant.id)
    for path, said in WRONG.items():
        there = path.format(**ids)
        page.get(there)
        for name, value in parse_qsl(said):
            if name == "steps":
                continue  # steps there are not (any more) are told over the report
            asked = {name: value, "q": "kept"}
            told = html.unescape(page.get(there, query_string=asked, status=422).text)
            assert f"<b>{name}</b>: “{value}”" in told, (path, name)
            assert f'href="{there}?q=kept"' in told, (path, "a way on")
            part = page.get(there, query_string=asked, htmx=True, status=422).text
            assert f"<b>{name}</b>" in part, (path, name)
            assert "<html" not in part
            if path in EXPORTED:
                page.post(f"{there}/export", query_string=asked, status=422)


def test_a_time_does_not_end_before_it_begins(app: Flask, tenant: Any, ids: dict[str, Any]) -> None:
    page = PageClient(app)
    page.sign_in("owner", tenant.id)
    for path, (first, last) in BACKWARDS.items():
        asked = {first: "2026-11-22", last: "2026-11-21"}
        assert f"<b>{last}</b>" in page.get(path.format(**ids), query_string=asked, status=422).text
        page.get(path.format(**ids), query_string=asked | {last: "2026-11-22"})
        # What a date field sends while a year is typed; and the last day there is.
        page.get(path.format(**ids), query_string={first: "0002-11-22", last: "9999-12-31"})


def test_a_post_that_fails_is_told_as_before(app: Flask, tenant: Any, ids: dict[str, Any]) -> None:
    page = PageClient(app)
    page.sign_in("owner", tenant.id)
    refused = page.post("/journeys/export", query_string={"status": "GONE"}, status=422)
    assert "“GONE” is not one of the choices." in refused.text


def test_the_api_knows_every_parameter_or_says_so(api: ApiClient, ids: dict[str, Any]) -> None:
    asked = [one for one in ENDPOINTS if one.query is not None and one.method == "GET"]
    assert len(asked) > 20
    for one in asked:
        answer = api.get(_filled(one.path, ids), query_string={"misspelt": "1"})
        assert answer.status_code == 422, one.name
        assert "misspelt" in answer.get_json()["errors"], one.name


def test_the_api_refuses_a_time_that_ends_before_it_begins(api: ApiClient, ids: dict[str, Any]) -> None:
    asked = [one for one in ENDPOINTS if one.query is not None and {"since", "until"} <= one.query.model_fields.keys()]
    assert len(asked) == 4
    for one in asked:
        for since, until in (("2026-11-22", "2026-11-21"), ("2026-11-22T00:00:01Z", "2026-11-22T00:00:00Z")):
            answer = api.get(_filled(one.path, ids), query_string={"since": since, "until": until})
            assert answer.status_code == 422, one.name
        days = "analytics" in one.name or "enrollments" in one.name
        since, until = ("2026-11-22", "2026-11-21") if days else ("2026-11-22T00:00:01Z", "2026-11-22T00:00:00Z")
        answer = api.get(_filled(one.path, ids), query_string={"since": since, "until": until})
        assert answer.get_json()["errors"] == {"until": "Lies before `since`."}, one.name
        assert api.get(_filled(one.path, ids), query_string={"since": since, "until": since}).status_code == 200


def _filled(path: str, ids: dict[str, Any]) -> str:
    names = {one: str(ids[table]) for one, table in ROWS.items()} | PLAIN
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: names[found[1]], path.removeprefix("/api/v1"))
