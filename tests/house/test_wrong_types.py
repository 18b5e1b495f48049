"""Values of every other type in each place of the API's bodies and queries: each is refused in words of ours, or taken;
nothing fails, and no answer speaks of Python."""

import json
import re
from collections.abc import Iterator
from typing import Any

from flask import Flask

from tests.house.test_hostile_texts import Schema, operations, put, undone
from tests.house.test_tenant_walk import furnish, paths
from tests.page_client import ApiClient

VALUES = (None, True, -1, 10**30, "x", "0000-00-00", [None], {"x": 1})
SAID = ("", "x", "-1", "9" * 30, "2026-13-45", "0001-01-01", "a:b")
PYTHON = re.compile(
    r"datetime\.|<class|NoneType|object at 0x|Traceback|not a valid |UUID\(|Decimal\(|\b(?:list|dict)\[|Error\b"
)
ROOMS = ("journeys", "enrollments", "campaigns", "templates", "snippets", "segments")
DEEPEST = 4


def places(schema: Schema, said: dict[str, Any], at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of all values in a body, the whole of it first."""
    yield at
    said = schema.plain(said)
    if len(at) == DEEPEST:
        return
    for field, inner in said.get("properties", {}).items():
        yield from places(schema, inner, (*at, field))
    if said.get("type") == "array":
        yield from places(schema, said.get("items", {}), (*at, 0))


def mistakes_of(answer: Any, what: str) -> list[str]:
    if answer.status_code >= 500:
        return [f"{what}: {answer.status_code}"]
    if answer.status_code < 400:
        return []
    said = json.dumps(answer.get_json(), ensure_ascii=False)
    return [f"{what}: {said[:300]}"] if PYTHON.search(said) else []


def test_bodies_of_other_types_are_refused_in_plain_words(app: Flask, api: ApiClient, tenant: Any) -> None:
    ids = furnish(tenant.id)
    document = api.get("/openapi.json").get_json()
    schema = Schema(document, ids)
    mistakes, sent = [], 0
    for method, named, path, said in operations(app, document, ids):
        if named.split("/")[3] not in ROOMS:
            continue
        base = schema.body(named, said)
        for at in places(schema, said):
            for value in VALUES:
                with undone(app):
                    body = put(base, at, value)
                    sent_as = {"data": json.dumps(body), "content_type": "application/json"}
                    answer = api.request(method, path.removeprefix("/api/v1"), **sent_as)
                sent += 1
                mistakes += mistakes_of(answer, f"{method} {named} {at} = {value!r}")
    assert not mistakes, "\n".join(mistakes)
    assert sent > 1000, sent


def test_queries_of_other_types_are_refused_in_plain_words(app: Flask, api: ApiClient, tenant: Any) -> None:
    ids = furnish(tenant.id)
    document = api.get("/openapi.json").get_json()
    mistakes, sent = [], 0
    for rule, path in paths(app, ids):
        named = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        said = document["paths"].get(named, {}).get("get", {})
        for name in (one["name"] for one in said.get("parameters", ()) if one["in"] == "query"):
            for value in SAID:
                answer = api.get(path.removeprefix("/api/v1"), query_string={name: value})
                sent += 1
                mistakes += mistakes_of(answer, f"GET {named}?{name}={value}")
    assert not mistakes, "\n".join(mistakes)
    assert sent > 500, sent
