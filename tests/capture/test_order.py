"""Whatever order events come in, in whatever portions: the same people, and the same known of them."""

import random
from typing import Any

import pytest

from app.capture.names import name_key, names_agree
from tests.capture.people import event, member, people, post, profiles
from tests.conftest import make_tenant

NAMES = ("Ann", "Bob", "Thandi", "Zoë", "Pieter", "Fatima")


def stream(seed: int) -> list[dict[str, Any]]:
    """Return the events of a few families: shared mailboxes, shared phones, ids that are told one by one."""
    draw = random.Random(seed)
    events: list[dict[str, Any]] = []
    for family in range(8):
        mailbox, phone = f"family{family}@example.com", f"08276889{family:02}"
        for person in range(draw.choice((1, 1, 2, 3))):
            name, born = draw.choice(NAMES), f"19{draw.randrange(40, 99)}-05-0{draw.randrange(1, 9)}"
            last_name = draw.choice((f"Botha{family}", "Smith"))
            second_number = draw.random() < 0.4
            hints = {
                "email": draw.choice((mailbox, f"person{family}{person}@example.com")),
                "phone_number": phone,
                "scl_member_id": f"M{family}{person}",
                "teetime_player_id": f"T{family}{person}",
            }
            for _ in range(draw.randrange(2, 9)):
                told = {key: hints[key] for key in draw.sample(sorted(hints), draw.randrange(1, 4))}
                number = len(events)
                kind = draw.randrange(6)
                if kind == 0 and "scl_member_id" in told:
                    told.pop("scl_member_id")
                    said = {"last_name": last_name, "membership_tier": draw.choice(("Gold", "Silver"))}
                    if draw.random() < 0.7:
                        said |= {"date_of_birth": born, "club": "Cape Links Golf Club"}
                    entry = draw.choice(("", "D")) if second_number else ""
                    events.append(member(number, name, hints["scl_member_id"] + entry, **said, **told))
                elif kind == 1:
                    events.append(event(number, "teetime.handicap.updated", {"handicap_index": number / 10}, **told))
                elif kind == 2:
                    flag = {f"{draw.choice(('email', 'sms'))}_opt_in": draw.random() < 0.5}
                    events.append(event(number, "contactPreference.updated", flag, **told))
                else:
                    events.append(event(number, payload={"amount": number}, **told))
    return events


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_arrival_does_not_matter(tenant: Any, seed: int) -> None:
    events = stream(seed)
    post(tenant, *events)
    found, known = people(tenant), profiles(tenant)
    for turn in range(3):
        other = make_tenant()
        other_events = events[:]
        draw = random.Random(100 * seed + turn)
        draw.shuffle(other_events)
        while other_events:
            portion = draw.choice((1, 2, 7, 30))
            post(other, *other_events[:portion])
            del other_events[:portion]
        assert people(other) == found
        assert profiles(other) == known


def test_names_have_keys() -> None:
    assert name_key("Dr. Elizabeth Anne") == name_key("LIZ") == "elizabeth"
    assert name_key("") is None
    assert name_key("123") is None
    assert names_agree("j", "johan")
    assert not names_agree("johan", "johanna")
