"""Every list of the API pages by key, and refuses a cursor that is not its own."""

from typing import Any
from uuid import uuid4

import pytest

from app.infra.paging import encode_cursor
from app.web.api import ENDPOINTS
from tests.page_client import ApiClient

CURSORS = ("nonsense", encode_cursor("x"), encode_cursor(7), encode_cursor("x", "y"), encode_cursor("x", "y", "z"))


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_of_somebody_else_is_refused(api: ApiClient, cursor: str) -> None:
    lists = [one for one in ENDPOINTS if one.paged]
    assert lists
    for one in lists:
        path = one.path.removeprefix("/api/v1")
        answer = api.get(_filled(path), query_string={"cursor": cursor})
        assert answer.status_code in (400, 404), f"{one.name}: {answer.status_code}"


def test_an_empty_cursor_is_the_first_page(api: ApiClient, tenant: Any) -> None:
    for one in ENDPOINTS:
        if one.paged and "<" not in one.path:
            assert api.get(one.path.removeprefix("/api/v1"), query_string={"cursor": ""}).status_code == 200, one.name


def _filled(path: str) -> str:
    head, mark, rest = path.partition("<")
    return f"{head}{uuid4()}{rest.partition('>')[2]}" if mark else path
