"""What names a person wherever it is written, and how it is taken out."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import phonenumbers

GONE = "[erased]"
# A shorter id is found in half of all numbers.
MIN_ID = 5
# What belongs to an address around it: "a.b@example.com" does not hold "b@example.com".
_BEFORE, _AFTER = r"(?<![\w.+-])", r"(?![\w-]|\.\w)"
_WORD_BEFORE, _WORD_AFTER = r"(?<!\w)", r"(?!\w)"


@dataclass(frozen=True, slots=True)
class Needles:
    """What to look for: `exact` (addresses, numbers, ids) and `names`; both lower case. `ids` are the customers'."""

    exact: tuple[str, ...]
    names: tuple[str, ...]
    ids: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return them as the request keeps them while it runs."""
        return {"exact": list(self.exact), "names": list(self.names), "ids": list(self.ids)}

    def also(self, exact: Iterable[str]) -> "Needles":
        """Return them with more to look for."""
        return replace(self, exact=tuple(sorted({*self.exact, *exact})))


def from_json(kept: dict[str, Any]) -> Needles:
    """Return the needles that `as_json` was made of."""
    return Needles(tuple(kept["exact"]), tuple(kept["names"]), tuple(kept["ids"]))


def needles(
    *,
    ids: Iterable[UUID],
    emails: Iterable[str],
    phones: Iterable[str],
    external: Iterable[str],
    names: Iterable[tuple[str | None, str | None]],
) -> Needles:
    """Return what to look for, of the addresses, numbers (E.164), ids and names that are the person's alone."""
    exact = {one.strip().lower() for one in emails if one.strip()}
    exact |= {one.strip().lower() for one in external if len(one.strip()) >= MIN_ID}
    exact |= {way for one in phones for way in ways_to_write(one)}
    named = set()
    for first, last in names:
        if first and last and len(first) > 1 and len(last) > 1:
            named |= {f"{first} {last}".lower(), f"{last}, {first}".lower(), f"{last} {first}".lower()}
    return Needles(tuple(sorted(exact)), tuple(sorted(named)), tuple(sorted(str(one) for one in ids)))


def ways_to_write(phone: str) -> set[str]:
    """Return how a number (E.164) is written by people and systems."""
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return {phone.lower()} if len(phone) >= MIN_ID else set()
    formats = phonenumbers.PhoneNumberFormat
    kinds = (formats.E164, formats.INTERNATIONAL, formats.NATIONAL, formats.RFC3966)
    ways = {phonenumbers.format_number(number, kind).lower() for kind in kinds}
    ways |= {re.sub(r"\D", "", one) for one in ways}
    return {one.removeprefix("tel:") for one in ways if len(one) > MIN_ID}


def patterns(wanted: Collection[str]) -> list[str]:
    """Return what LIKE looks for, to find the rows that may hold one of the words."""
    return [f"%{_escaped(one)}%" for one in sorted(wanted)]


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class Redactor:
    """Takes what names the person out of texts, lists and JSON. `people`: entries of lists about these ids go whole."""

    def __init__(self, wanted: Needles, *, with_names: bool = True) -> None:
        self.people = frozenset(wanted.ids)
        self.exact = frozenset(wanted.exact)
        kinds = [(wanted.exact, _BEFORE, _AFTER)]
        if with_names:
            kinds.append((wanted.names, _WORD_BEFORE, _WORD_AFTER))
        # The longest first: "+27 82 …" before "82 …".
        found = [
            before + "(?:" + "|".join(re.escape(one) for one in sorted(words, key=len, reverse=True)) + ")" + after
            for words, before, after in kinds
            if words
        ]
        self.pattern = re.compile("|".join(found), re.IGNORECASE) if found else None

    def finds(self, words: str) -> bool:
        """Return whether a text names the person."""
        return self.pattern is not None and self.pattern.search(words) is not None

    def clean(self, value: Any) -> Any:
        """Return a value without what names the person."""
        if isinstance(value, str):
            return self.pattern.sub(GONE, value) if self.pattern else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return GONE if str(value) in self.exact else value
        if isinstance(value, list):
            return [self.clean(one) for one in value if not self._is_about(one)]
        if isinstance(value, dict):
            return {self.clean(name): self.clean(one) for name, one in value.items()}
        return value

    def _is_about(self, entry: Any) -> bool:
        return isinstance(entry, dict) and entry.get("customer_id") in self.people
