"""Texts made to break whoever keeps them, in every text field of the API and of the pages' forms: each is refused, or
kept exactly as it was sent; nothing fails."""

import copy
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import html5lib
from flask import Flask
from sqlalchemy import text

from app.infra.db import Base, db, transaction
from tests.conftest import make_tenant
from tests.house.test_tenant_walk import ROWS, STEPS, furnish, paths
from tests.page_client import ApiClient, PageClient

MARK = "q7q"
KEPT = f"{MARK}\u202e\U0001f3cc{MARK}"
"""An override of direction and a letter of four bytes: odd, and good text all the same."""
RAW = "@@hostile@@"
NEVER = {
    "NUL": rb"a\u0000b",
    "half a surrogate pair": rb"a\ud800b",
    "bytes that are no UTF-8": b"a\xff\xfe\xed\xa0\x80b",
}
NO_TEXTS = (b"a\x00b", b"a\xff\xfeb", b"a\xed\xa0\x80b")
LONG = "x" * 1_000_000
QUESTIONS = (f"{quote(KEPT)}%FF%ED%A0%80", "9" * 400)
# What endpoints want in their fields, where the words of the schema do not say it.
WANTED: dict[str, Any] = {
    "email": "walk@example.com",
    "phone": "+27825550111",
    "password": "a-long-password-for-walks",
    "trigger_type": "MANUAL",
    "channel": "EMAIL",
    "kind": "TEXT",
    "colour": "grey",
    "currency": "ZAR",
    "country": "ZA",
    "timezone": "Africa/Johannesburg",
    "lifecycle_stage": "MEMBER",
    "title": "Ms",
    "handicap_index": 12,
    "steps": STEPS["steps"],
    "scopes": ["events.write"],
    "topic": "news",
    "html": "<p>Hello</p>",
    "tags": ["vip"],
    "fields": {"first_name": "winner"},
    "address": "walk@example.com",
    "criteria": {"combinator": "AND", "rules": [{"field": "membership_tier", "operator": "eq", "value": "Gold"}]},
    "how": "on paper",
    "local_time": "09:00",
    "after": "2 hours",
    "send_window": {"days": ["MON"], "from": "09:00", "to": "17:00"},
}
CAMPAIGN: dict[str, Any] = {
    "schedule": {"mode": "now"},
    "goal": {"event_type": "payment.received", "conditions": {}, "window_days": 7},
    "experiment": {
        "variants": [{"name": "A", "share": 10}, {"name": "B", "share": 10, "local_time": "18:00", "subject": "Hi"}],
        "rule": "by_hand",
    },
    "cost": "12.50",
    "cost_currency": "ZAR",
    **dict.fromkeys((f"{one}_template_id" for one in ("email", "sms", "push", "whatsapp")), None),
}
CLOSURE = {"starts_on": "2026-12-25", "ends_on": "2026-12-26"}
# And what some want in fields that others have too, by the end of their path.
WANTED_AT: dict[str, dict[str, Any]] = {
    "/contact-points": {"kind": "push", "value": "token-of-a-telephone"},
    "/external-ids": {"kind": "legacy", "value": "4711"},
    "/notes": {"type": "general"},
    "/channels/{name}": {"carrier": "mailbox", "settings": {}},
    "/templates": {"editor": "html", "mjml": None},
    "/templates/{template_id}": {"editor": "html", "mjml": None, "version": None},
    "/custom-fields": {"key": "some_key"},
    "/events": {"type": "pos.purchase", "source": "walk"},
    "/journeys": {"goal": None},
    "/journeys/{journey_id}": {"goal": None},
    "/snippets": {"key": "some-key"},
    "/winner": {"variant": "a"},
    "/closures": CLOSURE,
    "/closures/{closure_id}": CLOSURE,
    "/backtest": {"since": "2026-10-01T00:00:00Z", "until": "2026-10-08T00:00:00Z"},
    "/checks": {"segment_id": None, "facts": None, "event": None},
    "/checks/{check_id}": {"anew": False},
    "/segments/{segment_id}/members": {"import_id": None, "lines": None},
    **dict.fromkeys(("/campaigns", "/campaigns/create", "/campaigns/{campaign_id}"), CAMPAIGN),
    "/campaigns/{campaign_id}/schedule": {"mode": "at", "start_at": "2131-01-01T09:00:00", "rrule": None},
}


