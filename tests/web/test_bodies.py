"""Reading a body to its end, and not beyond it."""

import io

import pytest
from flask import Flask
from werkzeug.exceptions import BadRequest

from app.web.api import parse_json


class Connection(io.BytesIO):
    """What a plain server hands on: after the body, reading waits for the next request."""

    def read(self, size: int | None = -1, /) -> bytes:
        assert self.tell() < len(self.getvalue()), "it would wait for ever"
        return super().read(size)

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        assert self.tell() < len(self.getvalue()), "it would wait for ever"
        return super().readinto(buffer)


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/events", "/nowhere"])
def test_nobody_reads_beyond_the_end_of_a_body(app: Flask, path: str) -> None:
    body = b"email=ann%40example.com"
    answer = app.test_client().post(
        path,
        input_stream=Connection(body),
        content_length=len(body),
        content_type="application/x-www-form-urlencoded",
    )
    assert 400 <= answer.status_code < 500


def test_signs_in_texts_are_no_values() -> None:
    css = ',[{\\"' * 100_000
    assert parse_json(f'{{"css": "{css}", "x": ["\\\\", 1]}}'.encode())["x"] == ["\\", 1]


@pytest.mark.parametrize("body", [b"[" + b"[]," * 70_000 + b"1]", b'["a\\"",' + b'"",' * 70_000 + b"1]"])
def test_masses_of_values_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="too many values"):
        parse_json(body)
