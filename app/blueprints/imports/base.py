"""What the pages of imports share: their blueprint, and words for what stands in the tables."""

from uuid import UUID

from flask import Blueprint

from app.accounts import queries as accounts
from app.capture.imports import preset, targets
from app.capture.imports.fields import CONSENT
from app.capture.imports.models import ImportRun
from app.customers import custom_fields
from app.customers.facts import CHANNEL_WORDS, CONSENT_FIELDS
from app.web.guards import current

blueprint = Blueprint("imports", __name__, url_prefix="/customers/imports")
STATUS_TONES = {
    "DRAFT": "neutral",
    "PENDING": "neutral",
    "RUNNING": "info",
    "COMPLETED": "success",
    "FAILED": "danger",
    "UNDONE": "warning",
}
STATUS_LABELS = {"DRAFT": "Not begun", "PENDING": "Waiting"}
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
ENCODINGS = {
    "utf-8": "UTF-8",
    "cp1252": "Windows Western (1252)",
    "cp1250": "Windows Central European (1250)",
    "iso-8859-15": "ISO 8859-15",
    "mac_roman": "Mac Roman",
    "utf-16": "UTF-16",
}
_ELSEWHERE = {
    "scl_member_id": "Member number",
    "club_id": "Club",
    "lifecycle_stage": "Lifecycle stage",
    "tags": "Tags",
}
_CHANNELS = {column: CHANNEL_WORDS[channel] for channel, column in CONSENT_FIELDS.items()}


def source_of(run: ImportRun) -> str:
    """Return what a run's file is taken for."""
    return next((one.label for one in preset.known() if one.name == run.preset), "Own mapping")


class Words:
    """What fields and values of a report are called; the tenant's own names are read once."""

    def __init__(self) -> None:
        tenant_id = current().tenant_id
        known = targets.targets(tenant_id=tenant_id, kind=preset.MEMBERS)
        own = custom_fields.fields(tenant_id=tenant_id, archived=True)
        self._fields = {one.name: one.label for one in known} | {one.name: one.label for one in own} | _ELSEWHERE
        self._topics = {
            one.name.removeprefix(CONSENT).replace(":", " · "): one.label for one in known if one.is_consent
        }
        self._clubs = {str(club.id): club.name for club in accounts.clubs(tenant_id=tenant_id)}

    def field(self, name: str) -> str:
        """Return what a field is called."""
        if name in _CHANNELS:
            return f"Consent to {_CHANNELS[name]}"
        if name in self._topics:
            return f"Consent to {self._topics[name]}"
        return self._fields.get(name) or name.removeprefix("custom.").replace("_", " ").capitalize()

    def value(self, name: str, value: str | None) -> str:
        """Return a value as people read it; a dash for none."""
        if not value:
            return "—"
        return self._clubs.get(value, "another club") if name == "club_id" else value

    def consents(self, counted: dict[str, int]) -> list[tuple[str, str, int]]:
        """Return (what of, answer, people) for each answer a report counted."""
        found = []
        for said, count in counted.items():
            name, _, answer = said.rpartition(": ")
            found.append((self.field(name), answer, count))
        return found


def saved_id(source: str) -> UUID | None:
    """Return the saved mapping that `source` ("saved:<id>") names."""
    kind, _, name = source.partition(":")
    try:
        return UUID(name) if kind == "saved" else None
    except ValueError:
        return None
