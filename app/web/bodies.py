"""What is left of a body when it is answered: read to its end, so that the answer reaches who is still sending it."""

from contextlib import suppress

from flask import Flask, Response, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import LimitedStream

MAX_LEFT = 16 * 1024 * 1024
"""Of a longer body the rest is not read: whoever sends so much loses the connection."""
_PIECE = 64 * 1024


def install(app: Flask) -> None:
    """Let `app` read what its views left of a body; to be called before all others that look at answers."""
    app.before_request(_end_where_it_ends)
    app.after_request(_read_on)


def _end_where_it_ends() -> None:
    """Let the body end after its length: where a server hands on the connection itself, reading on would wait."""
    if request.content_length is not None:
        request.environ["wsgi.input"] = LimitedStream(request.environ["wsgi.input"], request.content_length)


def _read_on(response: Response) -> Response:
    """Read the rest of a body that was refused unread (too large, not signed in): a server that closes on one who is
    still sending gives a broken connection, and who sends never learns why."""
    sends = request.content_length or request.headers.get("Transfer-Encoding")
    # Whoever asked first whether to go on reads the answer instead of sending.
    if sends and "100-continue" not in request.headers.get("Expect", "").lower():
        stream, left = request.environ["wsgi.input"], MAX_LEFT
        # Whoever is gone needs no answer.
        with suppress(ClientDisconnected):
            while left > 0 and (piece := stream.read(_PIECE)):
                left -= len(piece)
    return response
