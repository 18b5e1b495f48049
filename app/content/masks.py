"""Merge tags taken out of a text while something reads it that knows nothing of them, and put back unchanged."""

import re

from app.content.liquid import TemplateProblem

TAG = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)
MARK = r"fwtag\d{6}x"
_MARK = re.compile(r"fwtag(\d{6})x")
_COMMENTED = re.compile(r"<!--(fwtag\d{6}x)-->")


class Masks:
    """The merge tags of one text. A mark is one word of letters and digits that is in no text a person writes."""

    def __init__(self) -> None:
        self.tags: list[str] = []

    def hide(self, text: str) -> str:
        """Return `text` with a mark for each merge tag, or raise TemplateProblem where it holds such a word itself."""
        if _MARK.search(text):
            raise TemplateProblem("This holds a word that Fairway keeps for itself (fwtag…); take it out.")

        def put(found: re.Match[str]) -> str:
            self.tags.append(found[0])
            return f"fwtag{len(self.tags) - 1:06}x"

        return TAG.sub(put, text)

    def show(self, text: str) -> str:
        """Return `text` with the merge tags where their marks are."""
        return _MARK.sub(lambda found: self.tags[int(found[1])], _COMMENTED.sub(r"\1", text))

    def lost(self, text: str) -> list[int]:
        """Return which of the tags have no mark in `text` any more, by their place among them."""
        seen = {int(found) for found in _MARK.findall(text)}
        return [number for number in range(len(self.tags)) if number not in seen]
