"""What should be looked at before a letter is sent: pictures, links, size, the subject, and merge tags without a value.

Findings are advice with a severity. What can't be sent at all is refused when a template is saved.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, func, or_, select

from app.content import snippets
from app.content.kind import kind_of
from app.content.letters import LetterSource, RenderedLetter
from app.content.liquid import TemplateProblem, compile_source, names
from app.content.markup import Reader
from app.content.masks import TAG
from app.content.merge_tags import CUSTOMER_FIELDS, FILLED, LINKS, OF_JOURNEYS, is_filled
from app.content.texts import links_in, size_of
from app.customers import custom_fields
from app.customers.models import ContactPoint, Customer
from app.infra.db import transaction

CLIPPED_AT = 102 * 1024
"""Gmail cuts a letter here, and with it the unsubscribe link at its end."""
LONG_SUBJECT = 70
MANY_EXCLAMATIONS = 2
FEW_WORDS = 15
LONG_TEXT = 3
"""So many SMS are as many as people like to pay for."""

_SHOUTED = re.compile(r"\b[A-Z]{2,}\b")
_PRETENDED = re.compile(r"\s*(re|fwd?|aw|wg)\s*:", re.IGNORECASE)
_FIELD = re.compile(r"\bcustomer\.(?:custom\.(?P<own>[a-z0-9_]+)|(?P<field>[a-z_]+))")
_DEFAULT = re.compile(r"\|\s*default\s*:")
_COUNTED = frozenset(CUSTOMER_FIELDS) - {"tags", "custom"}


class Severity(StrEnum):
    """How much a finding matters: mend a PROBLEM, think about a WARNING, know a HINT."""

    PROBLEM = "problem"
    WARNING = "warning"
    HINT = "hint"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at; `about` is its name for machines, `where` the place in the letter, if it has one."""

    severity: Severity
    about: str
    message: str
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A merge tag without a default, and for how many of the people it has no value."""

    tag: str
    people: int
    of: int


class _Seen(Reader):
    def __init__(self) -> None:
        self.pictures: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.unseen: set[str] = set()

    def handle_starttag(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "img":
            self.pictures.append(attributes)
        elif tag == "a":
            self.links.append((attributes.get("href") or "").strip())
        elif tag in ("script", "form", "iframe", "object", "video", "audio", "base"):
            self.unseen.add(f"<{tag}>")
        elif tag == "meta" and (attributes.get("http-equiv") or "").strip().lower() == "refresh":
            self.unseen.add("<meta> that leads on to another page")


def of_letter(letter: RenderedLetter, source: LetterSource) -> list[Finding]:
    """Return what should be looked at in a letter as one reader gets it, what matters most first."""
    found = [*_of_subject(letter.subject)]
    if letter.html is not None:
        found += _of_html(letter.html, letter.text)
        if not source.preheader and "mj-preview" not in (source.html or ""):
            found.append(
                Finding(Severity.HINT, "preheader", "Without a preheader mailboxes show how the letter begins.")
            )
    said = "".join(part or "" for part in (source.html, source.text))
    if "unsubscribe_url" not in said:
        message = "The letter has no unsubscribe link of its own; one is put at its end when it is sent as marketing."
        found.append(Finding(Severity.HINT, "unsubscribe", message))
    return _in_order(found)


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(findings, key=lambda one: order.index(one.severity))


def of_message(channel: str, letter: RenderedLetter, source: LetterSource) -> list[Finding]:
    """Return what should be looked at in a message of any channel as one reader gets it."""
    if not kind_of(channel).bare:
        return of_letter(letter, source)
    return [*_of_links([url.rstrip(".,;:!?)") for url in links_in(letter.text)]), *_of_size(channel, letter.text)]


def of_template(tenant_id: UUID, channel: str, letter: RenderedLetter, source: LetterSource) -> list[Finding]:
    """Return what should be looked at in a template: its message as one reader gets it, and names nothing fills in."""
    return _in_order([*of_message(channel, letter, source), *unfilled(tenant_id=tenant_id, source=source)])


def _of_size(channel: str, text: str) -> list[Finding]:
    if not kind_of(channel).counted:
        return []
    size = size_of(text)
    found = []
    if size.odd and size.parts > 0:
        signs = " ".join(size.odd[:10])
        message = f"Not in the alphabet of SMS: {signs}. With them 70 characters fit into one, without them 160."
        found.append(Finding(Severity.HINT, "alphabet", message))
    if size.parts > LONG_TEXT:
        found.append(Finding(Severity.WARNING, "size", f"It takes {size.parts} SMS, and each is paid for."))
    return found


def of_problems(problems: Mapping[str, str]) -> list[Finding]:
    """Return what keeps a template from becoming a letter at all, each by the part it is in."""
    return [Finding(Severity.PROBLEM, "unreadable", problem, part) for part, problem in problems.items()]


def _of_subject(subject: str) -> list[Finding]:
    found = []
    if not subject:
        found.append(Finding(Severity.PROBLEM, "subject", "The subject is empty for this reader."))
    if len(subject) > LONG_SUBJECT:
        message = f"The subject has {len(subject)} characters; phones show about {LONG_SUBJECT} at most."
        found.append(Finding(Severity.HINT, "subject", message))
    letters = [sign for sign in subject if sign.isalpha()]
    if len(_SHOUTED.findall(subject)) > 1 and sum(sign.isupper() for sign in letters) > len(letters) / 2:
        found.append(Finding(Severity.WARNING, "subject", "The subject is written in capitals, as spam is."))
    if subject.count("!") >= MANY_EXCLAMATIONS or re.search(r"[!?$€£]{2,}", subject):
        found.append(Finding(Severity.WARNING, "subject", "The subject has many exclamation marks, as spam has."))
    if _PRETENDED.match(subject):
        message = "The subject looks like an answer to something nobody wrote; spam filters mind that."
        found.append(Finding(Severity.WARNING, "subject", message))
    return found


def _of_html(html: str, words: str) -> list[Finding]:
    reader = _Seen()
    reader.feed(html)
    found = [*_of_pictures(reader.pictures), *_of_links(reader.links)]
    size = len(html.encode())
    if size > CLIPPED_AT:
        message = f"The letter has {size // 1024} kB. Gmail cuts it at {CLIPPED_AT // 1024}, the unsubscribe link too."
        found.append(Finding(Severity.WARNING, "size", message))
    if reader.pictures and len(words.split()) < FEW_WORDS:
        message = "The letter is little else than pictures: many readers don't see them, and spam filters mind."
        found.append(Finding(Severity.WARNING, "words", message))
    if reader.unseen:
        told = ", ".join(sorted(reader.unseen))
        found.append(Finding(Severity.WARNING, "markup", f"Mail programs leave out {told}."))
    return found


def _of_pictures(pictures: Sequence[dict[str, str | None]]) -> list[Finding]:
    found = []
    unchosen = sum(1 for one in pictures if not (one.get("src") or "").startswith(("http://", "https://")))
    if unchosen:
        message = f"{_many(unchosen, 'picture has', 'pictures have')} no address on the web, and will not be seen."
        found.append(Finding(Severity.PROBLEM, "pictures", message))
    silent = [one for one in pictures if one.get("alt") is None]
    if silent:
        message = f"{_many(len(silent), 'picture has', 'pictures have')} no words for those who don't see it (alt)."
        found.append(Finding(Severity.WARNING, "alt", message, where=silent[0].get("src")))
    return found


def _of_links(links: Sequence[str]) -> list[Finding]:
    found = []
    for href in dict.fromkeys(links):
        try:
            parts = urlsplit(href)
        except ValueError:
            found.append(Finding(Severity.PROBLEM, "links", "A link can't be read.", where=href))
            continue
        if href in ("", "#") or parts.scheme not in ("http", "https", "mailto", "tel", "sms"):
            found.append(Finding(Severity.PROBLEM, "links", "A link leads nowhere.", where=href or None))
        elif parts.scheme in ("http", "https") and not parts.hostname:
            found.append(Finding(Severity.PROBLEM, "links", "A link has no address.", where=href))
        elif parts.path in ("", "/") and (parts.hostname or "").removeprefix("www.") in ("example.com", "mjml.io"):
            found.append(Finding(Severity.PROBLEM, "links", "A link still has the address of the example.", where=href))
        elif parts.scheme == "http":
            found.append(Finding(Severity.HINT, "links", "A link is not encrypted (http).", where=href))
    return found


def missing_values(
    *, tenant_id: UUID, source: LetterSource, people: Select[Any] | None = None, point: str = "email"
) -> list[Missing]:
    """Return the tags of a letter that have no default and no value for some, the most people first.

    `people` selects the ids of the customers who are asked about, else everybody who has a contact point of the kind
    `point`. One statement over all of them.
    """
    tags = _without_default(source)
    if not tags:
        return []
    counts = [func.count().filter(or_(column.is_(None), column == "")) for column in tags.values()]
    among = Customer.id.in_(people) if people is not None else _having(tenant_id, point)
    asked = select(func.count(), *counts).where(Customer.tenant_id == tenant_id, Customer.status == "ACTIVE", among)
    with transaction(tenant_id) as session:
        total, *found = session.execute(asked).one()
    missing = [Missing(tag, count, total) for tag, count in zip(tags, found, strict=True) if count]
    return sorted(missing, key=lambda one: -one.people)


def unfilled(*, tenant_id: UUID, source: LetterSource, in_campaign: bool = False) -> list[Finding]:
    """Return the names in the merge tags of a letter and its snippets that nothing fills in; none of one that can't be
    read. What a journey's events say may have any name, which `in_campaign` nothing fills in."""
    try:
        letter = snippets.fill(source, snippets.known(tenant_id=tenant_id, club_id=None))
        asked = [name for part in _parts(letter) for name in names(compile_source(part, html=False))]
    except TemplateProblem:
        return []
    if not asked:
        return []
    with transaction(tenant_id) as session:
        filled = [*FILLED, *LINKS, *(f"customer.{one.name}" for one in custom_fields.load(session, tenant_id))]
    found = []
    for name in dict.fromkeys(asked):
        of_journey = name.partition(".")[0] in OF_JOURNEYS
        if name == "customer.custom" or is_filled(name, filled) or (of_journey and not in_campaign):
            continue
        like = "".join(f" Did you mean “{one}”?" for one in get_close_matches(name, filled, n=1))
        said = f"“{name}” in a campaign." if of_journey else f"“{name}”.{like}"
        found.append(Finding(Severity.WARNING, "names", f"Nothing fills in {said}"))
    return found


