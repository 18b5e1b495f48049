"""Where the links of a letter lead, as it is written: those that are alike for every reader, and those that are not."""

import re
from dataclasses import dataclass
from urllib.parse import urldefrag
from uuid import UUID

from app.content import snippets
from app.content.letters import LetterSource
from app.content.liquid import TemplateProblem
from app.content.markup import Reader
from app.content.masks import TAG, Masks
from app.content.texts import links_in

_WEB = re.compile(r"https?://", re.IGNORECASE)
_OURS = re.compile(r"\b(?:unsubscribe_url|preferences_url)\b")


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses on the web a letter leads to, each once, without the place within a page.

    `varying` are those with merge tags in them, as they are written: they differ by reader.
    """

    fixed: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()


class _Hrefs(Reader):
    def __init__(self) -> None:
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: dict[str, str | None]) -> None:
        # Buttons of MJML lead somewhere too.
        if tag not in ("link", "base"):
            self.found.append((attributes.get("href") or "").strip())


def of(*, tenant_id: UUID, source: LetterSource) -> Links:
    """Return where the links of a letter lead, those in its snippets too as all clubs have them."""
    known = snippets.known(tenant_id=tenant_id, club_id=None)
    try:
        return written(snippets.fill(source, known))
    except TemplateProblem:
        # What can't be made into a letter leads nowhere, and is told of elsewhere.
        return Links()


def written(source: LetterSource) -> Links:
    """Return where the links lead that stand in a letter itself."""
    found = [*_in_html(source.html or "")]
    for words in (source.text, *(said for _, said in source.parameters)):
        found += _in_words(words or "")
    fixed = (urldefrag(one).url for one in found if _WEB.match(one) and not TAG.search(one))
    varying = (one for one in found if TAG.search(one) and not _OURS.search(one))
    return Links(tuple(dict.fromkeys(fixed)), tuple(dict.fromkeys(varying)))


def _in_html(html: str) -> list[str]:
    masks, reader = Masks(), _Hrefs()
    reader.feed(masks.hide(html))
    return [masks.show(one) for one in reader.found]


def _in_words(words: str) -> list[str]:
    masks = Masks()
    return [masks.show(one) for one in links_in(masks.hide(words))]
