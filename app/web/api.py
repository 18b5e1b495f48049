"""The API: typed endpoints under /api/v1, and the OpenAPI document that is made of them.

An operation names its method, path, permission and pydantic models; its function gets validated values as keywords and
returns a model, a dict, a Page or None. Errors are `application/problem+json`.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import orjson
from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import BadRequest

from app.infra.errors import Invalid
from app.infra.paging import Page
from app.web import idempotency
from app.web.guards import Guard
from app.web.security import csrf

Function = TypeVar("Function", bound=Callable[..., Any])
MAX_DEPTH = 60
MAX_VALUES = 20_000
"""So many values may be in a body: what is wrong with each of more would take more memory than a request may."""
MAX_SIGNS = 60_000
"""So many commas and brackets may be in a body outside its texts: more is not even read."""
# Possessive, and matched from where the last ended: each byte is read once.
_TO_NEXT_SIGN = re.compile(rb"""(?:[^",\[{]++|"(?:[^"\\]++|\\.)*+")*+[,\[{]""", re.DOTALL)
MAX_ERRORS = 100
MAX_NAME = 200
ALIASES = {"/journeys": "/flows", "/campaigns": "/automation/campaigns"}
"""Paths that answer under other first words too; the document of the API names the first only."""


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """What the OpenAPI document says of one endpoint."""

    name: str
    method: str
    path: str
    permission: str | None
    summary: str
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    returns: type[BaseModel] | None
    paged: bool
    once: bool
    status: int
    media: str | None = None


ENDPOINTS: list[Endpoint] = []


class ApiBlueprint(Blueprint):
    """A blueprint of endpoints below /api/v1, without cookies and so without CSRF tokens."""

    def __init__(self, name: str, import_name: str) -> None:
        super().__init__(name, import_name, url_prefix="/api/v1")
        csrf.exempt(self)

    def operation(
        self,
        method: str,
        path: str,
        *,
        permission: str | None,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        returns: type[BaseModel] | None = None,
        paged: bool = False,
        raw: bool = False,
        files: bool = False,
        secret: bool = False,
        status: int = 200,
        media: str | None = None,
        most_bytes: int | None = None,
        also: str | None = None,
    ) -> Callable[[Function], Function]:
        """Return a decorator that serves a function at `path`.

        It is called with `body` (or the bytes of it if `raw`), `query` and the path's values as keywords. `permission`
        None is for those who are not signed in yet. `returns` describes the answer, an item of it if `paged`. `files`:
        it takes uploads (see app.web.uploads). `media` names what a raw body is if not JSON, `most_bytes` says how long
        it may be if longer than others. A POST of somebody signed in is carried out once for each
        `Idempotency-Key`; not so a `secret` one, whose answer must not be kept. `also` is how its path ends under
        the other first words of ALIASES, if not as here.
        """

        def decorate(function: Function) -> Function:
            def answer(**path_values: Any) -> Response:
                values = dict(path_values)
                if query is not None:
                    values["query"] = _read(query, _flat_args())
                if raw:
                    values["body"] = request.get_data(cache=False)
                elif body is not None:
                    given = request.get_data(cache=False)
                    values["body"] = _read(body, parse_json(given) if given or _needed(body) else {})
                return respond(function(**values), status)

            def view(**path_values: Any) -> Response:
                if not once:
                    return answer(**path_values)
                if secret and idempotency.HEADER in request.headers:
                    raise BadRequest(f"Leave the {idempotency.HEADER} out: this answer holds a secret and is not kept.")
                return idempotency.once(partial(answer, **path_values))

            once = method == "POST" and permission is not None
            view.__name__ = function.__name__
            view.__doc__ = function.__doc__
            view.__dict__["guard"] = Guard(permission, api=True)
            view.__dict__["takes_files"] = files
            view.__dict__["most_bytes"] = most_bytes
            self.add_url_rule(path, function.__name__, view, methods=[method])
            under = [(name, other) for name, other in ALIASES.items() if path == name or path.startswith(f"{name}/")]
            for name, other in under:
                rule = other + (path.removeprefix(name) if also is None else also)
                self.add_url_rule(rule, f"{function.__name__}_also", view, methods=[method])
            summary = (function.__doc__ or function.__name__.replace("_", " ")).strip().splitlines()[0]
            name = f"{self.name}.{function.__name__}"
            ENDPOINTS.append(
                Endpoint(
                    name,
                    method,
                    f"/api/v1{path}",
                    permission,
                    summary,
                    body,
                    query,
                    returns,
                    paged,
                    once,
                    status,
                    media,
                )
            )
            return function

        return decorate


def _needed(model: type[BaseModel]) -> bool:
    """Return whether a body has to be sent: one whose fields are all optional may be left out."""
    return any(field.is_required() for field in model.model_fields.values())


def parse_json(raw: bytes) -> Any:
    """Return the JSON value of `raw`, or answer 400: not JSON, NaN, lone surrogates, NUL, nested too deep, too much."""
    refuse_masses(raw, MAX_SIGNS)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from None
    if b"\\u0000" in raw and _has_nul(value):
        raise BadRequest("The body holds a NUL character (\\u0000); remove it and send it again.")
    _check_extent(value)
    return value


def refuse_masses(raw: bytes, most: int) -> None:
    """Answer 400 where a body holds so many commas and brackets outside its strings that reading it would take much
    memory: a list of empty lists, say, takes forty times its length."""
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") <= most:
        return
    at, found = 0, 0
    while sign := _TO_NEXT_SIGN.match(raw, at):
        at, found = sign.end(), found + 1
        if found > most:
            raise BadRequest("The body holds too many values. Send less at once.")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, dict) and any("\x00" in key or _has_nul(item) for key, item in value.items())


def _check_extent(value: Any) -> None:
    """Answer 400 where a value is nested too deep or holds too many values."""
    level, found = [value], 0
    for depth in itertools.count():
        nested = [one for one in level if isinstance(one, list | dict)]
        if not nested:
            return
        if depth == MAX_DEPTH:
            raise BadRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
        level = [inner for one in nested for inner in (one.values() if isinstance(one, dict) else one)]
        found += len(level)
        if found > MAX_VALUES:
            raise BadRequest(f"The body holds more than {MAX_VALUES:,} values. Send less at once.")


def _flat_args() -> dict[str, Any]:
    return {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}


def _read(model: type[BaseModel], value: Any) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        raise Invalid(
            {
                ".".join(map(str, one["loc"]))[:MAX_NAME] or "body": one["msg"].removeprefix("Value error, ")
                for one in told
            }
        ) from None


def respond(result: Any, status: int = 200) -> Response:
    """Return `result` (model, dict, list, Page, Response or None) as a JSON answer."""
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status=204)
    return Response(orjson.dumps(_plain(result), default=str), status=status, content_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Page):
        return {"items": [_plain(item) for item in value.items], "next_cursor": value.next_cursor}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
