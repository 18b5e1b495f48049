"""Every route and every API endpoint, asked with another tenant's ids by every role and by nobody.

Nothing of the other tenant may be read (its texts carry a mark that must not come back) or written (its rows' hash is
the same afterwards: an answer of 403 proves nothing if the row changed first).
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    insert,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from werkzeug.routing import Rule

from app.accounts.permissions import ROLES
from app.infra.db import Base, transaction
from app.web.api import ENDPOINTS
from tests.conftest import make_tenant
from tests.house.test_tenancy import SHARED
from tests.page_client import ApiClient, PageClient

MARK = "MARKOFTENANTA"
NOW = datetime.fromisoformat("2026-11-01T10:00:00+00:00")
STEPS = {
    "steps": [
        {
            "key": "start",
            "type": "TRIGGER",
            "name": MARK,
            "config": {"event_type": "MANUAL", "conditions": []},
            "next": "end",
        },
        {"key": "end", "type": "END", "name": MARK, "config": {}},
    ]
}
EXPERIMENT = {
    "variants": [
        {"key": key, "name": MARK, "share": 10, "templates": {}, "local_time": at, "subject": MARK}
        for key, at in (("a", "09:00"), ("b", "18:00"))
    ],
    "rule": "by_hand",
    "after_minutes": 60,
}
# Values for columns that hold words the code understands, by table and column or by column.
FIXED: dict[str, Any] = {
    "users.role": "owner",
    "users.status": "active",
    "user_session.kind": "web",
    "journey.status": "ACTIVE",
    "journey.trigger_type": "MANUAL",
    "journey.reentry": "never",
    "journey.draft": STEPS,
    "journey.timezone": "Africa/Johannesburg",
    "journey_version.graph": STEPS,
    "journey_check.expected": {"path": [], "letters": [], "end": {"status": "COMPLETED", "reason": None, "step": None}},
    "journey_check.meanwhile": [],
    "journey.send_window": {"days": ["MON"], "from": "09:00", "to": "17:00"},
    "journey.clock": "person",
    "journey.exit_event": None,
    "journey_backtest.graph": STEPS,
    "journey_backtest.status": "DONE",
    "journey_backtest.sums": {},
    "journey_backtest.sample": [],
    "journey_draft_edit.graph": STEPS,
    "journey_enrollment.current_step_key": "start",
    "journey_enrollment.status": "COMPLETED",
    "journey_enrollment_step.status": "COMPLETED",
    "journey_step_count.step_key": "start",
    "message.status": "failed",
    "message.channel": "EMAIL",
    "message.purpose": "marketing",
    "message_run.status": "paused",
    "message_run.senders": {},
    "message_run.subjects": {"a": MARK},
    "sending_policy.caps": [],
    "sending_rate.channel": "EMAIL",
    "sending_rate.domain": None,
    "sending_rate.most": 1000,
    "sending_rate.seconds": 1,
    "sending_policy.quiet": {},
    "campaign_approval.decision": None,
    "campaign_approval.seal": {},
    "campaign.type": "ONE_TIME",
    "campaign.campaign_type": "seasonal",
    "campaign.channels": ["EMAIL"],
    "campaign.channel_mode": "first",
    "campaign.timezone": "Africa/Johannesburg",
    "campaign.schedule": {"mode": "at", "start_at": "2131-01-01T09:00"},
    "campaign.status": "draft",
    "campaign.goal": {"event_type": "payment.received", "conditions": {"rules": []}, "window_days": 7},
    "campaign.experiment": EXPERIMENT,
    "campaign.cost_currency": "ZAR",
    "campaign.next_occurrence": None,
    "campaign.due_at": None,
    "campaign.archived_at": None,
    "campaign_run.occurrence": "once",
    "campaign_run.status": "completed",
    "campaign_run.content": [],
    "campaign_run.experiment": EXPERIMENT,
    "campaign_run.winner": "a",
    "campaign_run.local_at": None,
    "campaign_run.look_at": None,
    "template.channel": "EMAIL",
    "template.archived_at": None,
    "template.editor": "html",
    "template.mjml": None,
    "snippet.archived_at": None,
    "sending_domain.findings": [],
    "template_version.content": {"subject": MARK, "html": MARK, "text": MARK},
    "inbound_event.status": "failed",
    "consent.channel": "EMAIL",
    "consent.state": "subscribed",
    "consent_change.channel": "EMAIL",
    "consent_change.state": "subscribed",
    "suppression.channel": "EMAIL",
    "channel_breaker.channel": "EMAIL",
    "slowing.channel": "EMAIL",
    "suppression.reason": "manual",
    "suppression.lifted_at": None,
    "topic.archived_at": None,
    "club.timezone": "Africa/Johannesburg",
    "club.locale": "en_ZA",
    "club.country": "ZA",
    "club.currency": "ZAR",
    "customer.status": "ACTIVE",
    "customer.merged_into_id": None,
    "tag.colour": "grey",
    "custom_field.kind": "TEXT",
    "tag.deleted_at": None,
    "tag.taken_from": None,
    "customer_merge_part.moved": [],
    "merge_suggestion.status": "open",
    "household.dissolved_at": None,
    "household_member.role": "head",
    "household_suggestion.kind": "email",
    "household_suggestion.people": [],
    "household_suggestion.status": "open",
    "import_run.status": "COMPLETED",
    "import_run.on_match": "update",
    "import_run.delimiter": ",",
    "import_run.report": {},
    "segment.type": "DYNAMIC",
    "segment.criteria": {"combinator": "AND", "rules": [{"field": "first_name", "operator": "eq", "value": MARK}]},
    "segment.refresh_frequency": "DAILY",
    "segment.refreshing_since": None,
    "segment.refresh_due_at": None,
    "segment.archived_at": None,
    "segment_version.criteria": None,
    "segment_sync.shape": "WEBHOOK",
    "segment_sync.url": f"https://hooks.example.com/{MARK}",
    "segment_sync.fields": ["email"],
    "segment_sync.status": "LIVE",
    "work_count.work": "process_events",
    "privacy_request.kind": "export",
    "privacy_request.status": "COMPLETED",
    "privacy_request.report": {},
    "notice.more": 0,
    "mailbox_mail.source": f"Subject: {MARK}\r\n\r\n{MARK}".encode(),
}
# Path variables that name no row of a tenant.
PLAIN = {
    "filename": "css/app.css",
    "token": "abc.def",
    "job_id": "none",
    "step_key": "start",
    "key": "start",
    "kind": "html",
    "number": "1",
    "code": "2222222222",
    "name": "SMS",
    "channel": "sms",
}
# Which table a path variable names a row of.
ROWS = {
    "customer_id": "customer",
    "other_id": "customer",
    "merge_id": "customer_merge",
    "suggestion_id": "merge_suggestion",
    "household_id": "household",
    "household_suggestion_id": "household_suggestion",
    "closure_id": "club_closure",
    "note_id": "note",
    "notice_id": "notice",
    "journey_id": "journey",
    "enrollment_id": "journey_enrollment",
    "task_id": "task",
    "comment_id": "journey_comment",
    "backtest_id": "journey_backtest",
    "check_id": "journey_check",
    "template_id": "template",
    "message_id": "message",
    "mail_id": "mailbox_mail",
    "event_id": "inbound_event",
    "user_id": "users",
    "session_id": "user_session",
    "key_id": "api_key",
    "club_id": "club",
    "tag_id": "tag",
    "topic_id": "topic",
    "suppression_id": "suppression",
    "import_id": "import_run",
    "mapping_id": "import_mapping",
    "field_id": "custom_field",
    "request_id": "privacy_request",
    "segment_id": "segment",
    "snippet_id": "snippet",
    "domain_id": "sending_domain",
    "sender_id": "mail_sender",
    "image_id": "image",
    "campaign_id": "campaign",
    "run_id": "campaign_run",
    "point_id": "contact_point",
    "external_id": "external_id",
}


# And which else, where it may be one of several.
OTHER_ROWS = {"notice_id": "note_mention"}


def value_of(table: Table, column: Column[Any], ids: dict[str, UUID]) -> Any:
    """Return what stands in a column of tenant A's row; every text carries the mark."""
    name = f"{table.name}.{column.name}"
    if name in FIXED:
        return FIXED[name]
    for key in column.foreign_keys:
        if key.column.name == "id" and key.column.table.name != "tenant":
            return ids[key.column.table.name]
    kind = column.type
    if isinstance(kind, TSVECTOR):
        return None
    if isinstance(kind, Uuid):
        return uuid4()
    if isinstance(kind, JSONB):
        return {"mark": MARK}
    if isinstance(kind, ARRAY):
        return [] if isinstance(kind.item_type, Uuid) else [MARK]
    for type_, value in (
        (Boolean, True),
        (Integer, 1),
        (Numeric, 5),
        (DateTime, NOW),
        (Date, date(1980, 5, 5)),
        (LargeBinary, MARK.encode()),
    ):
        if isinstance(kind, type_):
            return value
    assert isinstance(kind, Text), f"{name}: teach this walk about {kind!r}"
    return f"{MARK}-{table.name}-{column.name}".lower() if "key" in column.name else f"{MARK} {column.name}"