@contextmanager
def undone(app: Flask) -> Iterator[None]:
    """Take back what the block does."""
    connection: Any = db._app_engines[app][None]
    point = connection.begin_nested()
    try:
        yield
    finally:
        db.session.remove()
        point.rollback()


class Schema:
    """The OpenAPI document, as far as it says what bodies look like."""

    def __init__(self, document: dict[str, Any], ids: dict[str, UUID]) -> None:
        self.document, self.ids = document, ids

    def body(self, path: str, schema: dict[str, Any]) -> Any:
        """Return a body that the endpoint at a path may take."""
        found = self.sample(schema)
        return found | next((more for end, more in WANTED_AT.items() if path.endswith(end)), {})

    def sample(self, schema: dict[str, Any], name: str = "") -> Any:
        """Return a value that the schema, and the name of the field, speak of."""
        if name in WANTED:
            return WANTED[name]
        schema = self.plain(schema)
        if "const" in schema or "enum" in schema:
            return schema.get("const") or schema["enum"][0]
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return {field: self.sample(inner, field) for field, inner in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.sample(schema.get("items", {}), name.removesuffix("s"))]
        if kind == "string":
            return self._words(schema, name)
        return {"integer": schema.get("minimum", 1), "number": 1, "boolean": True}.get(kind or "", {})

    def _words(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") == "uuid":
            return str(self.ids[ROWS.get(name, "customer")])
        words = {"date": "1980-05-05", "date-time": "2026-11-01T10:00:00Z"}
        return words.get(schema.get("format", ""), f"Some {name}")

    def plain(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema without references and without what stands for nothing (null)."""
        if "$ref" in schema:
            return self.plain(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        for one in schema.get("anyOf", ()):
            if one.get("type") != "null":
                return self.plain(one)
        return schema

    def texts(self, schema: dict[str, Any], at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the places of all texts that are free to be any."""
        if at and at[-1] == "criteria":
            # Groups hold groups for ever: its texts are those of one rule.
            yield from ((*at, "rules", 0, "field"), (*at, "rules", 0, "value"), (*at, "rules", 0, "operator"))
            return
        schema = self.plain(schema)
        kind = schema.get("type")
        if kind == "string" and not {"format", "enum", "const"} & schema.keys():
            yield at
        for field, inner in schema.get("properties", {}).items():
            yield from self.texts(inner, (*at, field))
        if kind == "array":
            yield from self.texts(schema.get("items", {}), (*at, 0))
        if kind == "object" and "properties" not in schema:
            # Free to hold anything: its values, and what they are called.
            yield from ((*at, "note"), (*at, RAW))


def put(body: Any, at: tuple[Any, ...], value: Any) -> Any:
    """Return the body with the value at a place in it; where the place is its last step's name, as a key."""
    if not at:
        return value
    changed = copy.deepcopy(body)
    inner = changed
    for step in at[:-1]:
        if isinstance(inner, dict) and not isinstance(inner.get(step), dict | list):
            inner[step] = {}
        inner = inner[step]
    if at[-1] == RAW:
        inner[value] = "x"
    elif isinstance(inner, list) and not inner:
        inner.append(value)
    else:
        inner[at[-1]] = value
    return changed


def raw(body: Any, hostile: bytes) -> bytes:
    return json.dumps(body).encode().replace(RAW.encode(), hostile)


def kept_otherwise(tenant_id: UUID) -> list[str]:
    """Return the tables that hold the mark, if none of them holds the whole text."""
    names = [table.name for table in Base.metadata.sorted_tables]
    ask = " UNION ALL ".join(
        f"SELECT '{one}' AS name, t::text AS said FROM {one} t WHERE t::text LIKE :mark" for one in names
    )
    with transaction(tenant_id) as session:
        rows = session.execute(text(ask), {"mark": f"%{MARK}%"}).all()
    # An array or JSON may quote the text; it has no sign that would be written otherwise.
    return [] if any(KEPT in row.said for row in rows) else [row.name for row in rows]


def operations(
    app: Flask, document: dict[str, Any], ids: dict[str, UUID]
) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield method, path, path with ids in it, and the schema of the body, of all in the OpenAPI document with one."""
    for rule, path in paths(app, ids):
        named = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for method, said in document["paths"].get(named, {}).items():
            body = said.get("requestBody", {}).get("content", {}).get("application/json")
            if method.upper() in rule.methods and body is not None:
                yield method.upper(), named, path, body["schema"]


def test_every_text_of_the_api_is_refused_or_kept_as_it_is(app: Flask) -> None:
    tenant: Any = make_tenant()
    ids = furnish(tenant.id)
    api = ApiClient(app, tenant.id, "owner")
    document = api.get("/openapi.json").get_json()
    schema = Schema(document, ids)
    mistakes, walked, taken, refused = [], 0, 0, {}

    def send(method: str, path: str, body: bytes) -> Any:
        with undone(app):
            answer = api.request(method, path.removeprefix("/api/v1"), data=body, content_type="application/json")
            kept = answer.status_code < 300 and MARK.encode() in body
            return answer, kept_otherwise(tenant.id) if kept else []

    for method, named, path, said in operations(app, document, ids):
        base = schema.body(named, said)
        answer, _ = send(method, path, json.dumps(base).encode())
        taken += answer.status_code < 300
        if answer.status_code >= 300:
            refused[f"{method} {named}"] = answer.get_json()
        for at in schema.texts(said):
            walked += 1
            for name, hostile in NEVER.items():
                answer, _ = send(method, path, raw(put(base, at, RAW), hostile))
                if not 400 <= answer.status_code < 500:
                    mistakes.append(f"{method} {named} {at}: {answer.status_code} to {name}")
            for value in (KEPT, LONG):
                answer, otherwise = send(method, path, json.dumps(put(base, at, value)).encode())
                if answer.status_code >= 500 or otherwise:
                    mistakes.append(f"{method} {named} {at}: {answer.status_code} to {value[:10]!r} {otherwise}")
    assert not mistakes, "\n".join(mistakes)
    assert walked > 120
    # Where a body is refused as it is, a text in it proves little.
    assert taken > 2 * len(refused), refused


def test_one_bad_text_costs_its_event_alone(api: ApiClient) -> None:
    def told(id_: str, note: str) -> dict[str, Any]:
        sent = {"type": "pos.purchase", "timestamp": "2026-10-01T10:00:00Z", "identity": {"email": "ann@example.com"}}
        return sent | {"id": id_, "payload": {"note": note}}

    for name, hostile in NEVER.items():
        body = raw([told(f"{name} 1", "one"), told(f"{name} 2", RAW), told(f"{name} 3", KEPT)], hostile)
        answer = api.request("POST", "/events", data=body, content_type="application/json")
        assert answer.status_code == 202, name
        fates = [one["status"] for one in answer.get_json()["results"]]
        assert fates == ["accepted", "rejected", "accepted"], name


class Form:
    """A form of a page: where it goes, and what it sends if nobody changes anything."""

    def __init__(self, action: str, element: Any) -> None:
        self.action = action
        self.values: dict[str, str] = {}
        self.texts: list[str] = []
        for control in element.iter():
            if control.tag in ("input", "textarea", "select"):
                self._add(control)

    def _add(self, control: Any) -> None:
        name, kind = control.get("name"), control.get("type", "text")
        if not name or name == "csrf_token" or kind in ("submit", "button", "file", "image", "reset"):
            return
        if kind in ("checkbox", "radio"):
            if "checked" in control.attrib:
                self.values[name] = control.get("value", "on")
            return
        self.texts.append(name)
        self.values[name] = control.get("value", "")
        if control.tag == "textarea":
            self.values[name] = control.text or ""
        elif control.tag == "select":
            options = list(control.iter("option"))
            chosen = [one for one in options if "selected" in one.attrib] or options[:1]
            self.values[name] = chosen[0].get("value", "") if chosen else ""


def forms(app: Flask, page: PageClient, ids: dict[str, UUID]) -> Iterator[Form]:
    """Yield each form that some page shows, once."""
    adapter = app.url_map.bind("localhost")
    seen = set()
    for rule, path in paths(app, ids):
        if "GET" not in rule.methods or path.startswith("/api/"):
            continue
        with page.http.get(path) as shown:
            if shown.mimetype != "text/html":
                continue
            tree = html5lib.parse(shown.text, namespaceHTMLElements=False)
        for element in tree.iter("form"):
            action = element.get("hx-post") or (element.get("method", "").lower() == "post" and element.get("action"))
            if action and action.startswith("/"):
                endpoint, _ = adapter.match(action.partition("?")[0], method="POST")
                form = Form(action, element)
                if endpoint != "accounts.sign_out" and (key := (endpoint, *sorted(form.values))) not in seen:
                    seen.add(key)
                    yield form


def test_every_text_of_the_pages_is_refused_or_kept_as_it_is(app: Flask) -> None:
    tenant: Any = make_tenant()
    ids = furnish(tenant.id)
    page = PageClient(app)
    page.sign_in("owner", tenant.id)
    token = page.csrf()
    with page.http.session_transaction() as session:
        signed_in = dict(session)
    mistakes, fields, taken = [], 0, 0

    def send(form: Form, **values: Any) -> tuple[int, list[str]]:
        # A client of its own: some forms end the session, or begin another's.
        client = app.test_client()
        with client.session_transaction() as session:
            session.update(signed_in)
        with undone(app):
            body = urlencode(form.values | values)
            headers = {"X-CSRFToken": token, "Content-Type": "application/x-www-form-urlencoded"}
            with client.post(form.action, data=body, headers=headers) as answer:
                kept = answer.status_code < 400 and KEPT in values.values()
                return answer.status_code, kept_otherwise(tenant.id) if kept else []

    unreadable = itertools.cycle(NO_TEXTS)
    for form in forms(app, page, ids):
        fields += len(form.texts)
        # Refused before any view looks at it: one of them at each form will do.
        for name, hostile in zip(form.texts[:1], unreadable, strict=False):
            status, _ = send(form, **{name: hostile})
            if status != 400:
                mistakes.append(f"{form.action} {name}: {status} to {hostile!r}")
        sent = {name: send(form, **{name: KEPT}) for name in form.texts}
        sent["everything, long"] = send(form, **dict.fromkeys(form.texts, "x" * 30_000))
        taken += sum(status < 400 for status, _ in sent.values())
        mistakes += [
            f"{form.action} {name}: {status} {otherwise}"
            for name, (status, otherwise) in sent.items()
            if status >= 500 or otherwise
        ]
    assert not mistakes, "\n".join(mistakes)
    # Where a form is refused as it is, a text in it proves little.
    assert fields > 100, fields
    assert taken > 40, taken


def test_no_question_fails(app: Flask) -> None:
    """Whatever stands after the question mark of a list: nobody's, or an answer that says what is wrong."""
    tenant: Any = make_tenant()
    ids = furnish(tenant.id)
    api, page = ApiClient(app, tenant.id, "owner"), PageClient(app)
    page.sign_in("owner", tenant.id)
    document = api.get("/openapi.json").get_json()
    mistakes = []
    for rule, path in paths(app, ids):
        if "GET" not in rule.methods or rule.endpoint == "health.ready" or rule.arguments - {"customer_id"}:
            continue
        said = document["paths"].get(re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), {}).get("get", {})
        names = {one["name"] for one in said.get("parameters", ()) if one["in"] == "query"}
        client, headers = page.http, {}
        if path.startswith("/api/"):
            client, headers = api.http, {"Authorization": f"Bearer {api.token}"}
        asked = sorted(names or {"q", "cursor", "type", "tag", "since"})
        for query in (f"{name}={hostile}" for name in asked for hostile in QUESTIONS):
            with client.get(f"{path}?{query}", headers=headers) as answer:
                if answer.status_code >= 500:
                    mistakes.append(f"{rule}?{query[:100]}: {answer.status_code}")
    assert not mistakes, "\n".join(mistakes)
