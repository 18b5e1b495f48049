"""Settings → Channels: who carries texts is said on a page and over the API, and the secret is told nobody."""

from dataclasses import replace
from typing import Any

import pytest

from app.infra.config import load
from app.messaging import accounts
from tests.page_client import ApiClient, PageClient

GIVEN = {
    "carrier": "provider",
    "base_url": "https://api.provider.example/2010-04-01",
    "account_sid": "AC1",
    "auth_token": "very secret",
    "sender": "Two Oceans",
    "closing": "Reply STOP to end.",
}


def test_a_provider_is_set_up_on_a_page(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("owner")
    assert "Built-in mailbox" in client.get("/settings/channels").text
    assert "Auth token" in client.get("/settings/channels/SMS").text
    wrong = client.post(
        "/settings/channels/SMS", GIVEN | {"base_url": "http://10.0.0.1/", "account_sid": ""}, status=422
    )
    assert "must start with https://" in wrong.text
    assert "Write it: without it nothing can be sent." in wrong.text
    assert "very secret" not in wrong.text
    client.post("/settings/channels/SMS", GIVEN, status=302)
    assert "Set up" in client.get("/settings/channels").text
    shown = client.get("/settings/channels/SMS").text
    assert "One is kept." in shown
    assert "very secret" not in shown
    client.post("/settings/channels/SMS", GIVEN | {"auth_token": "", "sender": "+27110000000"}, status=302)
    account = accounts.of(tenant_id=tenant.id, channel_name="SMS")
    assert (account.secret, account.get("sender"), account.version) == ("very secret", "+27110000000", 2)
    client.get("/settings/channels/EMAIL", status=404)
    client.get("/settings/channels/PIGEON", status=404)


@pytest.mark.parametrize("carrier", ["provider", "mailbox", "none"])
@pytest.mark.parametrize(
    "aim",
    [{"base_url": "https://elsewhere.example/2010-04-01"}, {"account_sid": "AC2"}],
    ids=lambda aim: next(iter(aim)),
)
def test_a_kept_secret_goes_nowhere_else(
    client: PageClient, api: ApiClient, sign_in: Any, tenant: Any, carrier: str, aim: dict[str, str]
) -> None:
    sign_in("owner")
    client.post("/settings/channels/SMS", GIVEN, status=302)
    other = GIVEN | aim | {"carrier": carrier, "auth_token": " "}
    assert "Give it again" in client.post("/settings/channels/SMS", other, status=422).text
    refused = api.put("/channels/SMS", {"carrier": carrier, "settings": aim})
    assert refused.status_code == 422
    assert list(refused.get_json()["errors"]) == ["auth_token"]
    account = accounts.of(tenant_id=tenant.id, channel_name="SMS")
    assert (account.carrier, account.version) == ("provider", 1)
    assert account.get("base_url") == GIVEN["base_url"]
    client.post("/settings/channels/SMS", other | {"auth_token": "another"}, status=302)
    assert accounts.of(tenant_id=tenant.id, channel_name="SMS").secret == "another"


def test_only_who_manages_settings_sees_it(client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    client.get("/settings/channels", status=403)
    client.post("/settings/channels/SMS", GIVEN, status=403)


def test_over_the_api(api: ApiClient, tenant: Any) -> None:
    settings = {name: value for name, value in GIVEN.items() if name != "carrier"}
    saved = api.put("/channels/SMS", {"carrier": "provider", "settings": settings})
    assert saved.status_code == 200
    said = saved.get_json()
    assert (said["carrier"], said["has_secret"], said["settings"]["account_sid"]) == ("provider", True, "AC1")
    assert "very secret" not in saved.text
    assert "SMS" in [one["channel"] for one in api.get("/channels").get_json()["items"]]
    refused = api.put("/channels/SMS", {"carrier": "pigeon", "settings": {"x": "y"}})
    assert set(refused.get_json()["errors"]) == {"carrier", "x"}
    assert api.put("/channels/PIGEON", {"carrier": "none"}).status_code == 404


def test_letters_that_stay_here_are_told_to(client: PageClient, sign_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("admin")
    assert "The mail server" in client.get("/settings/channels").text
    staying = replace(load(), mail_stays_here=True)
    monkeypatch.setattr("app.blueprints.messaging.channels.load", lambda: staying)
    listed = client.get("/settings/channels").text
    assert "The mail server" not in listed
    assert "No letter leaves Fairway." in listed
