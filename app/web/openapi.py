"""The OpenAPI 3.1 document, made of the endpoints' own models."""

import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.accounts.answers import MAX_KEY
from app.web.api import ENDPOINTS, Endpoint
from app.web.idempotency import HEADER

_REF = "#/components/schemas/{model}"
_ERROR_STATUSES = {400: "Not readable", 401: "Not signed in", 403: "Not allowed", 404: "Not found", 422: "Not valid"}

_IDEMPOTENCY = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": MAX_KEY},
    "description": "Of your making, a UUID say: sent again with it within 24 hours, the request is answered as before.",
}


def document() -> dict[str, Any]:
    """Return the document of every endpoint that was registered."""
    models = {model for one in ENDPOINTS for model in (one.body, one.query, one.returns) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    refs, definitions = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF)
    paths: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, path, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fairway", "version": "1", "description": "CRM and marketing automation for clubs."},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}) | {"Problem": _problem()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(one: Endpoint, path: str, refs: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.name.partition("_api")[0].partition(".")[0]],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", path)
        ],
        "responses": {str(one.status): _success(one, refs)}
        | {
            str(status): {
                "description": text,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
            for status, text in _ERROR_STATUSES.items()
        },
    }
    if one.permission is None:
        operation["security"] = []
    else:
        operation["description"] = f"Needs the permission `{one.permission}`."
    if one.once:
        operation["parameters"].append(_IDEMPOTENCY)
    if one.query is not None:
        operation["parameters"] += _query_parameters(one.query)
    if one.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": refs[(one.body, "validation")]}},
        }
    elif one.media is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {one.media: {"schema": {"type": "string", "format": "binary"}}},
        }
    return operation


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": value}
        for name, value in schema.get("properties", {}).items()
    ]


def _success(one: Endpoint, refs: Any) -> dict[str, Any]:
    if one.returns is None:
        return {"description": "Done"}
    schema = refs[(one.returns, "validation")]
    if one.paged:
        schema = {
            "type": "object",
            "required": ["items", "next_cursor"],
            "properties": {
                "items": {"type": "array", "items": schema},
                "next_cursor": {"type": ["string", "null"]},
            },
        }
    return {"description": "Done", "content": {"application/json": {"schema": schema}}}


def _problem() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["title", "status"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
