"""Headers every answer carries, and input that no view should ever see."""

import secrets
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, g, request
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import BadRequest

csrf = CSRFProtect()
NO_TEXT = "The form holds bytes that are no text (UTF-8). Reload the page and send it again."
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def install(app: Flask) -> None:
    """Set the security headers of `app`, its CSRF protection and its refusal of what is no text."""
    # Before the CSRF protection, which reads forms: their bytes are seen only once.
    app.before_request(_refuse_unreadable)
    csrf.init_app(app)
    app.jinja_env.globals["csp_nonce"] = nonce
    app.after_request(_headers)


def nonce() -> str:
    """Return this request's nonce, which scripts of our own pages carry."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    value: str = g.csp_nonce
    return value


def _refuse_unreadable() -> None:
    """Refuse here, once, what no view can keep: NUL characters, which PostgreSQL has in no text, and in forms bytes
    that are no UTF-8, which would be kept as something else."""
    if request.mimetype == FORMS[0] and not _is_utf8(request.get_data()):
        raise BadRequest(NO_TEXT)
    values = [request.path, *request.args.keys(), *request.args.values()]
    if request.mimetype in FORMS:
        values += [text for pair in request.form.items(multi=True) for text in pair]
        values += [text or "" for name, file in request.files.items(multi=True) for text in (name, file.filename)]
    if any("\x00" in value for value in values):
        raise BadRequest("The request holds a NUL character; remove it and send it again.")


def _is_utf8(encoded: bytes) -> bool:
    """Return whether a form as it was sent holds nothing but characters."""
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True


def allow_letters(response: Response) -> Response:
    """Let a page show letters in frames of its own: these inherit its policy, and have styles and pictures.

    Only for pages that show nothing else which somebody else wrote as HTML. Returns the response.
    """
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce()}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: https: http:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'self'"
    )
    return response


def _headers(response: Response) -> Response:
    headers = response.headers
    if response.mimetype == "text/html" and "Content-Security-Policy" not in headers:
        headers["Content-Security-Policy"] = (
            f"default-src 'self'; script-src 'self' 'nonce-{nonce()}'; style-src 'self'; "
            "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
        )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Frame-Options", "SAMEORIGIN")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
