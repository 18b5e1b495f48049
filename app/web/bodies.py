"""What is left of a body when it is answered: read to its end, so that the answer reaches who is still sending it."""

from flask import Flask, Response, request

MAX_LEFT = 16 * 1024 * 1024
"""Of a longer body the rest is not read: whoever sends so much loses the connection."""
_PIECE = 64 * 1024


def install(app: Flask) -> None:
    """Let `app` read what its views left of a body; to be called before all others that look at answers."""
    app.after_request(_read_on)


def _read_on(response: Response) -> Response:
    """Read the rest of a body that was refused unread (too large, not signed in): a server that closes on one who is
    still sending gives a broken connection, and who sends never learns why."""
    sends = request.content_length or request.headers.get("Transfer-Encoding")
    # Whoever asked first whether to go on reads the answer instead of sending.
    if sends and "100-continue" not in request.headers.get("Expect", "").lower():
        stream, left = request.environ["wsgi.input"], MAX_LEFT
        while left > 0 and (piece := stream.read(_PIECE)):
            left -= len(piece)
    return response
