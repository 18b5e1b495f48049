"""Presets: which system a file comes from, what its columns are called, how it writes dates and money.

One preset is one file in app/capture/imports/presets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from app.infra.registry import Registry

MEMBERS, VISITS = "members", "visits"


# What a year, a month or a day is made of says by itself which it is; only figures need an order.
IN_ANY_ORDER = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y")
DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d-%m-%y", "%d.%m.%y", *IN_ANY_ORDER)


@dataclass(frozen=True, slots=True)
class Preset:
    """How one system's files are read. `columns` maps the header's names to ours (see app.capture.imports.fields).

    `kind` tells what a row is: somebody (MEMBERS) or something that happened to them (VISITS). `days` are formats of
    strptime, tried in order. `country` (ISO 3166) reads local phone numbers where the row's club does not, `currency`
    is that of amounts that name none. `by_target`: its columns may also be called by the names of targets (see
    app.capture.imports.targets).
    """

    name: str
    label: str
    kind: str
    columns: Mapping[str, str] = field(default_factory=dict)
    days: tuple[str, ...] = DAY_FIRST
    country: str | None = None
    currency: str | None = None
    about: str = ""
    by_target: bool = False


presets: Registry[Preset] = Registry("import preset")


def register(preset: Preset) -> Preset:
    """File a preset under its name."""
    return presets.register(preset.name)(preset)


@cache
def _discover() -> None:
    presets.discover("app.capture.imports.presets")


def get(name: str) -> Preset:
    """Return the preset of that name, or raise NotRegistered."""
    _discover()
    return presets.get(name)


def known() -> list[Preset]:
    """Return all presets by name."""
    _discover()
    return [preset for _, preset in presets]


OWN = Preset("own", "Own mapping", MEMBERS)
"""What stands in for a preset where the columns are mapped by hand."""
