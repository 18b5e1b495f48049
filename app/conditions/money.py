"""Which currency a rule on amounts of what somebody did counts: amounts in several are never added up unawares.

A payload says beside an amount in which currency it is. A rule that takes a sum, a least or a greatest of amounts, or
compares one in its `where`, counts the events in one currency: the one it names, else that of whoever asks (`home`:
the club's, else the organisation's), in which those are too that say none. It counts all where it says so, and where
its `where` asks the currency itself. A rule that names a currency counts the events in it, whatever it asks of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from app.conditions.behaviour import ANY_CURRENCY, Behaviour
from app.conditions.fields import Catalogue
from app.conditions.language import Combinator, Group, Rule, enabled, walk
from app.conditions.operators import Operator

_KNOWN = (Operator.IS_NULL, Operator.IS_NOT_NULL)


@dataclass(frozen=True, slots=True)
class Counted:
    """The events that count by what stands in their payload under `key`: a code, or nothing where `silent` ones do."""

    key: str
    code: str
    silent: bool

    def holds(self, found: str | None) -> bool:
        """Return whether an event counts that says this currency (`values.currency`)."""
        return self.silent if found is None else found == self.code.lower()


def of_amounts(did: Behaviour) -> bool:
    """Return whether a rule measures amounts of money, or compares some."""
    return bool(next(_keys(did), ""))


def key_of(fields: Catalogue) -> str:
    """Return under which key of a payload the currency of its amounts stands, nothing where there are none."""
    return next((one.currency_in for one in fields if one.currency_in), "")


def counted(did: Behaviour, home: str) -> Counted | None:
    """Return which events count by their currency, None where all do; `home` is a code, or nothing where none is."""
    key = next(_keys(did), "") or (key_of(did.known.fields_of(did.event)) if did.currency else "")
    if not key or did.currency == ANY_CURRENCY or (not did.currency and asks(did.where, key)):
        return None
    code = did.currency or home
    return Counted(key, code, code == home) if code else None


def told_in(did: Behaviour, home: str) -> str:
    """Return the code of the currency that a rule's amounts are in, nothing where they may be in several."""
    found = counted(did, home)
    if found is not None:
        return found.code
    return "" if did.currency else pinned(did.where, next(_keys(did), ""))


def pinned(tree: Group | None, key: str = "") -> str:
    """Return the code that conditions on a payload ask its currency to be, nothing where they leave it open."""
    asked = enabled(tree) if tree is not None else None
    if asked is None or asked.combinator is not Combinator.AND:
        return ""
    key = key or next((rule.field.currency_in for _, rule in walk(asked) if rule.field.currency_in), "")
    rules = [one for one in asked.items if isinstance(one, Rule) and one.field.name == key]
    codes = {str(one.value).upper() for one in rules if one.operator is Operator.EQ}
    code = next(iter(codes), "") if len(codes) == 1 else ""
    return code if is_code(code) else ""


def asks(tree: Group | None, key: str) -> bool:
    """Return whether conditions on a payload ask its currency."""
    return tree is not None and any(rule.field.name == key for _, rule in walk(tree))


def is_code(text: str) -> bool:
    """Return whether the text may be a currency's code: three letters."""
    return len(text) == 3 and text.isascii() and text.isalpha()


def _keys(did: Behaviour) -> Iterator[str]:
    if did.measured and did.measured.currency_in:
        yield did.measured.currency_in
    if did.where is not None:
        for _, rule in walk(did.where):
            if rule.field.currency_in and rule.operator not in _KNOWN:
                yield rule.field.currency_in
