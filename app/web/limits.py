"""Request limits, counted in Redis so that all processes share them; without Redis each counts for itself."""

from flask import Flask
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from app.infra.config import Config

limiter = Limiter(key_func=get_remote_address)


def install(app: Flask, config: Config) -> None:
    """Connect the limiter of `app`; in tests it counts in the process."""
    # What redis-py calls unix:// is redis+unix:// here.
    shared = config.redis_url.replace("unix://", "redis+unix://", 1)
    app.config.update(
        RATELIMIT_STORAGE_URI="memory://" if config.env == "test" else shared,
        RATELIMIT_STORAGE_OPTIONS={} if config.env == "test" else {"socket_connect_timeout": 1, "socket_timeout": 1},
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=config.env != "test",
        # A fixed window would let twice as many through around its end.
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_HEADERS_ENABLED=True,
        RATELIMIT_SWALLOW_ERRORS=False,
    )
    limiter.init_app(app)
