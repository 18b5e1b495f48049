"""What the audit trail says, in words: each act as a sentence with a link to what it was done to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import current_app, url_for

from app.analytics.audit_log import Entry
from app.customers.called import UNNAMED
from app.infra.ids import as_id
from app.infra.words import listed
from app.web.guards import can, guard_of

SYSTEM: Final = "system"

GROUPS: dict[str, dict[str, str]] = {
    "Signing in": {
        "signed_in": "signed in",
        "signed_out": "signed out",
        "signed_out_everywhere": "signed out everywhere",
        "sign_in_failed": "failed to sign in",
        "password_changed": "changed the password",
        "password_reset_asked": "asked for a link to set a new password",
        "password_reset": "set a new password",
        "refresh_token_reused": "was signed out of the API: a refresh token was used twice",
    },
    "Users and API keys": {
        "registered": "registered {it}",
        "user_invited": "invited {it}",
        "user_invited_again": "invited {it} again",
        "invitation_withdrawn": "withdrew the invitation of {it}",
        "invitation_accepted": "accepted the invitation",
        "role_changed": "changed the role of {it}",
        "user_disabled": "disabled the account of {it}",
        "user_enabled": "enabled the account of {it}",
        "api_key_created": "made {it}",
        "api_key_revoked": "revoked {it}",
    },
    "Organisation and clubs": {
        "organisation_changed": "changed the settings of {it}",
        "club_added": "added {it}",
        "club_changed": "changed the settings of {it}",
        "closure_added": "added a closure to {it}",
        "closure_changed": "changed a closure of {it}",
        "closure_removed": "removed a closure of {it}",
    },
    "Lists": {"list.exported": "downloaded {it}"},
    "Customers": {
        "customer.added": "added {it}",
        "customer.updated": "changed details of {it}",
        "customer.merged": "merged a profile into {it}",
        "customer.unmerged": "took a merge apart of {it}",
        "merge_suggestion.dismissed": "said of two profiles that they are two people",
        "merge_suggestion.open": "took back that two profiles are two people",
        "consent.recorded": "recorded what {it} agreed to",
        "contact_point.added": "added an address or number to {it}",
        "contact_point.preferred": "chose the preferred address or number of {it}",
        "contact_point.verified": "marked an address or number of {it} as verified",
        "contact_point.unverified": "marked an address or number of {it} as not verified",
        "contact_point.removed": "removed an address or number of {it}",
        "external_id.added": "added an id in another system to {it}",
        "external_id.removed": "removed an id in another system of {it}",
    },
    "Privacy": {
        "customer.export_asked": "asked for an export of {it}",
        "customer.export_tried_again": "had the export of {it} tried again",
        "customer.export_downloaded": "downloaded the export of {it}",
        "customer.erase_asked": "asked for {it} to be erased",
        "customer.erase_tried_again": "had the erasure of {it} tried again",
        "customer.erased": "erased {it}",
    },
    "Households": {
        "household.made": "made {it}",
        "household.updated": "changed {it}",
        "household.member_added": "added people to {it}",
        "household.member_removed": "took somebody out of {it}",
        "household.role_changed": "changed a role in {it}",
        "household.dissolved": "dissolved {it}",
        "household.restored": "put {it} together again",
        "household_suggestion.dismissed": "said of a suggested household that it is none",
        "household_suggestion.open": "took back that a suggested household is none",
    },
    "Imports": {
        "import.uploaded": "uploaded {it}",
        "import.tried": "tried {it} out",
        "import.started": "started {it}",
        "import.cancelled": "cancelled {it}",
        "import.discarded": "discarded {it}",
        "import.undone": "undid {it}",
        "import_mapping.saved": "saved {it}",
        "import_mapping.deleted": "deleted {it}",
        "import_mapping.restored": "restored {it}",
    },
    "Custom fields": {
        "custom_field.created": "made {it}",
        "custom_field.changed": "changed {it}",
        "custom_field.archived": "archived {it}",
        "custom_field.restored": "restored {it}",
    },
    "Topics": {"topic.created": "made {it}", "topic.updated": "changed {it}"},
    "Tags": {
        "tag.created": "made {it}",
        "tag.changed": "changed {it}",
        "tag.merged": "merged a tag into {it}",
        "tag.deleted": "deleted {it}",
        "tag.restored": "restored {it}",
    },
    "Segments": {
        "segment.create": "made {it}",
        "segment.copy": "made {it} as a copy",
        "segment.snapshot": "made {it} as a snapshot",
        "segment.change": "changed {it}",
        "segment.add_people": "added people to {it}",
        "segment.remove_people": "took people out of {it}",
        "segment.refresh": "refreshed {it}",
        "segment.archive": "archived {it}",
        "segment.unarchive": "took {it} out of the archive",
        "segment.delete": "deleted {it}",
        "segment.sync": "set where {it} is pushed to",
        "segment.sync_push": "had {it} pushed",
        "segment.sync_remove": "stopped {it} from being pushed",
    },
    "Journeys": {
        "journey.create": "made {it}",
        "journey.update": "changed the settings of {it}",
        "journey.edit": "edited the draft of {it}",
        "journey.undo": "undid an edit of {it}",
        "journey.redo": "did an edit of {it} again",
        "journey.activate": "activated {it}",
        "journey.publish": "published {it}",
        "journey.publish_anyway": "published {it} although its checks fail",
        "journey.note_version": "wrote a note on a version of {it}",
        "journey.pause": "paused {it}",
        "journey.resume": "resumed {it}",
        "journey.archive": "archived {it}",
        "journey.retry": "had failed people of {it} tried again",
        "journey.skip_ahead": "let somebody skip ahead in {it}",
        "journey.check.save": "saved a check of {it}",
        "journey.check.change": "changed a check of {it}",
        "journey.check.delete": "deleted a check of {it}",
    },
    "Campaigns": {
        "campaign.create": "made {it}",
        "campaign.change": "changed {it}",
        "campaign.schedule": "scheduled {it}",
        "campaign.unschedule": "took {it} off its schedule",
        "campaign.start": "sent {it}",
        "campaign.pause": "paused {it}",
        "campaign.resume": "resumed {it}",
        "campaign.cancel": "cancelled {it}",
        "campaign.choose_winner": "chose the winner of {it}",
        "campaign.ask_approval": "asked for a second person’s yes to {it}",
        "campaign.approve": "approved {it}",
        "campaign.decline": "declined {it}",
        "campaign.archive": "archived {it}",
        "campaign.unarchive": "took {it} out of the archive",
        "campaign.delete": "deleted {it}",
    },
    "Templates, snippets, images": {
        "template.create": "made {it}",
        "template.copy": "made {it} as a copy",
        "template.change": "changed {it}",
        "template.restore": "brought an older version of {it} back",
        "template.archive": "archived {it}",
        "template.unarchive": "took {it} out of the archive",
        "snippet.create": "made {it}",
        "snippet.change": "changed {it}",
        "snippet.archive": "archived {it}",
        "snippet.unarchive": "took {it} out of the archive",
        "image.added": "added {it}",
        "image.deleted": "deleted {it}",
    },
    "Sending": {
        "channel.change": "changed who carries {it}",
        "sending_policy.change": "changed {it}",
        "sending_domain.add": "added {it}",
        "sending_domain.remove": "removed {it}",
        "mail_sender.set": "set {it}",
        "mail_sender.remove": "removed {it}",
        "suppression.added": "suppressed {it}",
        "suppression.lifted": "lifted the suppression of {it}",
    },
}
"""The acts by what they are about. `{it}` is the object, as `OBJECTS` says."""


@dataclass(frozen=True, slots=True)
class ObjectWords:
    """What a type of object is called, with its article; `endpoint` is its page, with its id as `argument` if any."""

    noun: str
    endpoint: str | None = None
    argument: str | None = None
    named: bool = True


OBJECTS: dict[str, ObjectWords] = {
    "api_key": ObjectWords("the API key", "accounts.api_key_list"),
    "campaign": ObjectWords("the campaign", "campaigns.show", "campaign_id"),
    "channel": ObjectWords("the channel", "channels.index"),
    "club": ObjectWords("the club", "accounts.club", "club_id"),
    "custom_field": ObjectWords("the custom field", "custom_fields.show", "field_id"),
    "customer": ObjectWords("the customer", "customers.show", "customer_id"),
    "household": ObjectWords("the household", "households.show", "household_id"),
    "household_suggestion": ObjectWords("a suggested household", named=False),
    "image": ObjectWords("the image", "content.list_images"),
    "import_mapping": ObjectWords("the mapping of imports"),
    "import_run": ObjectWords("the import", "imports.show", "import_id"),
    "journey": ObjectWords("the journey", "journeys.builder", "journey_id"),
    "list": ObjectWords("the list"),
    "mail_sender": ObjectWords("the sender", "sending.index"),
    "merge_suggestion": ObjectWords("a suggested pair", named=False),
    "segment": ObjectWords("the segment", "segments.show", "segment_id"),
    "sending_domain": ObjectWords("the sending domain", "sending.show", "domain_id"),
    "sending_policy": ObjectWords("the limits of sending", "limits.index", named=False),
    "session": ObjectWords("a session", named=False),
    "snippet": ObjectWords("the snippet", "content.edit_snippet", "snippet_id"),
    "suppression": ObjectWords("an address", "suppressions.index", named=False),
    "tag": ObjectWords("the tag", "tags.show", "tag_id"),
    "template": ObjectWords("the template", "content.show", "template_id"),
    "tenant": ObjectWords("the organisation", "accounts.organisation"),
    "topic": ObjectWords("the topic", "topics.show", "topic_id"),
    "user": ObjectWords("the user", "accounts.user", "user_id"),
}
_PEOPLE = frozenset(("customer", "household"))
# What an entry itself tells of the name, where the object is not there any more.
_NAME_KEYS = ("name", "email", "domain", "key", "channel")
# What a check's page calls what can be changed of it.
_PARTS = {
    "journey.check.change": {
        "name": "its name",
        "starts_at": "when they enter",
        "facts": "who walks",
        "event": "what lets them in",
        "meanwhile": "what happens meanwhile",
        "strictness": "what must be the same",
    },
}
_LABELS = {"anew": "What the draft does now is expected"}
# What the sentence has said, or what only machines can read.
_UNTOLD = frozenset(
    (*_NAME_KEYS, "customers", "customer", "loser", "merge", "request", "enrollment_id", "placements", "step")
)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry in words: `before` and `after` stand around the object, whose page is `url` if there is one to see."""

    entry: Entry
    who: str
    before: str
    noun: str
    name: str
    url: str | None
    after: str
    details: list[tuple[str, str]]

    @property
    def sentence(self) -> str:
        """Return what was done, without who did it."""
        what = f"{self.noun} {self.name}".strip()
        return f"{self.before}{what}{self.after}"


