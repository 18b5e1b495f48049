"""HTML read in one pass, whatever is wrong with it: the time it takes grows with its length and no faster."""

import re
from html import unescape

RAW = ("script", "style")
"""What these hold is neither words nor tags."""

# Possessive throughout. What is never closed goes to the end, as in a browser, so that no place is read twice.
_PIECE = re.compile(
    r"""(?P<words>[^<]++)"""
    r"""|<!--(?:>|->|.*?(?:--!?>|\Z))|<[!?][^>]*+>?|</(?![a-zA-Z])[^>]*+>?"""
    r"""|<(?P<close>/?)(?P<name>[a-zA-Z][^\s/>]*+)"""
    r"""(?P<rest>(?:[^>"'=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+|["'])*+)(?P<end>>?)"""
    r"""|<""",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"""(?P<name>[^\s/=][^\s/=]*+|=[^\s/=]*+)"""
    r"""(?:\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s"'][^\s]*+)?+))?+""",
    re.DOTALL,
)
_RAW_END = {name: re.compile(rf"</{name}(?=[\s/>])|\Z", re.IGNORECASE) for name in RAW}
_LONG_NUMBER = re.compile(r"&#([0-9]{8,})")


class Reader:
    """Reads HTML and tells what it meets, in order: tags (names in small letters) and words (references resolved)."""

    def feed(self, html: str) -> None:
        """Read a whole document. A tag that is never closed is none, and neither is anything after it."""
        at = 0
        while found := _PIECE.match(html, at):
            at = found.end()
            if found["name"] is None:
                if found["words"] or found[0] == "<":
                    self.handle_data(_plain(found[0]))
                continue
            if not found["end"]:
                return
            name = found["name"].lower()
            if found["close"]:
                self.handle_endtag(name)
                continue
            self.handle_starttag(name, _attributes(found["rest"]))
            if name in RAW and (end := _RAW_END[name].search(html, at)):
                at = end.start()
            elif found["rest"].endswith("/"):
                self.handle_endtag(name)

    def handle_starttag(self, tag: str, attributes: dict[str, str | None]) -> None:
        """Called for each tag that opens. An attribute without a value has None; of two alike the first counts."""

    def handle_endtag(self, tag: str) -> None:
        """Called for each tag that closes, and after one that closes itself."""

    def handle_data(self, data: str) -> None:
        """Called for the words between tags, piece by piece."""


def _attributes(rest: str) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for found in _ATTRIBUTE.finditer(rest):
        value = next((found[kind] for kind in ("double", "single", "bare") if found[kind] is not None), None)
        values.setdefault(found["name"].lower(), None if value is None else _plain(value))
    return values


def _plain(words: str) -> str:
    """Return `words` with their references resolved; numbers too long to be read are those of no sign."""
    if "&" not in words:
        return words
    return unescape(_LONG_NUMBER.sub(lambda found: f"&#{found[1].lstrip('0')[:8]}", words))
