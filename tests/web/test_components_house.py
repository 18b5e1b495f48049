"""What holds for every template and every file the browser gets."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from flask import Flask

ROOT = Path(__file__).parent.parent.parent
TEMPLATES = sorted((ROOT / "app" / "templates").rglob("*.html"))
VENDOR = ROOT / "app" / "static" / "vendor"
ICONS = set(re.findall(r'id="icon-([a-z0-9-]+)"', (VENDOR / "icons.svg").read_text()))
SCRIPTS = sorted((ROOT / "app" / "static" / "js").rglob("*.js"))

# Where an icon is named: a macro called with one, or a registry's or the navigation's own word for it.
NAMED = re.compile(
    r"""(?:ui\.(?:icon|icon_button|empty_state|timeline_item)\(\s*|(?:draw_icon|[^.]icon)\(\s*|\bicon=|["']icon["']:\s*)["']([a-z0-9-]+)["']"""
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# What a template may not hold, and what to do instead.
REFUSED = {
    r"\sstyle\s*=": "set styles in css/, or from a module through element.style",
    r"<script(?![^>]*\bsrc=)(?![^>]*application/json)": "make it a module in static/js",
    r"\son[a-z]+\s*=\s*[\"']|hx-on|[\"']js:": "the content policy refuses evaluation",
    r"hx-trigger=\"[^\"]*\[": "a trigger filter is evaluated, which the content policy refuses",
    r"\bkind\s*==": "a kind says itself how it looks",
    r"""(?:\bsrc|<link[^>]*\bhref)\s*=\s*["'](?:https?:)?//""": "vendor what the browser needs",
}


def test_every_template_parses(app: Flask) -> None:
    for path in TEMPLATES:
        app.jinja_env.get_template(str(path.relative_to(ROOT / "app" / "templates")))


@pytest.mark.parametrize("pattern", REFUSED, ids=REFUSED.values())
def test_templates_hold_nothing_refused(pattern: str) -> None:
    offenders = [name_of(path) for path in TEMPLATES if re.search(pattern, path.read_text())]
    assert not offenders, REFUSED[pattern]


def test_every_named_icon_is_in_the_sprite() -> None:
    sources = [*TEMPLATES, *(ROOT / "app").rglob("*.py")]
    missing = {
        (name_of(path), icon) for path in sources for icon in NAMED.findall(path.read_text()) if icon not in ICONS
    }
    assert not missing, "add it to ICONS in scripts/vendor and run the script"


def test_vendored_files_are_those_of_the_manifest() -> None:
    packages = json.loads((VENDOR / "manifest.json").read_text())["packages"]
    listed = {file["path"]: file for package in packages for file in package["files"]}
    found = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} - {"manifest.json"}
    assert found == set(listed)
    for path, file in listed.items():
        assert hashlib.sha256((VENDOR / path).read_bytes()).hexdigest() == file["sha256"], path
    assert all(package["version"] and package["licence"] for package in packages)
    assert "://" not in (VENDOR / "manifest.json").read_text(), "where it was fetched is the fetcher's business"


def test_modules_need_no_evaluation() -> None:
    refused = r"\beval\(|new Function\(|document\.write|insertAdjacentHTML"
    assert not [name_of(path) for path in SCRIPTS if re.search(refused, path.read_text())]


def test_static_files_named_in_templates_exist() -> None:
    named = re.compile(r"""(?:filename=|ui\.module\()\s*["']([^"']+)["']\s*\)""")
    missing = {
        (name_of(path), file)
        for path in TEMPLATES
        for file in named.findall(path.read_text())
        if not (ROOT / "app" / "static" / file).is_file()
    }
    assert not missing
