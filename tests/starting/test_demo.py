"""The demo club: the same each time, there once, and about nobody who exists."""

import re
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from flask import Flask
from sqlalchemy import text

from app.accounts import passwords, sign_in
from app.cli.demo_data.history import Happening, history
from app.cli.demo_data.letters import letters
from app.cli.demo_data.people import Person, people
from app.cli.demo_data.places import PASSWORD, SEED, TENANT_ID, USERS
from app.cli.demo_data.seed import seed
from app.events import catalogue
from app.events.addresses import email_key, phone_key
from app.infra.db import transaction

# The folder's own fixtures leave the database alone; these tests need it.
from tests.conftest import clean_redis, session_tx  # noqa: F401

NOW = datetime(2026, 6, 15, 9, 30, tzinfo=UTC)
SIZE = 120
EXAMPLE = re.compile(r"(?:example\.(?:com|net|org)|[a-z0-9.-]+\.example)")


def made(size: int = 400) -> tuple[list[Person], list[Happening]]:
    random = Random(SEED)
    found = people(random, size, NOW)
    return found, history(random, found, NOW)


def test_one_seed_makes_the_same_people_and_the_same_year():
    assert made() == made()


def test_people_differ_in_what_segments_ask_for():
    found, happenings = made()
    assert {one.tier for one in found} == {"Platinum", "Gold", "Silver", "Weekday", "Junior", "Social", None}
    assert {one.club.name for one in found} == {
        "Kelp Point Golf Club",
        "Marula Ridge Country Club",
        "Inverlaggan Links",
    }
    assert any(one.is_in_family for one in found)
    said = [answer.opted_in for one in found for answer in one.answers if answer.channel == "email"]
    assert True in said
    assert False in said
    assert all(catalogue.is_known(one.type) for one in happenings)
    lately = NOW - timedelta(days=30)
    assert any(one.type == "teetime.missed" and one.at >= lately for one in happenings)
    assert all(NOW.replace(year=2025) <= one.at <= NOW for one in happenings)


def test_addresses_are_examples_and_numbers_are_valid():
    found, _ = made()
    emails = [one.email for one in found if one.email] + [user.email for user in USERS]
    assert all(EXAMPLE.fullmatch(email.partition("@")[2]) for email in emails)
    assert all(email_key(email) == email for email in emails)
    assert all(phone_key(one.phone, one.club.country) == one.phone for one in found if one.phone)
    hosts = re.findall(r"https?://([^/\"]+)", " ".join(one.html for one in letters()))
    assert all(EXAMPLE.fullmatch(host) for host in hosts)


def test_people_of_one_mailbox_have_different_first_names():
    found, _ = made(1000)
    family = [(one.email, one.first_name) for one in found if one.is_in_family]
    assert len(set(family)) == len(family)


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.role)
def test_the_password_may_be_set_by_anybody(user):
    assert passwords.check_new(PASSWORD, email=user.email) is None


def test_seeding_twice_makes_one_club(app: Flask):
    assert seed(size=SIZE, now=NOW) is True
    before = totals()
    assert seed(size=SIZE, now=NOW) is False
    assert totals() == before
    assert before["customers"] == SIZE
    assert before["merges"] == 0
    shown = app.test_cli_runner().invoke(args=["demo", "seed"])
    assert shown.exit_code == 0
    assert all(user.email in shown.output for user in USERS)
    assert PASSWORD in shown.output
    assert sign_in.check(email="Marketer@twooceans.example", password=PASSWORD).tenant_id == TENANT_ID


def test_what_is_stored_agrees_with_itself():
    seed(size=SIZE, now=NOW)
    with transaction(TENANT_ID) as session:
        wrong = {name: session.scalar(text(statement)) for name, statement in CONTRADICTIONS.items()}
    assert wrong == dict.fromkeys(CONTRADICTIONS, 0)


def totals() -> dict[str, int]:
    with transaction(TENANT_ID) as session:
        row = session.execute(
            text("""
                SELECT (SELECT count(*) FROM customer) AS customers, (SELECT count(*) FROM activity) AS activities,
                    (SELECT count(*) FROM message) AS messages, (SELECT count(*) FROM users) AS users,
                    (SELECT count(*) FROM customer_merge) AS merges
            """)
        ).one()
    return dict(row._mapping)


CONTRADICTIONS = {
    "last activities": """
        SELECT count(*) FROM customer c WHERE last_activity_at IS DISTINCT FROM (
            SELECT max(occurred_at) FROM activity a WHERE a.customer_id = c.id AND a.type <> 'message.sent')
    """,
    "consents without proof": """
        SELECT count(*) FROM customer c WHERE email_opt_in IS DISTINCT FROM (
            SELECT opted_in FROM consent_change p WHERE p.customer_id = c.id AND channel = 'EMAIL'
            ORDER BY changed_at DESC LIMIT 1)
    """,
    "addresses without contact point": """
        SELECT count(*) FROM customer c WHERE email IS NOT NULL AND NOT EXISTS (
            SELECT FROM contact_point p WHERE p.customer_id = c.id AND p.kind = 'email' AND p.key = c.email)
    """,
    "events and activities": """
        SELECT count(*) FROM activity a WHERE object_type = 'event' AND NOT EXISTS (
            SELECT FROM inbound_event e WHERE e.id = a.id AND e.id = a.object_id AND e.customer_id = a.customer_id)
    """,
    "people at steps": """
        SELECT count(*) FROM journey_step_count s WHERE active <> (
            SELECT count(*) FROM journey_enrollment e WHERE e.status = 'ACTIVE' AND e.current_step_key = s.step_key)
    """,
    "segments and members": """
        SELECT count(*) FROM segment s WHERE member_count = 0 OR member_count <> (
            SELECT count(*) FROM segment_member m WHERE m.segment_id = s.id)
    """,
    "growth that does not add up": """
        SELECT count(*) FROM (SELECT members - entered + "left" AS before, lag(members) OVER (
            PARTITION BY segment_id ORDER BY day) AS last FROM segment_day) AS one WHERE before <> last
    """,
    "segments that were not refreshed": """
        SELECT count(*) FROM segment WHERE type = 'DYNAMIC' AND (refreshed_at IS NULL OR refresh_error IS NOT NULL)
    """,
    "messages still due": "SELECT count(*) FROM message WHERE status NOT IN ('sent', 'skipped')",
    "mails to people who did not agree": """
        SELECT count(*) FROM message m JOIN customer c ON c.id = m.customer_id
        WHERE m.status = 'sent' AND c.email_opt_in IS NOT TRUE
    """,
    "events not applied": "SELECT count(*) FROM inbound_event WHERE status <> 'processed'",
}
