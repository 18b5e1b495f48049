"""Why somebody is in a segment, or why not: each rule with the value it sees of them now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.accounts.models import Club
from app.accounts.queries import tenant_info
from app.conditions import (
    Combinator,
    InvalidConditions,
    Node,
    Not,
    Rule,
    compile_seen,
    compile_sql,
    explain_rule,
    explain_seen,
    parse,
)
from app.conditions.language import step
from app.conditions.telling import Names
from app.customers import custom_fields
from app.customers.models import ACTIVE, Customer
from app.customers.queries import NoSuchCustomer
from app.infra import clock
from app.infra.db import transaction
from app.segments import queries, schedule
from app.segments.models import DYNAMIC, Segment, SegmentListed, SegmentMember, SegmentPastMember


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """One rule: whether it holds (None: not known), and the value it sees in words, empty where there is none to tell.

    `path` is where it stands in the criteria; empty for what is asked besides. One inside a negation says so in its
    words, and holds where the rule itself does not.
    """

    path: str
    words: str
    holds: bool | None
    value: str


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """Rules joined as the definition joins them: `words` say how many of its parts have to hold; `holds` by those.

    `against`: the group as a whole is negated: what holds in it speaks against it.
    """

    words: str
    holds: bool | None
    against: bool
    parts: list["RuleSeen | GroupSeen"]


@dataclass(frozen=True, slots=True)
class Why:
    """Whether somebody is in a segment, since when or when they left it last, and what each rule says of them now.

    `fits` is what all rules together say now: other than `member` until everybody, or they, are looked at again.
    `rules` are all of them in their order, `parts` the same in their groups: all of these have to hold.
    """

    member: bool
    since: datetime | None
    left_at: datetime | None
    fits: bool
    rules: list[RuleSeen]
    parts: list[RuleSeen | GroupSeen]


def of(
    *,
    tenant_id: UUID,
    segment_id: UUID,
    customer_id: UUID,
    now: datetime | None = None,
    names: Names | None = None,
) -> Why:
    """Return why a customer is in a segment, or why not; raise NoSuchSegment or NoSuchCustomer.

    `names` are labels of values by field, as `app.conditions.explain` takes them.
    """
    moment = now or clock.now()
    with transaction(tenant_id) as session:
        segment = queries.one(tenant_id=tenant_id, segment_id=segment_id)
        customer = session.get(Customer, (tenant_id, customer_id), populate_existing=True)
        if customer is None:
            raise NoSuchCustomer
        since, left_at = _stands(session, segment, customer_id)
        rules = _besides(session, segment, customer)
        if segment.type == DYNAMIC:
            found, parts, fits = _asked(session, segment, customer, moment, names)
        else:
            found = [_listed(session, segment, customer)]
            parts, fits = list(found), bool(found[0].holds)
        fits = fits and all(one.holds for one in rules)
        return Why(since is not None, since, left_at, fits, [*rules, *found], [*rules, *parts])


def _stands(session: Session, segment: Segment, customer_id: UUID) -> tuple[datetime | None, datetime | None]:
    member, past = SegmentMember, SegmentPastMember
    since = session.scalar(
        select(member.entered_at).where(
            member.tenant_id == segment.tenant_id,
            member.segment_id == segment.id,
            member.customer_id == customer_id,
        )
    )
    left_at = session.scalar(
        select(func.max(past.left_at)).where(
            past.tenant_id == segment.tenant_id, past.segment_id == segment.id, past.customer_id == customer_id
        )
    )
    return since, left_at


def _besides(session: Session, segment: Segment, customer: Customer) -> list[RuleSeen]:
    """Return what every segment, and every one of a club, asks before its own rules."""
    found = []
    if customer.status != ACTIVE:
        said = "merged into another profile" if customer.merged_into_id else customer.status.lower()
        found.append(RuleSeen("", "Is a customer in their own right", False, said))
    if segment.club_id is not None:
        known = {one.id: one.name for one in session.scalars(select(Club).where(Club.tenant_id == segment.tenant_id))}
        theirs = known.get(customer.club_id, "") if customer.club_id else ""
        words = f"Club is {known.get(segment.club_id, 'the segment’s')}"
        found.append(RuleSeen("", words, customer.club_id == segment.club_id if customer.club_id else None, theirs))
    return found


def _asked(
    session: Session, segment: Segment, customer: Customer, now: datetime, names: Names | None
) -> tuple[list[RuleSeen], list[RuleSeen | GroupSeen], bool]:
    """Return what each rule of a dynamic segment sees, the same in groups, and whether all of them together hold."""
    there = schedule.place_of(session, segment.tenant_id, segment.club_id)
    asking: dict[str, Any] = {"zone": there.zone, "now": now, "currency": there.currency}
    try:
        tree = parse(segment.criteria, custom_fields.catalogue(tenant_id=segment.tenant_id), allow_empty=True)
    except InvalidConditions as wrong:
        told = [RuleSeen(path, message, None, "") for path, message in wrong.errors.items()]
        return told, list(told), False
    seen = compile_seen(tree, **asking)
    asked: list[Any] = [compile_sql(tree, **asking)]
    asked += [column for one in seen for column in (one.answer, one.value)]
    row = session.execute(
        select(*(column.label(f"c{number}") for number, column in enumerate(asked)))
        .select_from(Customer)
        .where(Customer.tenant_id == segment.tenant_id, Customer.id == customer.id)
    ).one()
    locale = tenant_info(tenant_id=segment.tenant_id).locale
    telling: dict[str, Any] = {"names": names, "zone": there.zone, "locale": locale, "currency": there.currency}

    plain = {
        one.path: RuleSeen(
            one.path,
            explain_rule(one.rule, **telling),
            row[2 * at + 1],
            explain_seen(one.rule, row[2 * at + 2], **telling),
        )
        for at, one in enumerate(seen)
    }
    flat = [
        replace(one, words=f"Not: {one.words}", holds=_not(one.holds)) if _is_negated(path) else one
        for path, one in plain.items()
    ]
    whole = _grouped(tree, "", plain, lambda rule: explain_rule(rule, no=True, **telling))
    alone = isinstance(whole, GroupSeen) and whole.words == _WORDS[Combinator.AND, False]
    parts = whole.parts if alone and isinstance(whole, GroupSeen) else [whole] if whole else []
    return flat, parts, bool(row[0])


_WORDS = {
    (Combinator.AND, False): "All of these",
    (Combinator.OR, False): "At least one of these",
    (Combinator.AND, True): "Not all of these",
    (Combinator.OR, True): "None of these",
}


def _grouped(
    node: Node, path: str, seen: Mapping[str, RuleSeen], contrary: Callable[[Rule], str], *, no: bool = False
) -> RuleSeen | GroupSeen | None:
    """Return what is seen of a node, or with `no` of its contrary; None where it asks nothing."""
    if node.disabled:
        return None
    if isinstance(node, Not):
        return _grouped(node.item, step(path, "not"), seen, contrary, no=not no)
    if isinstance(node, Rule):
        one = seen[path]
        return replace(one, words=contrary(node), holds=_not(one.holds)) if no else one
    inner = (_grouped(item, step(path, f"rules[{at}]"), seen, contrary) for at, item in enumerate(node.items))
    parts = [one for one in inner if one is not None]
    if len(parts) < 2 and not no:
        return parts[0] if parts else None
    if not parts:
        return None
    answers = [one.holds for one in parts]
    decides = node.combinator is Combinator.OR
    holds = decides if decides in answers else None if None in answers else not decides
    return GroupSeen(_WORDS[node.combinator, no], _not(holds) if no else holds, no, parts)


def _not(holds: bool | None) -> bool | None:
    return None if holds is None else not holds


def _is_negated(path: str) -> bool:
    """Return whether a rule counts where it does not hold."""
    return path.split(".").count("not") % 2 == 1


def _listed(session: Session, segment: Segment, customer: Customer) -> RuleSeen:
    """Return whether somebody, or one of those who became them, is on the list of a static segment."""
    listed = SegmentListed
    theirs = select(Customer.id).where(
        Customer.tenant_id == segment.tenant_id,
        (Customer.id == customer.id) | (Customer.merged_into_id == customer.id),
    )
    at = session.scalar(
        select(func.min(listed.listed_at)).where(
            listed.tenant_id == segment.tenant_id,
            listed.segment_id == segment.id,
            listed.customer_id.in_(theirs),
        )
    )
    return RuleSeen("", "Is on the list", at is not None, f"since {at:%-d %B %Y}" if at else "not on it")
