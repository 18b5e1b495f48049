"""A mail server, for letters that are tried."""

from tests.messaging.conftest import sink

__all__ = ["sink"]
