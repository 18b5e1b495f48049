"""A step that two people had open: what each changed of its settings, and what was typed into one that is gone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import request

from app.blueprints.journeys import step_form
from app.blueprints.journeys.board import Board
from app.journeys import drafts, together
from app.journeys.graph import Step, storable
from app.journeys.kinds import title_of, words_of
from app.journeys.queries import NoSuchStep
from app.journeys.step_type import SEALED
from app.web.guards import current

NAME = "name"
"""What the name of a step is called among its settings."""
MINE, THEIRS = "mine", "theirs"
# What a form carries besides its settings.
_CARRIED = {"csrf_token", "act", "open", "revision", "was", "base", "sitting", "told", "has", "plan", "panel", "either",
            "either.of", "undecided", "bring_back"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clash:
    """Settings that two people changed: those to decide on as (name, label, what others made of it), and those taken.

    `config` and `name` are what both come to so far, `by` is who the others are.
    """

    config: dict[str, Any]
    name: str
    undecided: list[tuple[str, str, str]]
    taken: list[str]
    by: together.Author | None


def of_step(board: Board, key: str, config: dict[str, Any], name: str) -> Clash:
    """Return what the step as it is now and what was typed come to; the posted form says what both began with."""
    step = board.step(key)
    apart = together.told_apart(_began(), {**config, NAME: name}, _values(step), _units(step))
    merged = _with(step, {**config, NAME: name}, apart.theirs)
    return _clash(board, step, merged, apart.both, apart.theirs)


def decided(board: Board, key: str, config: dict[str, Any], name: str, act: str) -> Clash:
    """Return the same once somebody has chosen whose setting is to stay, as `act` says: "mine:duration"."""
    whose, _, chosen = act.partition(":")
    found = of_step(board, key, config, name)
    step = board.step(key)
    left = dict.fromkeys([*(one for one, _, _ in found.undecided), *request.form.getlist("undecided")])
    left.pop(chosen, None)
    merged = {**found.config, NAME: found.name}
    if whose == THEIRS:
        merged = _with(step, merged, [chosen])
    units = {unit[0] for unit in _units(step)}
    return _clash(board, step, merged, [one for one in left if one in units], [])


def _clash(board: Board, step: Step, merged: dict[str, Any], both: list[str], taken: list[str]) -> Clash:
    config = {name: value for name, value in merged.items() if name != NAME}
    by = together.author(tenant_id=board.tenant_id, journey_id=board.journey.id, asking=current().ref, step=step.key)
    undecided = [(one, _label(step, one), _said(board, step, config, one)) for one in both]
    return Clash(config, str(merged.get(NAME) or ""), undecided, [_label(step, one) for one in taken], by)


def _began() -> Mapping[str, Any] | None:
    try:
        began = json.loads(request.form.get("base", ""))
    except (ValueError, RecursionError):
        return None
    return began if isinstance(began, dict) and storable(began) else None


def _values(step: Step) -> dict[str, Any]:
    return {**step.config, NAME: step.name or ""}


def _units(step: Step) -> list[list[str]]:
    """Return the settings of a step's form; those that exclude each other are one, for two would hold at once."""
    names = [one.name for one in step_form.settings_of(step.type)]
    groups = dict.fromkeys(name for group in request.form.getlist("either.of") for name in group.split())
    excluding = [name for name in groups if name in names]
    return [*([excluding] if excluding else []), *([name] for name in names if name not in excluding), [NAME]]


def _with(step: Step, values: dict[str, Any], units: list[str]) -> dict[str, Any]:
    """Return values with some units as the step has them."""
    held = _values(step)
    names = {name for unit in _units(step) if unit[0] in units for name in unit}
    return {**{name: one for name, one in values.items() if name not in names},
            **{name: held[name] for name in names if name in held}}  # fmt: skip


def _label(step: Step, unit: str) -> str:
    return "Name on the canvas" if unit == NAME else step_form.label_of(step.type, unit) or unit


def _said(board: Board, step: Step, mine: dict[str, Any], unit: str) -> str:
    """Return what others made of a setting, in words."""
    if unit == NAME:
        return step.name or "no name"
    theirs = _with(step, mine, [unit])
    if unit == SEALED:
        return "another one" if theirs.get(unit) else "nothing"
    words = words_of(replace(step, config=theirs), board.known)
    if words != words_of(replace(step, config=mine), board.known):
        return words
    value = theirs.get(unit)
    if isinstance(value, bool) or value in (None, "", [], {}):
        return "yes" if value is True else "nothing"
    options = next((dict(one.options) for one in step_form.settings_of(step.type) if one.name == unit), {})
    return options.get(str(value), str(value)) if isinstance(value, str | int | float) else "something else"


def _texts(value: Any) -> list[str]:
    """Return what a setting says, without the names of its parts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [text for one in value for text in _texts(one)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


@dataclass(frozen=True, slots=True)
class Gone:
    """A step that somebody removed while it was open: what it was called, what was typed, all of it as it was posted.

    `undoes` says that undoing brings it back.
    """

    title: str
    typed: str
    posted: list[tuple[str, str]]
    undoes: bool


def gone(board: Board, key: str) -> Gone:
    """Return what is left of a step that the draft has no more, or raise NoSuchStep if it never had it."""
    found = drafts.removed(board.journey, key)
    if found is None:
        raise NoSuchStep
    step, undoes = found
    posted = [(name, value) for name, value in request.form.items(multi=True) if name not in _CARRIED]
    config = step_form.read(step.type, request.form, board.sources())
    words = words_of(replace(step, config=config), board.known)
    said = {_label(step, one): " ".join(_texts(value)) for one, value in config.items() if one != SEALED}
    said[_label(step, NAME)] = request.form.get(NAME, "").strip()
    lines = [words, *(f"{label}: {text}" for label, text in said.items() if text and text not in words)]
    kept = [*((name, value) for name in ("either", "either.of") for value in request.form.getlist(name)), *posted]
    return Gone(title_of(step, board.known), "\n".join(lines), kept, undoes)