def _parts(source: LetterSource) -> list[str]:
    """Return the texts of a letter that may hold merge tags."""
    parts = (source.subject, source.preheader, source.html, source.text, *dict(source.parameters).values())
    return [part for part in parts if part]


def _having(tenant_id: UUID, point: str) -> ColumnElement[bool]:
    if point in Customer.__table__.c:
        return Customer.__table__.c[point].is_not(None)
    found = select(ContactPoint.customer_id).where(ContactPoint.tenant_id == tenant_id, ContactPoint.kind == point)
    return Customer.id.in_(found)


def _without_default(source: LetterSource) -> dict[str, ColumnElement[str]]:
    """Return the columns behind the tags of a letter that have no default, by what the tag calls them."""
    found: dict[str, ColumnElement[str]] = {}
    for part in _parts(source):
        for tag in TAG.findall(part):
            if not tag.startswith("{{") or _DEFAULT.search(tag):
                continue
            for name in _FIELD.finditer(tag):
                if name["own"]:
                    found[name[0]] = Customer.custom[name["own"]].astext
                elif name["field"] in _COUNTED:
                    found[name[0]] = cast(getattr(Customer, name["field"]), Text)
    return found


def _many(count: int, one: str, more: str) -> str:
    return f"One {one}" if count == 1 else f"{count} {more}"
