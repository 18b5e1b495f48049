"""Settings → Limits, and the same over the API."""

from typing import Any

import pytest

from app.accounts.models import Tenant
from app.infra.db import transaction
from app.infra.ids import new_id
from app.messaging import policy
from app.messaging.policy import NIGHT, Cap
from tests.page_client import ApiClient, PageClient


def typed(**more: Any) -> dict[str, Any]:
    times = {f"{end}_{name}": at for name in policy.CHANNELS for end, at in (("from", "21:00"), ("to", "08:00"))}
    return times | more


def test_what_is_typed_is_kept_and_shown_again(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("owner")
    caps = {
        "cap_most": ["3", "", "1"],
        "cap_channel": ["", "", "SMS"],
        "cap_over": ["7", "", "36"],
        "cap_unit": ["days", "days", "hours"],
    }
    done = client.post("/settings/limits", data=typed(**caps, quiet_SMS="1", from_SMS="20:30"))
    assert done.status_code == 302
    known = policy.get(tenant_id=tenant.id)
    assert known.caps == (Cap(None, 3, 168), Cap("SMS", 1, 36))
    assert known.quiet_hours("EMAIL") is None
    assert f"{known.quiet_hours('SMS').starts:%H:%M}" == "20:30"  # type: ignore[union-attr]
    shown = client.get("/settings/limits").get_data(as_text=True)
    assert 'name="cap_over" value="7"' in shown
    assert 'name="cap_over" value="36"' in shown
    assert 'value="20:30"' in shown


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"cap_most": "0", "cap_over": "7"}, "Allow from 1 to 1\u00a0000 messages."),
        ({"cap_most": "x", "cap_over": "7"}, "Allow from 1 to 1\u00a0000 messages."),
        ({"cap_most": "2", "cap_over": ""}, "Count over 1 hour to 31 days."),
        ({"cap_most": "2", "cap_over": "32"}, "Count over 1 hour to 31 days."),
        ({"cap_most": "0", "cap_over": "99"}, "Allow from 1 to 1\u00a0000 messages. Count over 1 hour to 31 days."),
        (
            {"rate_most": "0", "rate_channel": "EMAIL", "rate_domain": "x", "rate_seconds": "60"},
            "Allow from 1 to 1\u00a0000\u00a0000 messages. Give a domain such as gmail.com, or none for all.",
        ),
        ({"quiet_EMAIL": "1", "from_EMAIL": "8 pm"}, "Give two times of day such as 21:00 and 08:00."),
        ({"quiet_EMAIL": "1", "from_EMAIL": "08:00"}, "Let them end at another time than they begin at."),
    ],
)
def test_what_is_wrong_stands_beside_it_and_stays_typed(
    client: PageClient, sign_in: Any, tenant: Any, wrong: dict[str, str], words: str
) -> None:
    sign_in("admin")
    before = policy.get(tenant_id=tenant.id)
    asked = {"cap_channel": "", "cap_unit": "days"} | wrong
    refused = client.post("/settings/limits", data=typed(**asked))
    assert refused.status_code == 422
    shown = refused.get_data(as_text=True)
    assert shown.count(words) == 2
    for value in wrong.values():
        assert f'value="{value}"' in shown
    assert policy.get(tenant_id=tenant.id) == before


def test_only_who_manages_settings_may(client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    client.get("/settings/limits", status=403)
    client.post("/settings/limits", data=typed(), status=403)


def test_the_api_changes_what_is_given_and_leaves_the_rest(api: ApiClient, tenant: Any) -> None:
    path = "/sending-policy"
    cap = {"channel": "EMAIL", "most": 2, "hours": 24}
    nothing = {"quiet": {}, "rates": [], "approval_above": None}
    assert api.patch(path, json={"caps": [cap]}).get_json() == {"caps": [cap]} | nothing
    night = {"from": "22:00", "to": "07:00"}
    changed = api.patch(path, json={"quiet": {"PUSH": night}}).get_json()
    assert changed == {"caps": [cap]} | nothing | {"quiet": {"PUSH": night}}
    assert api.patch(path, json={"quiet": {"PUSH": None}}).get_json()["quiet"] == {}
    assert api.patch(path, json={"caps": [cap, cap]}).status_code == 422
    assert api.patch(path, json={"caps": [cap | {"most": 0}]}).status_code == 422
    assert api.get(path).get_json() == {"caps": [cap]} | nothing


def test_who_said_nothing_has_quiet_nights_and_keeps_them_when_caps_are_said(session_tx: None) -> None:
    tenant_id = new_id()
    with transaction(tenant_id) as session:
        session.add(Tenant(id=tenant_id, name="New"))
    policy.save(tenant_id=tenant_id, actor="system", changes={"caps": []})
    known = policy.get(tenant_id=tenant_id)
    assert known.quiet_hours("SMS") == known.quiet_hours("WHATSAPP") == NIGHT
    assert known.quiet_hours("EMAIL") is None
