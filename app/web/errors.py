"""Every refusal and failure as a page, a toast for htmx, or `application/problem+json` (RFC 9457) for the API."""

import logging
from typing import Any
from uuid import uuid4

import orjson
from flask import Flask, Response, g, render_template, request
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from app.infra.errors import UserError
from app.web import htmx

log = logging.getLogger(__name__)
PAGES = {400, 401, 403, 404, 413, 429, 500}


def install(app: Flask) -> None:
    """Answer all errors of `app`, the unforeseen too."""
    app.register_error_handler(UserError, _refused)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(OperationalError, _database_gone)
    app.register_error_handler(Exception, _unforeseen)


def is_api() -> bool:
    """Return whether the request is one of the API's."""
    return request.path.startswith("/api/")


def problem(status: int, title: str, detail: str | None, errors: Any = None, **more: Any) -> Response:
    """Return a problem document; `errors` is a mapping of field to message, or a list of {field, message}."""
    document: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        document["detail"] = detail
    if errors:
        document["errors"] = errors
    return Response(orjson.dumps(document | more), status=status, content_type="application/problem+json")


def answer(status: int, title: str, detail: str | None, errors: Any = None, reference: str | None = None) -> Response:
    """Return the refusal in the form its asker understands."""
    if is_api():
        response = problem(status, title, detail, errors, **({"reference": reference} if reference else {}))
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response
    if htmx.is_htmx():
        return htmx.toast(Response(status=status), detail or title, tone="danger")
    shown = status if status in PAGES else (500 if status >= 500 else 400)
    return Response(render_template(f"errors/{shown}.html", reason=detail, reference=reference), status=status)


def _refused(error: UserError) -> Response:
    asked = {name: told for name, told in error.errors.items() if name in request.args}
    if asked and request.method == "GET" and not is_api():
        return htmx.page("errors/address.html", block="told", status=error.status, wrong=asked)
    return answer(error.status, error.title, error.message, error.errors)


def _csrf(_error: CSRFError) -> Response:
    response = answer(400, "Form expired", "This form had expired. Reload the page and send it again.")
    response.headers["X-Form-Expired"] = "1"  # a page that can take over another token does, and asks again
    return response


def _http(error: HTTPException) -> Response:
    code = error.code or 500
    if code < 400:
        return error.get_response()  # type: ignore[return-value]
    response = answer(code, error.name, error.description if is_api() or code not in PAGES else None)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _database_gone(error: OperationalError) -> Response:
    log.error("The database does not serve %s %s: %s", request.method, request.path, error.orig)
    text = "The database does not answer just now; nothing of this request was saved. Try again in a few seconds."
    response = answer(503, "Not available", text)
    response.headers["Retry-After"] = "5"
    return response


def _unforeseen(error: Exception) -> Response:
    reference = g.setdefault("reference", uuid4().hex[:12])
    log.error("Unforeseen error %s at %s %s", reference, request.method, request.path, exc_info=error)
    text = "Something failed on our side; nothing you typed was saved. Try again, or tell us the reference."
    return answer(500, "Internal error", text, reference=reference)