def furnish(tenant_id: UUID) -> dict[str, UUID]:
    """Give the tenant a row in every table and return the rows' ids by table."""
    ids: dict[str, UUID] = {}
    with transaction(tenant_id) as session:
        ids["club"] = session.execute(text("SELECT id FROM club")).scalar_one()
        session.execute(text("DELETE FROM sending_policy"))
        for table in Base.metadata.sorted_tables:
            if table.name in ("tenant", "club") or table.name in SHARED:
                continue
            ids[table.name] = uuid4()
            row = {
                column.name: value_of(table, column, ids)
                for column in table.columns
                if column.computed is None and column.name not in ("tenant_id", "id")
            }
            row["tenant_id"] = tenant_id
            if "id" in table.columns and isinstance(table.columns["id"].type, Uuid):
                row["id"] = ids[table.name]
            session.execute(insert(table).values(**row))
    return ids


def fingerprint(tenant_id: UUID) -> dict[str, str]:
    """Return a hash of all of the tenant's rows, by table."""
    with transaction(tenant_id) as session:
        return {
            table.name: session.execute(
                text(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table.name} t")
            ).scalar_one()
            for table in Base.metadata.sorted_tables
            if table.name not in SHARED
        }


def paths(app: Flask, ids: dict[str, UUID]) -> Iterator[tuple[Rule, str]]:
    """Yield every rule of our own with a path made of tenant A's ids; an unknown variable fails the test."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("rq_dashboard."):
            continue  # knows wake-ups only; its guard is tested with the queues
        unknown = rule.arguments - PLAIN.keys() - ROWS.keys()
        assert not unknown, f"{rule}: say in ROWS or PLAIN what {unknown} is, so that it is walked"
        for rows in (ROWS, ROWS | OTHER_ROWS) if OTHER_ROWS.keys() & rule.arguments else (ROWS,):
            values = {name: ids[rows[name]] if name in rows else PLAIN[name] for name in rule.arguments}
            yield rule, adapter.build(rule.endpoint, values, method=next(iter(rule.methods - {"HEAD", "OPTIONS"})))


def body(ids: dict[str, UUID]) -> dict[str, Any]:
    """Return a body that points at tenant A's rows wherever a field might take an id."""
    return {name: str(ids[table]) for name, table in ROWS.items()} | {
        "name": "x",
        "first_name": "x",
        "trigger_type": "MANUAL",
        "loser_id": str(ids["customer"]),
        "customer_ids": [str(ids["customer"])],
        "members": [{"customer_id": str(ids["customer"])}],
        "role": "member",
        "steps": STEPS["steps"],
        "revision": 1,
        "body": "x",
        "subject": "x",
        "html": "x",
        "text": "x",
        "channel": "EMAIL",
        "template": str(ids["template"]),
        "club": str(ids["club"]),
        "customer": str(ids["customer"]),
        "topic": str(ids["topic"]),
        "state": "subscribed",
        "how": "in_person",
        "wording": "x",
        "reason": "manual",
        "address": "x@example.com",
    }


