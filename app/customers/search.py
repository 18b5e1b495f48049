"""How customers are found: by the beginnings of words they are known by, by what they have in common, or all of them.

Each thing asked for is a range of an index, which has its people in the order of the list: by name, and where words are
typed by the word that fits, so that whoever has it whole comes first. A page is read off one range, and other ranges
say who of it is wanted; only those who are shown are read themselves. Which range leads changes no order.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    and_,
    any_,
    case,
    cast,
    collate,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.customers.models import ACTIVE, ContactPoint, Customer, CustomerTag, CustomerWord
from app.infra.paging import BadCursor, Page, cut, decode_cursor, id_of

MAX_WORDS = 8
MAX_LENGTH = 200
MAX_WORD = 100
"""How long words are kept; what is longer is cut."""
NARROW = 500
"""So many customers are read and sorted, whatever it is that they have."""
WIDE = 20_000
"""What up to so many have is looked up in its index; of what more have, a customer's row tells."""
BESIDE = 200
"""How many letters of a customer's words stand beside the words of their name in the index."""
_LAST = "\U0010ffff"
_NUMBER = re.compile(r"[\s+()./-]*(?:\d[\s+()./-]*){5,}")
# What parts words, as the function customer_words in Postgres has it.
_PARTING = re.compile(r"[!-/:-?\[-`{-~‐-―‘’]+")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{0,4}(?:-[0-9a-f]{0,12}){0,3}")
_ACCENTS = re.compile("[\u0300-\u036f]")


def words_of(text: str) -> list[str]:
    """Return the words to look for; a number written with spaces or dashes is one word, without its plus sign."""
    folded = _ACCENTS.sub("", unicodedata.normalize("NFKD", text[:MAX_LENGTH].replace("\x00", ""))).lower()
    if _NUMBER.fullmatch(folded):
        # +27 (0)82 475 1967: the zero is dialled at home only.
        digits = "".join(letter for letter in folded.replace("(0)", "") if letter.isdecimal())
        return [digits.removeprefix("00")]
    found: list[str] = []
    for token in folded.split():
        if "@" in token:
            address = token.strip("<>()[],;:\"'@")
            if _stems([address]):
                found.append(address)
        elif _UUID.fullmatch(token):
            found.append(token.replace("-", ""))
        else:
            found.extend(_PARTING.split(token))
    return [word[:MAX_WORD] for word in dict.fromkeys(found) if word][:MAX_WORDS]


def _stems(words: Sequence[str]) -> list[str]:
    """Return the words that stand in the index, the longest first: of an address those before its @."""
    found = [stem for word in words for stem in (_PARTING.split(word.partition("@")[0]) if "@" in word else [word])]
    return sorted((stem for stem in dict.fromkeys(found) if stem), key=len, reverse=True)


_Column = ColumnElement[Any] | InstrumentedAttribute[Any]
_Found = Select[*tuple[Any, ...]]