def line(entry: Entry) -> Line:
    """Return an entry in words."""
    phrase = _PHRASES.get(entry.action) or entry.action.replace(".", " ").replace("_", " ") + " {it}"
    before, it, after = phrase.partition("{it}")
    words = OBJECTS.get(entry.object_type) or ObjectWords(f"the {entry.object_type.replace('_', ' ')}")
    name = _name(entry) if it and words.named else ""
    return Line(
        entry=entry,
        who=_who(entry),
        before=before,
        noun=words.noun if it else "",
        name=name,
        url=_url(entry, words) if it else None,
        after=after,
        details=[
            (_label(key), said)
            for key, value in entry.detail.items()
            if _is_told(key) and (said := _said(_called(entry, key, value)))
        ],
    )


_PHRASES = {action: phrase for acts in GROUPS.values() for action, phrase in acts.items()}


def choices() -> list[tuple[str, str]]:
    """Return what the list can be narrowed to: each group, and each act of it."""
    found = []
    for group, acts in GROUPS.items():
        found.append((group, group))
        if len(acts) > 1:
            found += [(action, f"{group}: {_alone(phrase)}") for action, phrase in acts.items()]
    return found


def actions_of(chosen: str | None) -> tuple[str, ...] | None:
    """Return the acts of a choice; None for what is none of ours."""
    if chosen in GROUPS:
        return tuple(GROUPS[chosen])
    return (chosen,) if chosen in _PHRASES else None


