"""The readable page of an export: everything that is in the JSON beside it, in words, without a script."""

from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from jinja2 import Environment, PackageLoader, Template
from markupsafe import Markup

from app.accounts.queries import TenantInfo
from app.customers.called import called
from app.privacy.registry import TABLES

# Further rows are in the JSON: nobody reads more, and a browser should open the page on a phone.
SHOWN = 2000
# Ids say nothing to a reader, and keys and evidence the same again.
_UNSHOWN = frozenset(
    (
        *("id", "customer_id", "object_id", "object_type", "author_id", "changed_by", "note_id", "enrollment_id"),
        *("trigger_event_id", "step_key", "private_to", "winner_id", "loser_id", "merged_into_id"),
        *("key", "evidence"),
    )
)
# As the database spells them: MEMBER, in_progress.
_STATES = frozenset(("status", "category", "lifecycle_stage", "state", "reason", "exit_reason"))
_HEADINGS = {
    "club_id": "Club",
    "topic_id": "Topic",
    "journey_id": "Journey",
    "template_id": "Template",
    "household_id": "Household",
}


def render(document: dict[str, Any], info: TenantInfo) -> str:
    """Return the HTML of an export's document; times are in the organisation's zone."""
    zone = ZoneInfo(info.timezone)
    names = {id_: name for named in document["names"].values() for id_, name in named.items()}

    def words(value: Any) -> str:
        return _words(value, names, zone, info.locale)

    sections = [_section(one.holds, document["sections"][one.section], words) for one in TABLES if one.section]
    profile: dict[str, Any] = next(
        (one for one in document["sections"]["profiles"] if one["id"] == document["customer_id"]),
        {},
    )
    name = called(profile.get("first_name"), profile.get("last_name"))
    return _template().render(
        organisation=document["organisation"],
        name=name,
        made_at=words(document["made_at"]),
        zone=info.timezone.replace("_", " "),
        sections=[one for one in sections if one["rows"]],
        empty=[one["title"] for one in sections if not one["rows"]],
        left_out=document["private_notes_left_out"],
        css=Markup(files("app").joinpath("static/css/person.css").read_text()),  # noqa: S704 - our own file
        language=info.locale.partition("_")[0],
    )


@cache
def _template() -> Template:
    # The application's templates, without Flask: rooms do not know it.
    environment = Environment(loader=PackageLoader("app"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("privacy/person.html")


def _section(title: str, rows: list[dict[str, Any]], words: Any) -> dict[str, Any]:
    """Return a section's table: its columns that hold anything, and its rows in words; single rows are lists."""
    shown = rows[:SHOWN]
    columns = [name for name in (shown[0] if shown else {}) if name not in _UNSHOWN]
    columns = [name for name in columns if any(row[name] not in (None, "", [], {}) for row in shown)]
    return {
        "title": title,
        "headings": [_HEADINGS.get(name, name.replace("_", " ").capitalize()) for name in columns],
        "rows": [[_spelt(name, words(row[name])) for name in columns] for row in shown],
        "more": len(rows) - len(shown),
        "total": len(rows),
    }


def _spelt(column: str, words: str) -> str:
    return words.replace("_", " ").capitalize() if column in _STATES else words


def _words(value: Any, names: dict[str, str], zone: ZoneInfo, locale: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return "\n".join(_words(one, names, zone, locale) for one in value)
    if isinstance(value, dict):
        said = [(key, _words(one, names, zone, locale)) for key, one in value.items()]
        return "\n".join(f"{key.replace('_', ' ')}: {one}" for key, one in said if one)
    if isinstance(value, str) and len(value) >= 10 and value[:4].isdigit() and value[4] == "-":
        return names.get(value) or _moment(value, zone, locale)
    return names.get(str(value), str(value))


def _moment(value: str, zone: ZoneInfo, locale: str) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    if len(value) == 10:
        return format_date(at, "d MMM y", locale=locale)
    return format_datetime(at, "d MMM y, HH:mm", tzinfo=zone, locale=locale) if at.tzinfo else value
