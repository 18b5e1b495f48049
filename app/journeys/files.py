"""A journey as a file: its settings, steps and notes, and what the things these name are called.

What is not here when a file comes in (a template, a segment …) is looked for by its name; what is not found stays in
the step's settings as it was, where the checks flag it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import as_id
from app.journeys import drafts, queries, service
from app.journeys.graph import BadGraph, Graph, storable
from app.journeys.kinds import portable, read_graph
from app.journeys.models import Journey
from app.journeys.settings import SETTINGS
from app.journeys.step_type import Known

LARGEST = 2_000_000
NOT_A_JOURNEY = "This file holds no journey. Choose one that was exported from here."
LEAVING = {"exit_conditions": "the conditions by which people leave", "goal": "the goal"}
"""Settings that may name what is not here, and what people call them."""
ELSEWHERE = ("name", "club_id")
"""Settings that do not go along: a name is asked for, a club is of its organisation."""

Names = Mapping[str, Mapping[str, str]]


def written(journey: Journey, graph: Graph, known: Known) -> dict[str, Any]:
    """Return a journey as its file holds it; `names` says of each id in the settings what it is called.

    Secrets to sign with stay here.
    """
    settings = {name: getattr(journey, name) for name in SETTINGS if name not in ELSEWHERE}
    settings["topic_id"] = str(journey.topic_id) if journey.topic_id else None
    kinds = _kinds(known)
    named = [*(step.config for step in graph), settings]
    found = {one: called for config in named for one in _texts(config) if (called := _called(one, kinds))}
    told = graph.with_steps(*map(portable, graph))
    return {"fairway": "journey", "name": journey.name, "settings": settings, **told.to_json(), "names": found}


def bring(*, tenant_id: UUID, actor: str, file: str, name: str = "") -> tuple[Journey, list[str]]:
    """Make a journey of a file's text; return it and what it names that is not here ("the template “Welcome”").

    Called `name`, else as in the file, with a number where that is taken. Raises Invalid with what is wrong.
    """
    data = _read(file)
    try:
        graph = read_graph(data)
    except BadGraph as refused:
        raise Invalid({"file": f"{NOT_A_JOURNEY} ({refused.message})"}) from None
    given = data.get("names")
    known = queries.known(tenant_id=tenant_id)
    here, missing = _relinked(given if isinstance(given, dict) else {}, known)
    graph = replace(graph, steps={step.key: replace(step, config=_put_right(step.config, here)) for step in graph})
    settings = _put_right(data.get("settings"), here)
    settings = {key: settings[key] for key in SETTINGS if key in settings} if isinstance(settings, dict) else {}
    settings = {key: value for key, value in settings.items() if key not in ELSEWHERE and value is not None}
    if as_id(settings.get("topic_id")) not in known.topics:
        settings.pop("topic_id", None)
    with transaction(tenant_id) as session:
        called = name.strip() or str(data.get("name") or "Journey")
        made = service.create(tenant_id=tenant_id, actor=actor, name=service.free_name(session, tenant_id, called))
        on: dict[str, Any] = {"tenant_id": tenant_id, "journey_id": made.id, "actor": actor}
        try:
            missing += _put_settings(on, settings, left_out=bool(missing))
        except (Invalid, TypeError, ValueError) as wrong:
            told = wrong.message if isinstance(wrong, Invalid) else "they are not what settings are"
            raise Invalid({"file": f"The settings in this file can't be used: {told}"}) from None
        put = service.put_graph(**on, graph=graph)
        drafts.begin_here(session, put)
        return put, missing


def _put_settings(on: Mapping[str, Any], settings: Mapping[str, Any], *, left_out: bool) -> list[str]:
    """Put settings on a journey. With `left_out` those that name what is not here are left out, and returned."""
    try:
        # What is refused is on the journey by then, and has to come off again.
        with transaction(on["tenant_id"]) as session, session.begin_nested():
            service.update_settings(**on, changes=settings)
    except Invalid as wrong:
        gone = {name for name in LEAVING if any(path.startswith(name) for path in wrong.errors)}
        if not left_out or not all(path.startswith(tuple(LEAVING)) for path in wrong.errors):
            raise
        service.update_settings(**on, changes={name: one for name, one in settings.items() if name not in gone})
        return [LEAVING[name] for name in LEAVING if name in gone]
    return []


def _read(file: str) -> Mapping[str, Any]:
    try:
        data = json.loads(file) if len(file) <= LARGEST else None
    except (ValueError, RecursionError):
        data = None
    # Steps and notes are looked at where the graph is read.
    if not isinstance(data, Mapping) or not storable([data.get("name"), data.get("settings"), data.get("names")]):
        raise Invalid({"file": NOT_A_JOURNEY})
    return data


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in settings."""
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            ahead += one.values()
        elif isinstance(one, list | tuple):
            ahead += one


def _kinds(known: Known) -> dict[str, dict[UUID, str]]:
    return {
        "template": {key: f"{one.channel}: {one.name}" for key, one in known.templates.items() if not one.archived},
        "segment": dict(known.segments),
        "topic": dict(known.topics),
        "club": dict(known.clubs),
        "journey": dict(known.journeys),
    }


def _called(text: str, kinds: Mapping[str, Mapping[UUID, str]]) -> dict[str, str] | None:
    key = as_id(text) if len(text) == 36 else None
    for kind, names in kinds.items():
        if key in names and key is not None:
            return {"kind": kind, "name": names[key]}
    return None


def _relinked(names: Names, known: Known) -> tuple[dict[str, str], list[str]]:
    """Return the ids here of things that have another id there, by that, and what is not here at all."""
    kinds = _kinds(known)
    here: dict[str, str] = {}
    missing: list[str] = []
    for old, about in names.items():
        kind, name = (str(about.get(part)) for part in ("kind", "name")) if isinstance(about, Mapping) else ("", "")
        options = kinds.get(kind, {})
        if as_id(old) in options:
            continue
        found = [key for key, one in options.items() if one == name]
        if len(found) == 1:
            here[str(old)] = str(found[0])
        elif kind in kinds:
            missing.append(f"the {kind} “{name.partition(': ')[2] or name}”")
    return here, missing


def _put_right(value: Any, here: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return here.get(value, value)
    if isinstance(value, Mapping):
        return {key: _put_right(one, here) for key, one in value.items()}
    return [_put_right(one, here) for one in value] if isinstance(value, list | tuple) else value
