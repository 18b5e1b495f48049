"""The plain text of an HTML letter, for readers and filters that want one."""

import re

from app.content.markup import Reader

SKIPPED = {"script", "style", "head", "title", "template"}
PARAGRAPHS = {"p", "table", "ul", "ol", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"}
TAG_MARK = "\ue000"
"""Stands for a merge tag while the words of a template, not of a rendered letter, are read."""
LINES = {"div", "tr", "section", "header", "footer", "article", "center"}


class _Words(Reader):
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.skipping = 0
        self.link: str | None = None
        self.link_start = 0

    def handle_starttag(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag in SKIPPED:
            self.skipping += 1
        elif tag == "br":
            self.parts.append("\n")
        elif tag == "hr":
            self.parts.append("\n\n---\n\n")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag in ("td", "th"):
            self.parts.append(" ")
        elif tag == "img" and not self.skipping:
            self.parts.append(attributes.get("alt") or "")
        elif tag == "a":
            self.link, self.link_start = attributes.get("href"), len(self.parts)
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in SKIPPED:
            self.skipping = max(0, self.skipping - 1)
        elif tag == "a" and self.link:
            words = "".join(self.parts[self.link_start :]).strip()
            href = self.link.strip()
            if href.startswith(("http://", "https://", TAG_MARK)) and href != words:
                self.parts.append(f" ({href})" if words else href)
            self.link = None
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self.skipping:
            self.parts.append(re.sub(r"\s+", " ", data))

    def _break(self, tag: str) -> None:
        if tag in PARAGRAPHS:
            self.parts.append("\n\n")
        elif tag in LINES:
            self.parts.append("\n")


def text_of(html: str) -> str:
    """Return the words of `html` with its paragraphs, list items and link addresses; no markup remains."""
    reader = _Words()
    reader.feed(html)
    # Long runs of blanks are shortened first: looked for before a line's end they would be read again and again.
    text = re.sub(r"[ \t\xa0]{2,}", " ", "".join(reader.parts))
    text = re.sub(r"[ \t]?\n[ \t]?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
