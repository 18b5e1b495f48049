"""One URL, one template: a whole page for a browser, one named block of it for htmx."""

from typing import Any

from flask import Response, current_app, make_response, request


def is_htmx() -> bool:
    """Return whether htmx asks for a part of a page. It says nothing about who asks."""
    return request.headers.get("HX-Request") == "true"


def page(template: str, block: str | None = None, status: int = 200, **context: Any) -> Response:
    """Render `template`; for an htmx request only its named `block`, out of the same context."""
    current_app.update_template_context(context)
    found = current_app.jinja_env.get_template(template)
    if block is not None and is_htmx():
        body = "".join(found.blocks[block](found.new_context(context)))
    else:
        body = found.render(context)
    response = make_response(body, status)
    response.headers["Vary"] = "HX-Request"
    return response


def toast(response: Response, message: str, tone: str = "success", undo_url: str | None = None) -> Response:
    """Add a toast to an htmx answer; `undo_url` gives it an Undo button that POSTs there."""
    detail: dict[str, Any] = {"message": message, "tone": tone}
    if undo_url:
        detail["undo_url"] = undo_url
    # Header values are Latin-1: the JSON stays ASCII.
    response.headers["HX-Trigger"] = current_app.json.dumps({"toast": detail}, ensure_ascii=True)
    return response