def _alone(phrase: str) -> str:
    return " ".join(phrase.replace("{it}", "…").split())


def _who(entry: Entry) -> str:
    if entry.actor == SYSTEM:
        return "Fairway"
    if entry.actor.startswith("key:"):
        return f"The API key {entry.actor_name}" if entry.actor_name else "An API key"
    return entry.actor_name or "Somebody"


def may_name(object_type: str) -> bool:
    """Return whether whoever reads may know what an object of a type is called: who may see no customers may not."""
    return object_type not in _PEOPLE or can("customers.view")


def _name(entry: Entry) -> str:
    if not may_name(entry.object_type):
        return ""
    if entry.object_type == "customer":
        return entry.object_name or "who is not here any more"
    said = entry.object_name or next((str(entry.detail[key]) for key in _NAME_KEYS if entry.detail.get(key)), None)
    if said is None and entry.object_type == "list":
        said = entry.object_id
    return said or UNNAMED


def _url(entry: Entry, words: ObjectWords) -> str | None:
    """Return the page of the object, if it is there and whoever reads may see it."""
    if words.endpoint is None or (words.argument and entry.object_name is None):
        return None
    guard = guard_of(current_app, words.endpoint)
    if guard is None or guard.permission is None or not can(guard.permission):
        return None
    values: dict[str, Any] = {words.argument: as_id(entry.object_id)} if words.argument else {}
    return url_for(words.endpoint, **values)


def _is_told(key: str) -> bool:
    return key not in _UNTOLD and not key.endswith(("_id", "_of"))


def _called(entry: Entry, key: str, value: Any) -> Any:
    """Return what was changed as its page calls it; other details as they are."""
    parts = _PARTS.get(entry.action)
    return [parts.get(one, one) for one in value] if parts and key == "changed" and isinstance(value, list) else value


def _label(key: str) -> str:
    if key in _LABELS:
        return _LABELS[key]
    return key if key.isupper() else key.replace("_", " ").capitalize()


def _said(value: Any) -> str:
    """Return a value of an entry's details in words; ids are none."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        told = (
            (_label(str(key)), said, isinstance(one, Mapping)) for key, one in value.items() if (said := _said(one))
        )
        return "; ".join(f"{label} ({said})" if nested else f"{label}: {said}" for label, said, nested in told)
    if isinstance(value, list):
        return listed([said for one in value if (said := _said(one))])
    text = str(value)
    return "" if as_id(text) else text.replace("_", " ") if text.isidentifier() else text
