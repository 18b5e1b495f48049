"""Who may do what: one table, shown in Settings → Users and enforced on pages and API alike.

A permission is `room.verb`; a role is the set of permissions whose row names it. API keys carry permission names as
their scopes.
"""

from dataclasses import dataclass
from functools import cache

ROLES: dict[str, str] = {
    "owner": "Everything, including private notes and the other owners.",
    "admin": "Everything except private notes of others and the owners' accounts.",
    "marketer": "Builds journeys and templates, looks after customers, sends.",
    "staff": "Timelines and notes of customers; sends nothing.",
    "ops": "Queues and the sync log, without personal data.",
    "viewer": "Reads customers, journeys and messages; changes nothing.",
}

_EVERYONE = ("owner", "admin", "marketer", "staff", "ops", "viewer")
_MANAGERS = ("owner", "admin")
_BUILDERS = ("owner", "admin", "marketer")
_DESK = ("owner", "admin", "marketer", "staff")
_READERS = ("owner", "admin", "marketer", "staff", "viewer")
_CAMPAIGN_READERS = ("owner", "admin", "marketer", "viewer")
_OPERATORS = ("owner", "admin", "ops")


@dataclass(frozen=True, slots=True)
class Permission:
    """One row of the table. `grantable` tells whether an API key may carry it as a scope."""

    label: str
    roles: frozenset[str]
    grantable: bool = True


def _row(label: str, roles: tuple[str, ...], *, grantable: bool = True) -> Permission:
    return Permission(label, frozenset(roles), grantable)


PERMISSIONS: dict[str, Permission] = {
    "home.view": _row("See the home page", _EVERYONE, grantable=False),
    "account.self": _row("Manage one's own account and sign-ins", _EVERYONE, grantable=False),
    "customers.view": _row("See customers and their timelines", _READERS),
    "customers.edit": _row("Change customers' details, tags and consent", _DESK),
    "tags.manage": _row("Rename, colour, merge and delete tags", _BUILDERS),
    "customers.merge": _row("Merge customers, undo merges, decide on suggested duplicates", _DESK),
    "customers.export": _row("Export all of a person, and download it", _MANAGERS),
    "customers.erase": _row("Erase a person for good", _MANAGERS),
    "households.edit": _row("Make, change and dissolve households, decide on suggested ones", _DESK),
    "imports.view": _row("See imports and their reports", _BUILDERS),
    "imports.run": _row("Import customers from files, and undo it", _BUILDERS),
    "lists.export": _row("Download lists as CSV files", _BUILDERS, grantable=False),
    "notes.write": _row("Write notes on customers", _DESK),
    "tasks.do": _row("Do tasks about customers", _DESK, grantable=False),
    "notes.view_private": _row("Read private notes written by others", ("owner",), grantable=False),
    "journeys.view": _row("See journeys and how far people are", _CAMPAIGN_READERS),
    "journeys.edit": _row("Build and change journeys", _BUILDERS),
    "journeys.run": _row("Activate, pause and archive journeys; enrol people", _BUILDERS),
    "campaigns.view": _row("See campaigns and their numbers", _CAMPAIGN_READERS),
    "campaigns.edit": _row("Build and change campaigns", _BUILDERS),
    "campaigns.run": _row("Schedule, send, pause and cancel campaigns", _BUILDERS),
    "campaigns.approve": _row("Say the second yes to campaigns to many people", _MANAGERS, grantable=False),
    "segments.view": _row("See segments and how many are in them", _CAMPAIGN_READERS),
    "segments.edit": _row("Build, change and archive segments", _BUILDERS),
    "segments.sync": _row("Have segments pushed to other systems", _MANAGERS),
    "templates.view": _row("See message templates", _CAMPAIGN_READERS),
    "templates.edit": _row("Write and change message templates", _BUILDERS),
    "messages.view": _row("See messages sent to customers", _READERS),
    "messages.send_test": _row("Send a test message", _BUILDERS),
    "suppressions.manage": _row("Suppress addresses, and lift it again", _BUILDERS),
    "mail.receive": _row("Hand in mail that bounced or answers a message", _MANAGERS),
    "mailbox.view": _row("Read the local mailbox", _BUILDERS),
    "mailbox.empty": _row("Empty the local mailbox", _MANAGERS, grantable=False),
    "events.view": _row("See the sync log of events that came in", ("owner", "admin", "marketer", "ops")),
    "events.view_content": _row("See the personal data inside events", _BUILDERS),
    "events.retry": _row("Try failed events again", _OPERATORS),
    "events.write": _row("Send events in", _MANAGERS),
    "queues.view": _row("See queues, workers and failed jobs", _OPERATORS),
    "queues.manage": _row("Retry and remove jobs", _OPERATORS),
    "users.view": _row("See who has an account", _MANAGERS),
    "users.manage": _row("Invite people, change roles, disable accounts", _MANAGERS, grantable=False),
    "api_keys.manage": _row("Create and revoke API keys", _MANAGERS, grantable=False),
    "audit.view": _row("See the audit log: who did what", _MANAGERS),
    "settings.manage": _row("Change the organisation and its clubs", _MANAGERS),
}


@cache
def permissions_of(role: str) -> frozenset[str]:
    """Return the permissions of `role`; a role that does not exist has none."""
    return frozenset(name for name, permission in PERMISSIONS.items() if role in permission.roles)


def grantable_scopes(held: frozenset[str]) -> tuple[str, ...]:
    """Return the permissions that someone who holds `held` may give to an API key, in the table's order."""
    return tuple(name for name, permission in PERMISSIONS.items() if permission.grantable and name in held)