def _asked(rule: Rule, ids: dict[str, UUID]) -> dict[str, str]:
    """Return a query of tenant A's ids, of the parameters there are."""
    query = next((one.query for one in ENDPOINTS if rule.endpoint in (one.name, f"{one.name}_also")), None)
    named = ROWS | {"club": "club", "topic": "topic", "segment": "segment"}
    return {name: str(ids[named[name]]) for name in (query.model_fields if query else ()) if name in named}


@pytest.mark.parametrize("role", [None, *ROLES])
def test_no_route_crosses_tenants(app: Flask, role: str | None) -> None:
    a, b = make_tenant(f"{MARK} Links"), make_tenant("Tenant B")
    ids = furnish(a.id)
    before = fingerprint(a.id)
    page, api = PageClient(app), (ApiClient(app, b.id, role) if role else None)
    if role:
        page.sign_in(role, b.id)
    mistakes = []
    for rule, path in paths(app, ids):
        if rule.endpoint in ("accounts.sign_out",):
            continue  # would end the walk
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            answers = []
            if path.startswith("/api/"):
                headers = {"Authorization": f"Bearer {api.token}"} if api else {}
                asked = _asked(rule, ids) if method == "GET" else None
                sent = None if method == "GET" else body(ids)
                answers.append(
                    app.test_client().open(path, method=method, headers=headers, query_string=asked, json=sent)
                )
            else:
                for htmx in ({}, {"HX-Request": "true"}):
                    headers = {"X-CSRFToken": page.csrf()} | htmx
                    data = None if method == "GET" else body(ids)
                    answers.append(page.http.open(path, method=method, headers=headers, data=data))
            for answer in answers:
                if MARK.lower() in answer.get_data(as_text=True).lower():
                    mistakes.append(f"{method} {rule} showed tenant A's data ({answer.status_code})")
                if answer.status_code >= 500 and rule.endpoint != "health.ready":  # nobody ticks here
                    mistakes.append(f"{method} {rule} failed ({answer.status_code})")
                if rule.arguments & ROWS.keys() and answer.status_code == 200 and method != "GET":
                    mistakes.append(f"{method} {rule} said yes to another tenant's id")
                answer.close()
    assert not mistakes, "\n".join(mistakes)
    after = fingerprint(a.id)
    assert {name for name in before if before[name] != after[name]} == set()