class Range(NamedTuple):
    """A part of an index: whoever has something. `order`: its columns in the order of the list, without the id."""

    people: Select[Any]
    customer_id: _Column
    order: tuple[_Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the customers in a list; each thing given must be so.

    `words` begin words of theirs; `email` and `phone` are keys of contact points. They are in all of `among` and in
    none of `apart`, which are sets of customers that other rooms keep, without an order.
    """

    words: Sequence[str] = ()
    email: str | None = None
    phone: str | None = None
    club_id: UUID | None = None
    tier: str | None = None
    stage: str | None = None
    tag: str | None = None
    among: Sequence[Range] = ()
    apart: Sequence[Range] = ()


def page(session: Session, tenant_id: UUID, asked: Asked, cursor: str | None, limit: int) -> Page[Customer]:
    """Return a page of the customers asked for: by the word that fits, if words are asked for, then by name."""
    stems = _stems(asked.words)
    ranges = _ranges(tenant_id, asked, stems)
    place = _place(cursor, 3 if stems else 2)
    fits = _fits(tenant_id, asked)
    counts = _counts(session, ranges, NARROW) if len(ranges) > 1 else [NARROW + 1]
    if min(counts) <= NARROW:
        found = _read(ranges[counts.index(min(counts))], fits, stems, place)
    else:
        leading, also = _led(session, ranges, stems)
        found = _walk(leading, [*also, *_beside(leading, asked.words, stems)], fits, stems, place)
    rows = session.execute(found.limit(limit + 1).execution_options(populate_existing=True)).all()
    return cut(rows, limit, lambda row: (*row[1:], row[0].id), lambda row: row[0])


def _ranges(tenant_id: UUID, asked: Asked, stems: Sequence[str]) -> list[Range]:
    """Return the range of each thing asked for, the leading word's first; all customers if nothing is asked for."""
    found = []
    for word in stems:
        having = aliased(CustomerWord)
        people = select(having.customer_id).where(having.tenant_id == tenant_id)
        begins = people.where(having.word >= word, having.word < word + _LAST)
        found.append(Range(begins, having.customer_id, (having.word, having.words)))
    if asked.tag is not None:
        people = select(CustomerTag.customer_id).where(CustomerTag.tenant_id == tenant_id, CustomerTag.tag == asked.tag)
        found.append(Range(people, CustomerTag.customer_id, (CustomerTag.sort_name,)))
    for name, value in (("club_id", asked.club_id), ("membership_tier", asked.tier), ("lifecycle_stage", asked.stage)):
        if value is not None:
            one = aliased(Customer)
            people = select(one.id).where(one.tenant_id == tenant_id, getattr(one, name) == value)
            found.append(Range(people, one.id, (one.sort_name,)))
    for kind, key in (("email", asked.email), ("phone", asked.phone)):
        if key is not None:
            people = _reached_at(tenant_id, kind, key)
            found.append(Range(people, ContactPoint.customer_id))
    found.extend(asked.among)
    if not any(one.order for one in found):
        everybody = aliased(Customer)
        people = select(everybody.id).where(everybody.tenant_id == tenant_id)
        found.insert(0, Range(people, everybody.id, (everybody.sort_name,)))
    return found


def _counts(session: Session, ranges: Sequence[Range], most: int) -> list[int]:
    """Return how many have each; whoever has more than `most` counts as one more."""
    # In the order of the index: with a limit alone a scan of the table would seem short, and pass by other tenants.
    counted = (one.people.order_by(*one.order, one.customer_id).limit(most + 1).subquery() for one in ranges)
    row = session.execute(select(*(select(func.count()).select_from(one).scalar_subquery() for one in counted))).one()
    return list(row)


def _led(session: Session, ranges: Sequence[Range], stems: Sequence[str]) -> tuple[Range, list[ColumnElement[bool]]]:
    """Return the range to walk, and what tells its people from others before they are read: who is in other ranges.

    The longest word leads, for fewest have it; else whatever fewest have.
    """
    others = list(ranges[len(stems) :])
    counts = _counts(session, others, WIDE) if len(ranges) > 1 and others else [WIDE + 1] * len(others)
    if stems:
        leading = ranges[0]
    else:
        least = min((at for at, one in enumerate(others) if one.order), key=counts.__getitem__)
        leading = others.pop(least)
        counts.pop(least)
    also: list[ColumnElement[bool]]
    also = [leading.customer_id.in_(one.people) for one, count in zip(others, counts, strict=True) if count <= WIDE]
    return leading, also


def _beside(leading: Range, words: Sequence[str], stems: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return what the index itself says of the other words: what stands beside a name's are the customer's."""
    others = [word for word in words if word != stems[0]] if stems else []
    # What is empty or may have been cut says nothing of them.
    return [
        or_(func.strpos(leading.order[1], f" {word}") > 0, ~func.octet_length(leading.order[1]).between(1, BESIDE - 1))
        for word in others
    ]


def _read(few: Range, fits: ColumnElement[bool], stems: Sequence[str], place: Sequence[Any] | None) -> _Found:
    """Return the query that reads all of `few`, and puts those of them who fit in order."""
    order: tuple[_Column, ...] = (Customer.sort_name,)
    if stems:
        word = _fitting(stems[0])
        order = (word, case((word.regexp_match("[0-9]"), ""), else_=collate(func.left(Customer.words, BESIDE), "C")))
    found = select(Customer, *order).where(fits, Customer.id == any_(func.array(few.people.scalar_subquery())))
    if place:
        found = found.where(tuple_(*order, Customer.id) > tuple_(*place))
    return found.order_by(*order, Customer.id)


def _walk(
    leading: Range,
    also: Sequence[ColumnElement[bool]],
    fits: ColumnElement[bool],
    stems: Sequence[str],
    place: Sequence[Any] | None,
) -> _Found:
    """Return the query that walks a range in its order, and reads those of whom `also` is true until enough fit."""
    order = (*leading.order, leading.customer_id)
    walked = leading.people.with_only_columns(*leading.order, leading.customer_id.label("customer_id"))
    walked = walked.where(*also)
    if place:
        walked = walked.where(tuple_(*order) > tuple_(*place))
    walk = walked.order_by(*order).subquery("walk")
    person = select(Customer).where(Customer.id == walk.c.customer_id, fits)
    if stems:
        # Whoever has two words that begin so stands at the first of them alone.
        person = person.where(walk.c.word == _fitting(stems[0]))
    # The limit keeps it a look at the primary key, one by one, for as long as the page is not full.
    one = aliased(Customer, person.limit(1).lateral("person"))
    ordered = [column for column in walk.c if column.name != "customer_id"]
    return select(one, *ordered).select_from(walk).join(one, true()).order_by(*ordered, walk.c.customer_id)


def _fits(tenant_id: UUID, asked: Asked) -> ColumnElement[bool]:
    """Return the condition on a customer's row that they are all that is asked for."""
    tests = [Customer.tenant_id == tenant_id, Customer.status == ACTIVE, *has_all(asked.words)]
    if asked.tag is not None:
        tests.append(Customer.tags.op("@>")(cast([asked.tag], ARRAY(Text))))
    if asked.club_id is not None:
        tests.append(Customer.club_id == asked.club_id)
    if asked.tier is not None:
        tests.append(Customer.membership_tier == asked.tier)
    if asked.stage is not None:
        tests.append(Customer.lifecycle_stage == asked.stage)
    for kind, key in (("email", asked.email), ("phone", asked.phone)):
        if key is not None:
            tests.append(_reached_at(tenant_id, kind, key).where(ContactPoint.customer_id == Customer.id).exists())
    tests.extend(one.people.where(one.customer_id == Customer.id).exists() for one in asked.among)
    tests.extend(~one.people.where(one.customer_id == Customer.id).exists() for one in asked.apart)
    return and_(*tests)


def has_all(words: Sequence[str]) -> list[ColumnElement[bool]]:
    """Return the conditions on a customer's row that each of the words begins one of theirs."""
    return [func.strpos(Customer.words, f" {word}") > 0 for word in words]


def _fitting(word: str) -> ColumnElement[str]:
    """Return the first of a customer's words, as the index has them, that begins so."""
    theirs = func.string_to_table(func.ltrim(Customer.words), " ").column_valued("theirs")
    first = select(func.min(collate(theirs, "C"))).where(func.starts_with(theirs, word))
    return first.correlate(Customer).scalar_subquery()


def _reached_at(tenant_id: UUID, kind: str, key: str) -> Select[UUID]:
    return select(ContactPoint.customer_id).where(
        ContactPoint.tenant_id == tenant_id, ContactPoint.kind == kind, ContactPoint.key == key
    )


def _place(cursor: str | None, size: int) -> tuple[Any, ...] | None:
    """Return after whom a page begins: word if any, name and id; raises BadCursor."""
    if not cursor:
        return None
    *order, last = decode_cursor(cursor, size)
    if not all(isinstance(one, str) for one in order):
        raise BadCursor
    return (*order, id_of(last))
