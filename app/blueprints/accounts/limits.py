"""How often passwords may be tried and accounts made: per account and per address, in one count for pages and API."""

import hashlib
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Response, g, request
from flask_limiter import RateLimitExceeded
from flask_limiter.util import get_remote_address
from pydantic import BaseModel

from app.accounts import addresses
from app.infra.errors import UserError
from app.web.limits import limiter

P = ParamSpec("P")
R = TypeVar("R")
_ACCOUNT_SCOPE = "sign-in-account"


class TooManyTries(UserError):
    """The account or the address has used up its tries; the message tells when there will be more."""

    status = 429
    title = "Too many tries"

    def __init__(self, seconds: float) -> None:
        minutes = max(1, round(seconds / 60))
        super().__init__(f"Too many tries. Try again in {minutes} minute{'s' if minutes > 1 else ''}.")


def _account() -> str:
    return str(g.tried_account)


def _failed(response: Response) -> bool:
    return response.status_code >= 400


# Every try of an account counts before its password is looked at, so that a hundred at once are no way around; a
# sign-in that succeeds sets the count back. From one address many people may sign in: there only failures count.
_sign_in_account = limiter.shared_limit("10 per 15 minutes", scope=_ACCOUNT_SCOPE, key_func=_account, methods=["POST"])
_sign_in_address = limiter.shared_limit(
    "50 per 15 minutes", scope="sign-in-address", key_func=get_remote_address, methods=["POST"], deduct_when=_failed
)
_mails_account = limiter.shared_limit("5 per hour", scope="mail-account", key_func=_account, methods=["POST"])
_mails_address = limiter.shared_limit(
    "20 per hour", scope="mail-address", key_func=get_remote_address, methods=["POST"]
)
_new_address = limiter.shared_limit(
    "20 per hour", scope="register-address", key_func=get_remote_address, methods=["POST"]
)


def limits_sign_in(view: Callable[P, R]) -> Callable[P, R]:
    """Limit a view that checks a password by the account named in its form or body, and by address."""
    return _limited(view, _sign_in_account, _sign_in_address)


def limits_mails(view: Callable[P, R]) -> Callable[P, R]:
    """Limit a view that sends a mail to whoever is named, by account and by address."""
    return _limited(view, _mails_account, _mails_address)


def limits_registration(view: Callable[P, R]) -> Callable[P, R]:
    """Limit a view that makes accounts, by address."""
    return _limited(view, _new_address)


def forget_tries() -> None:
    """Set the count of the account that has just signed in back to none."""
    for one in limiter.current_limits:
        if _ACCOUNT_SCOPE in one.request_args:
            limiter.limiter.clear(one.limit, *one.request_args)


def _limited(view: Callable[P, R], *limits: Callable[[Callable[P, R]], Callable[P, R]]) -> Callable[P, R]:
    inner = view
    for limit in limits:
        inner = limit(inner)

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        g.tried_account = _tried(kwargs.get("body"))
        try:
            return inner(*args, **kwargs)
        except RateLimitExceeded:
            breached = limiter.current_limit
            raise TooManyTries(breached.reset_at - time.time() if breached else 60) from None

    return checked


def _tried(body: Any) -> str:
    """Return a name for the account that is tried, which keeps the address itself out of Redis."""
    typed = getattr(body, "email", "") if isinstance(body, BaseModel) else request.form.get("email", "")
    return hashlib.sha256(addresses.key(typed).encode("utf-8", "replace")).hexdigest()[:32]
