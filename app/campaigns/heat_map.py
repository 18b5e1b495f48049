"""The links of a letter as it was sent, with how many followed each; and the letter with that drawn on it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import unescape
from uuid import UUID

from app.campaigns.models import CampaignRun
from app.content import queries as templates
from app.content import snippets
from app.content.letters import LetterProblem, LetterSource
from app.content.preview import preview
from app.infra.errors import NotFound
from app.messaging.channel import EMAIL
from app.messaging.clicks import Followed

_ANCHOR = re.compile(
    r"""<a\s(?:[^>"']|"[^"]{0,4000}"|'[^']{0,4000}'){0,500}?(?<![\w-])href\s{0,9}=\s{0,9}("[^"]{0,4000}"|'[^']{0,4000}')""",
    re.IGNORECASE,
)
_LIQUID = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)
_MARK = (
    '<span style="display:inline-block;margin:2px;padding:1px 8px;border:1px solid #ffffff;border-radius:9px;'
    'background:{background};color:#ffffff;font:bold 12px/18px sans-serif;text-decoration:none">{words}</span>'
)
# From what few follow to what most do; white words are read on each.
_HEAT = ("#56616f", "#1d6fa5", "#7a5b00", "#b1480f", "#b42318")


@dataclass(frozen=True, slots=True)
class Link:
    """One link of a letter as it was written, where it led (None: elsewhere for each reader), and who followed it.

    `placed`: it stands in the letter that was looked at.
    """

    written: str
    url: str | None
    people: int
    times: int
    machines: int
    placed: bool


@dataclass(frozen=True, slots=True)
class _Written:
    """A link whose `firm` parts are the same for each reader; between two of them stands what is filled in."""

    href: str
    firm: tuple[str, ...]

    @property
    def is_personal(self) -> bool:
        return len(self.firm) > 1

    def leads_to(self, url: str) -> bool:
        """Return whether an address is this link, filled in for somebody."""
        if not self.is_personal:
            return url == self.href
        first, *between, last = self.firm
        end = len(url) - len(last)
        at = len(first)
        if at > end or not (url.startswith(first) and url.endswith(last)):
            return False
        # Each is taken where it comes first, which leaves most for the rest; an expression would try every way.
        for part in between:
            found = url.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


def letter_of(*, tenant_id: UUID, run: CampaignRun, variant: str | None = None) -> LetterSource | None:
    """Return the letter a run sent by e-mail (to those of a variant), with its snippets; None where it sent none."""
    found = [one for one in run.content if one["channel"] == EMAIL and (variant or "") == (one.get("variant") or "")]
    found = found or [one for one in run.content if one["channel"] == EMAIL]
    for kept in found[:1]:
        try:
            source = templates.source(
                tenant_id=tenant_id, template_id=UUID(kept["template_id"]), version=kept["template_version"]
            )
            return snippets.fill(source.called(kept.get("subject")), snippets.known(tenant_id=tenant_id, club_id=None))
        except (NotFound, LetterProblem):
            return None
    return None


def called(*, tenant_id: UUID, tenant_name: str, letter: LetterSource) -> str | None:
    """Return the subject of a letter, filled in for somebody made up; None where it can't be."""
    source = LetterSource(letter.subject, None, None)
    rendered, _ = preview(tenant_id=tenant_id, tenant_name=tenant_name, source=source)
    return rendered.subject if rendered else None


def links(letter: LetterSource | None, followed: Sequence[Followed]) -> list[Link]:
    """Return the links of a letter in their order, with who followed each, then what was followed and isn't in it.

    What leads elsewhere for each reader, because it is filled in, is one link.
    """
    left = list(followed)
    found: list[Link] = []
    for one in {one.href: one for one in _written(letter)}.values():
        mine = [other for other in left if one.leads_to(other.url)]
        left = [other for other in left if other not in mine]
        found.append(
            Link(
                one.href,
                None if one.is_personal else one.href,
                sum(other.people for other in mine),
                sum(other.times for other in mine),
                sum(other.machines for other in mine),
                placed=True,
            )
        )
    return found + [Link(one.url, one.url, one.people, one.times, one.machines, placed=False) for one in left]


def drawn(
    *, tenant_id: UUID, tenant_name: str, letter: LetterSource, followed: Sequence[Followed]
) -> tuple[str | None, dict[str, str]]:
    """Return the HTML of a letter with how many people followed each link beside it, or None and why by part."""
    by_link = {one.written: one for one in links(letter, followed)}
    most = max((one.people for one in by_link.values()), default=0)
    total = sum(one.people for one in by_link.values())

    def marked(anchor: re.Match[str]) -> str:
        link = by_link.get(_href(anchor))
        if link is None:
            return anchor[0]
        share = f" ({link.people / total:.0%})" if total else ""
        words = f"{link.people} {'person' if link.people == 1 else 'people'}{share}"
        heat = _HEAT[round(link.people / most * (len(_HEAT) - 1))] if most else _HEAT[0]
        return _MARK.format(background=heat, words=words) + anchor[0]

    source = replace(letter, html=_ANCHOR.sub(marked, letter.html or ""))
    rendered, problems = preview(tenant_id=tenant_id, tenant_name=tenant_name, source=source)
    return (rendered.html if rendered else None), problems


def _href(anchor: re.Match[str]) -> str:
    return unescape(anchor[1][1:-1]).strip()


def _written(letter: LetterSource | None) -> list[_Written]:
    found = []
    for anchor in _ANCHOR.finditer((letter and letter.html) or ""):
        href = _href(anchor)
        if not href.lower().startswith(("http://", "https://")):
            continue
        found.append(_Written(href, tuple(_LIQUID.split(href))))
    return found
