"""Every template is read, and none decides by kind what a kind's own file should decide."""

import re
from pathlib import Path

import pytest
from flask import Flask

TEMPLATES = Path(__file__).parents[2] / "app" / "templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))


@pytest.mark.parametrize("name", NAMES)
def test_template_parses(app: Flask, name: str) -> None:
    assert app.jinja_env.get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_no_template_asks_for_the_kind(name: str) -> None:
    source = (TEMPLATES / name).read_text()
    assert not re.search(r"(?:\.|\b)(?:kind|step_type|channel)\s*==", source), "let the kind's own file answer"


@pytest.mark.parametrize("name", NAMES)
def test_no_template_trusts_what_users_wrote(name: str) -> None:
    source = (TEMPLATES / name).read_text()
    assert "autoescape false" not in source
    assert not re.search(r"\|\s*safe\b", source), "nothing a user can influence is marked safe"


def test_numbers_of_pages_are_written_as_the_region_does() -> None:
    pages = [*TEMPLATES.rglob("*.html"), *(TEMPLATES.parent / "blueprints").rglob("*.py")]
    groups = re.compile(r"\{[^{}]*:,[.\w]*\}")
    odd = [str(path) for path in pages if path.stem != "api" and groups.search(path.read_text())]
    assert not odd, "numbers are written by `number` and `percent` of app.web.shell"


@pytest.mark.parametrize("name", NAMES)
def test_no_inline_handlers(name: str) -> None:
    source = (TEMPLATES / name).read_text()
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", source), "behaviour lives in app/static/js"
    assert "hx-on" not in source
