"""Steps with many ways on: their settings hold a list of paths, each with a name and a key that is its exit."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

from app.infra.words import is_visible
from app.journeys.graph import NEXT

KEY = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)
RESERVED = (NEXT, "else", "holdout", "yes", "no")
MOST = 20


def keys_of(paths: object) -> list[str]:
    """Return the exits of paths as they are in settings, which may be unfinished: of each its key, each once.

    A path without a key is called by its name ("Plan B": `plan_b`), and by its place where that can't be.
    """
    found: list[str] = []
    for place, path in enumerate(paths[:MOST] if isinstance(paths, list) else [], start=1):
        given = path if isinstance(path, Mapping) else {}
        key = given.get("key") or re.sub(r"[^a-z0-9]+", "_", str(given.get("name") or "").lower()).strip("_")[:32]
        usable = isinstance(key, str) and KEY.fullmatch(key) and key not in RESERVED and key not in found
        found.append(key if usable else _free(place, found))
    return found


def _free(place: int, taken: list[str]) -> str:
    while f"path_{place}" in taken:
        place += 1
    return f"path_{place}"


def labels_of(paths: object) -> dict[str, str]:
    """Return the names of paths by their keys."""
    rows = paths if isinstance(paths, list) else []
    names = [row.get("name") if isinstance(row, Mapping) else None for row in rows]
    return {key: str(name) for key, name in zip(keys_of(paths), names, strict=False) if name}


def fresh_key() -> str:
    """Return a key for a path that is added: of another one it never was, so that nothing counted is taken for it."""
    return f"path_{secrets.token_hex(3)}"


def problem(key: str | None, name: str, all_paths: list[dict[str, Any]], place: int) -> str | None:
    """Return what is wrong with the key or the name of the path at a place, or None."""
    if key is not None and (not KEY.fullmatch(key) or key in RESERVED):
        return "Give a key of small letters, digits and “_”."
    if not is_visible(name):
        return "Give it a name."
    others = all_paths[:place]
    if key is not None and any(one.get("key") == key for one in others):
        return "Another path has the same key."
    if any(str(one.get("name")).strip().casefold() == name.strip().casefold() for one in others):
        return "Another path has the same name."
    return None
