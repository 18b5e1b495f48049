"""What a browser without scripts sends for a form it was shown."""

from typing import Any

import html5lib
from werkzeug.datastructures import MultiDict


def posted(html: str, **pressed: str) -> MultiDict[str, str]:
    """Return what the inputs of some HTML send, in their order, and the button that was pressed."""
    tree = html5lib.HTMLParser(namespaceHTMLElements=False).parseFragment(html)
    found = [(name, value.replace("\n", "\r\n")) for element in tree.iter() for name, value in _sent(element)]
    return MultiDict([*found, *pressed.items()])


def _value(option: Any) -> str:
    value: str | None = option.get("value")
    return "".join(option.itertext()) if value is None else value


def _sent(element: Any) -> list[tuple[str, str]]:
    name = element.get("name")
    if not name or element.get("disabled") is not None:
        return []
    match element.tag:
        case "input" if element.get("type") in ("checkbox", "radio") and element.get("checked") is None:
            return []
        case "input":
            return [(name, element.get("value") or "")]
        case "textarea":
            return [(name, element.text or "")]
        case "select":
            options = list(element.iter("option"))
            chosen = [one for one in options if one.get("selected") is not None]
            if element.get("multiple") is None:
                chosen = chosen[-1:] or options[:1]
            return [(name, _value(one)) for one in chosen]
        case _:
            return []
