"""rq-dashboard under /ops/rq, for those who may manage queues (app.web.guards.BLUEPRINT_PERMISSIONS).

It has no sign-in of its own, and sends a CSRF token only if it finds one in the cookie `_csrf_token`: its pages get
one, and Flask-WTF checks it. Its scripts are inline and use underscore's templates, so its pages, and only they, are
served with a looser content security policy. They show ids of tenants and jobs, never customers' data.
"""

from flask import Flask, Response, request
from flask_wtf.csrf import generate_csrf
from rq.serializers import JSONSerializer
from rq_dashboard import web
from werkzeug.exceptions import MethodNotAllowed

from app.infra.config import Config

PREFIX = "/ops/rq"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)

blueprint = web.blueprint


def install(app: Flask, config: Config) -> None:
    """Mount the dashboard in `app`, speaking to the Redis of `config`."""
    app.config.update(RQ_DASHBOARD_REDIS_URL=config.redis_url, RQ_DASHBOARD_POLL_INTERVAL=2500)
    web.config.serializer = JSONSerializer
    web.setup_rq_connection(app)
    app.register_blueprint(blueprint, url_prefix=PREFIX)
    app.after_request(_equip)
    app.before_request(_only_post_changes)


def _only_post_changes() -> None:
    # It also requeues a whole queue by GET; a link must not be able to.
    if request.endpoint == "rq_dashboard.requeue_all" and request.method != "POST":
        raise MethodNotAllowed(valid_methods=["POST"])


def _equip(response: Response) -> Response:
    if (request.endpoint or "").startswith("rq_dashboard.") and response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = POLICY
        response.set_cookie(
            "_csrf_token", generate_csrf(), path=PREFIX, samesite="Strict", secure=request.is_secure, httponly=False
        )
    return response