def test_the_walk_would_notice(app: Flask) -> None:
    """The same rows, asked for by their own owner, come back with the mark: silence above means something."""
    a = make_tenant(f"{MARK} Links")
    ids = furnish(a.id)
    page, api = PageClient(app), ApiClient(app, a.id, "owner")
    reader = page.sign_in("owner", a.id)
    shown = set()
    for rule, path in paths(app, ids):
        if "GET" in rule.methods and rule.arguments & ROWS.keys():
            client = app.test_client() if path.startswith("/api/") else page.http
            headers = {"Authorization": f"Bearer {api.token}"} if path.startswith("/api/") else {}
            with client.get(path, headers=headers) as answer:
                assert answer.status_code < 500, f"{rule} failed for its own tenant"
                if MARK.lower() in answer.get_data(as_text=True).lower():
                    shown |= {ROWS[name] for name in rule.arguments & ROWS.keys()}
    assert shown >= {"customer", "journey", "template", "message", "mailbox_mail", "inbound_event"}
    more = """
        INSERT INTO notice (tenant_id, key, user_id, told_by, body, more, told_at)
        VALUES (:a, 'more', :me, 'x', 'y', 9, now())
    """
    with transaction(a.id) as session:
        session.execute(text(more), {"a": a.id, "me": reader})
        session.execute(text("UPDATE note SET deleted_at = NULL"))
        for table in ("notice", "note_mention"):
            session.execute(text(f"UPDATE {table} SET user_id = :me"), {"me": reader})
    told = page.http.get("/notices").text
    for kind in ("mentioned you on", f"tells you about <b>{MARK}", "tells you about <b>9 more people"):
        assert kind in told, kind
