"""A batch of rows becomes events, which capture understands as it does all others.

A row is evidence like an event: it names hints, a person and what is true of them. So it is one, of the source
"import": identity is resolved from it together with all that was ever said, in whatever order things come in; it stands
on the timeline; and its id is made of what it says, so that the same row is never taken twice.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.capture import forgotten, identity, likeness, record
from app.capture.batch import AppliedEvent, Batch, Handler
from app.capture.claimed import Claimed, read
from app.capture.identity import Resolution
from app.capture.imports import extras, fields
from app.capture.imports.fields import SEVERAL, Reading, Setting, Unfit
from app.capture.imports.preset import VISITS
from app.capture.imports.reading import Raw
from app.customers import facts, records
from app.customers.called import called
from app.customers.facts import CONSENT_FIELDS
from app.customers.records import COLUMNS, CUSTOM, Record
from app.events import catalogue, log
from app.events.validation import IMPORT_SOURCE
from app.infra.arrays import array

CREATE, UPDATE, FILL, SKIP = "create", "update", "fill", "skip"
ON_MATCH = {
    UPDATE: "Update them: what the file says takes the place of what is there",
    FILL: "Fill blanks only: what is there stays",
    SKIP: "Skip them: only people who are new are added",
    CREATE: "Refuse them: every row is expected to be somebody new",
}
LINES = {
    "created": "New",
    "updated": "Changed",
    "unchanged": "Unchanged",
    "suggested": "Suggested duplicates",
    "consent": "Consent",
}
"""The kinds of lines a report is made of, beside what is refused. A row may stand in several."""
MAX_LINES = 10_000
"""So many lines of each kind are kept: counts are of all, and nobody reads further."""
MAX_ROWS = 5
"""So many rows are named for each reason why a cell is left out."""
MAX_ROW = 48 * 1024
# Marks and derived columns are no news to anybody.
_DERIVED = {"search_extra", "last_activity_at", "last_activity_type", *(f"{one}_at" for one in CONSENT_FIELDS.values())}
_SHOWN = [name for name in COLUMNS if name not in _DERIVED and name != "custom"]
_HELD = text("""
    SELECT h.value FROM unnest(cast(:values AS text[])) AS h(value)
    CROSS JOIN LATERAL (
        SELECT FROM external_id e
        WHERE e.tenant_id = :tenant_id AND e.kind = 'scl_member_id' AND e.value = h.value LIMIT 1
    ) AS there
""")
_PAIRS = text("""
    SELECT s.one_id, s.other_id, s.score, s.reasons, a.first_name AS one_first, a.last_name AS one_last,
        b.first_name AS other_first, b.last_name AS other_last
    FROM unnest(cast(:ones AS uuid[]), cast(:others AS uuid[])) AS p(one_id, other_id)
    JOIN merge_suggestion s ON s.tenant_id = :tenant_id AND s.one_id = p.one_id AND s.other_id = p.other_id
    JOIN customer a ON a.tenant_id = :tenant_id AND a.id = s.one_id
    JOIN customer b ON b.tenant_id = :tenant_id AND b.id = s.other_id
""")


@dataclass(slots=True)
class Row:
    """A row that can be taken: its number, its cells, what it says, and the id of the event it becomes."""

    record: int
    cells: list[str]
    reading: Reading
    event_id: str


@dataclass(slots=True)
class Outcome:
    """What became of a batch of rows: counts, and examples for the report."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[int, str, list[str]]] = field(default_factory=list)
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in LINES})
    room: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(LINES, MAX_LINES))
    noted: Counter[str] = field(default_factory=Counter)
    consent: Counter[str] = field(default_factory=Counter)
    noted_in: dict[str, list[int]] = field(default_factory=dict)
    clubs: Counter[str] = field(default_factory=Counter)

    def note(self, record: int, reading: Reading) -> None:
        """Count the cells of a row that are left out, with some rows' numbers for each reason, and a strange club."""
        self.noted.update(reading.notes)
        for why in set(reading.notes):
            rows = self.noted_in.setdefault(why, [])
            if len(rows) < MAX_ROWS:
                rows.append(record)
        if reading.unknown_club:
            self.clubs[reading.unknown_club] += 1

    def refuse(self, record: int, reason: str, cells: list[str]) -> None:
        """Count a row that is not taken."""
        self.counts["refused"] += 1
        self.refused.append((record, reason, cells))

    def tell(self, kind: str, line: dict[str, Any]) -> None:
        """Keep a line of the report, as long as there is room for more of its kind."""
        if len(self.lines[kind]) < self.room[kind]:
            self.lines[kind].append(line)

    def add(self, more: "Outcome") -> None:
        """Count another batch in."""
        self.counts += more.counts
        self.noted += more.noted
        self.consent += more.consent
        self.clubs += more.clubs
        for why, rows in more.noted_in.items():
            self.noted_in[why] = [*self.noted_in.get(why, []), *rows][:MAX_ROWS]
        self.refused += more.refused
        for kind, lines in more.lines.items():
            for line in lines:
                self.tell(kind, line)


def columns_of(header: Sequence[str], mapping: Mapping[str, str]) -> list[str | None]:
    """Return for each column of the file our name of it; case and white space in the header do not matter.

    Of columns with one name the first is meant.
    """
    wanted = {plain(name): ours for name, ours in mapping.items()}
    return [wanted.pop(plain(name), None) for name in header]


def plain(name: str) -> str:
    """Return the name of a column without what does not matter in it: case, white space, a byte order mark."""
    return " ".join(name.replace("\ufeff", "").split()).casefold()


def read_rows(raws: Iterable[Raw], columns: list[str | None], setting: Setting, salt: str, out: Outcome) -> list[Row]:
    """Return the rows that can be taken; those that can't are refused in `out`. `salt` is what else makes a row."""
    found = []
    several = [at for at, name in enumerate(columns) if name in SEVERAL and name in columns[:at]]
    for raw in raws:
        out.counts["rows"] += 1
        try:
            reading = _read(raw, columns, setting, several)
        except Unfit as error:
            out.refuse(raw.record, str(error), raw.cells)
            continue
        out.note(raw.record, reading)
        found.append(Row(raw.record, raw.cells, reading, _event_id(reading, salt)))
    return found


def _read(raw: Raw, columns: list[str | None], setting: Setting, several: list[int]) -> Reading:
    if raw.problem:
        raise Unfit(raw.problem)
    if not any(cell.strip() for cell in raw.cells):
        raise Unfit("The row is empty")
    if len(raw.cells) < len(columns):
        raise Unfit(f"It has {len(raw.cells)} cells, the header {len(columns)}: the row is cut short or is a total")
    if any(cell.strip() for cell in raw.cells[len(columns) :]):
        raise Unfit(f"It has {len(raw.cells)} cells, the header {len(columns)}")
    if sum(map(len, raw.cells)) > MAX_ROW:
        raise Unfit(f"It is longer than {MAX_ROW // 1024} kB")
    pairs = zip(reversed(columns), reversed(raw.cells[: len(columns)]), strict=True)
    named = {name: cell for name, cell in pairs if name}
    for at in several:
        name = columns[at] or ""
        named[name] = SEVERAL[name].join(filter(None, (named[name], raw.cells[at])))
    return fields.read(named, setting)


def _event_id(reading: Reading, salt: str) -> str:
    """Return the id of a row's event: rows that say the same have the same. A visit goes by its own number."""
    visit = reading.payload.get("visit_id")
    if visit:
        return f"visit:{reading.identity['scl_member_id']}:{visit}"
    told = [salt, reading.type, reading.identity, reading.payload]
    if reading.unknown_club:
        # Once there is a club of that name, the row says more: it can be imported again.
        told.append("unknown club")
    said = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return f"row:{hashlib.sha256(said).hexdigest()[:40]}"


def apply(
    session: Session,
    tenant_id: UUID,
    rows: list[Row],
    setting: Setting,
    *,
    on_match: str,
    file_name: str,
    by: str,
    handlers: Sequence[Handler],
    start_journeys: bool,
    out: Outcome,
) -> None:
    """Take the rows in; what became of them is added to `out`. The caller holds the tenant's capture lock."""
    rows = _fresh(session, tenant_id, rows, out)
    claimed = [_claimed(id_, row, setting) for id_, row in zip(map(UUID, log.new_ids(len(rows))), rows, strict=True)]
    rows, claimed = _remembered(session, tenant_id, rows, claimed, out)
    if setting.preset.kind == VISITS:
        rows, claimed = _of_known(session, tenant_id, rows, claimed, out)
    if on_match in (CREATE, SKIP) and setting.preset.kind != VISITS:
        rows, claimed = _only_new(session, tenant_id, rows, claimed, setting, on_match, out)
    if not rows:
        return
    found = identity.resolve(session, tenant_id, [one.evidence for one in claimed], setting.places)
    made = set(found.created)
    if on_match == FILL:
        for one in claimed:
            if found.matches[one.id].customer_id not in made:
                one.payload["fill"] = True
    rows_of = Counter(match.customer_id for match in found.matches.values())
    people = records.lock(session, tenant_id, rows_of.keys() - made)
    # Nearly all rows of a first import: there is nothing to compare the only row of somebody new with.
    people |= {one: records.blank(one) for one in made if rows_of[one] > 1}
    for row, one in zip(rows, claimed, strict=True):
        # The timeline leads from the activity to the row of the file.
        one.payload |= {"file_name": file_name, "record": row.record}
    known_as = {one.id: (row.event_id, row.reading.identity) for row, one in zip(rows, claimed, strict=True)}
    consented, merged = record.write(session, tenant_id, claimed, found, setting.now, arriving=known_as)
    more = extras.write(session, tenant_id, claimed, found, file_name=file_name, by=by, now=setting.now)
    applied = [_applied(one, found) for one in claimed] if start_journeys else []
    batch = Batch(tenant_id, setting.now, applied, consented | more.consented, merged)
    for handler in handlers:
        handler(batch)
    changed = _count(rows, claimed, found, people, more, out, visits=setting.preset.kind == VISITS)
    if setting.preset.kind != VISITS:
        _suggest(session, tenant_id, rows, claimed, found, changed, setting.now, out)


def _suggest(
    session: Session,
    tenant_id: UUID,
    rows: list[Row],
    claimed: list[Claimed],
    found: Resolution,
    changed: Collection[UUID],
    now: datetime,
    out: Outcome,
) -> None:
    """Suggest whoever is new or changed and looks like somebody else; count the pairs that nobody knew of."""
    whom = {*found.created, *changed, *(one.winner for one in found.joins)} - {one.loser for one in found.joins}
    pairs = likeness.look(session, tenant_id, whom, now)
    out.counts["suggested"] += len(pairs)
    shown = pairs[: out.room["suggested"]]
    if not shown:
        return
    stands = {found.matches[one.id].customer_id: row.record for row, one in zip(rows, claimed, strict=True)}
    values = {"tenant_id": tenant_id, "ones": array(one for one, _ in shown), "others": array(two for _, two in shown)}
    lines: dict[int, dict[str, Any]] = {}
    for pair in session.execute(_PAIRS, values):
        one = (pair.one_id, called(pair.one_first, pair.one_last))
        other = (pair.other_id, called(pair.other_first, pair.other_last))
        mine, theirs = (one, other) if one[0] in stands else (other, one)
        record = stands.get(mine[0])
        if record is not None:
            line = {"record": record, "customer_id": str(mine[0]), "name": mine[1], "looks_like": []}
            like = {"customer_id": str(theirs[0]), "name": theirs[1], "score": pair.score, "reasons": pair.reasons}
            lines.setdefault(record, line)["looks_like"].append(like)
    for line in lines.values():
        out.tell("suggested", line)


def _fresh(session: Session, tenant_id: UUID, rows: list[Row], out: Outcome) -> list[Row]:
    known = log.known_ids(session, tenant_id, IMPORT_SOURCE, {row.event_id for row in rows})
    fresh = []
    for row in rows:
        if row.event_id in known:
            out.counts["unchanged"] += 1
            out.tell("unchanged", {"record": row.record, "name": _said_name(row)})
        else:
            known.add(row.event_id)
            fresh.append(row)
    return fresh


def _said_name(row: Row) -> str:
    said, known_by = row.reading.payload, row.reading.identity
    known_as = known_by.get("email") or known_by.get("scl_member_id")
    return called(said.get("first_name"), said.get("last_name"), email=known_as)


def _of_known(
    session: Session, tenant_id: UUID, rows: list[Row], claimed: list[Claimed], out: Outcome
) -> tuple[list[Row], list[Claimed]]:
    """Return the visits of members who are there; a visit alone makes nobody."""
    numbers = {row.reading.identity["scl_member_id"] for row in rows}
    held = set(session.scalars(_HELD, {"tenant_id": tenant_id, "values": array(numbers)}))
    kept = []
    for row, one in zip(rows, claimed, strict=True):
        number = row.reading.identity["scl_member_id"]
        if number in held:
            kept.append((row, one))
        else:
            out.refuse(row.record, f"Nobody has the member number {number}", row.cells)
    return [row for row, _ in kept], [one for _, one in kept]


def _claimed(id_: UUID, row: Row, setting: Setting) -> Claimed:
    reading = row.reading
    return read(
        id_,
        IMPORT_SOURCE,
        row.event_id,
        catalogue.get(reading.type),
        reading.occurred_at,
        identity=reading.identity,
        payload=dict(reading.payload),
        customer_id=None,
        places=setting.places,
    )


def _remembered(
    session: Session, tenant_id: UUID, rows: list[Row], claimed: list[Claimed], out: Outcome
) -> tuple[list[Row], list[Claimed]]:
    """Return the rows but those of people who were erased: an import does not bring them back."""
    erased = forgotten.of_import(session, tenant_id, claimed)
    kept = []
    for row, one in zip(rows, claimed, strict=True):
        if one.id in erased:
            # Nor does the list of what was refused keep what the row says of them.
            out.refuse(row.record, f"The person was erased on {erased[one.id]:%Y-%m-%d}; add them by hand", [])
        else:
            kept.append((row, one))
    return [row for row, _ in kept], [one for _, one in kept]


def _only_new(
    session: Session,
    tenant_id: UUID,
    rows: list[Row],
    claimed: list[Claimed],
    setting: Setting,
    on_match: str,
    out: Outcome,
) -> tuple[list[Row], list[Claimed]]:
    """Return the rows of people who are new; the others are passed over, or refused if nobody may be known."""
    found = identity.resolve(session, tenant_id, [one.evidence for one in claimed], setting.places)
    kept = []
    for row, one in zip(rows, claimed, strict=True):
        match = found.matches[one.id]
        if match.is_new:
            kept.append((row, one))
        elif on_match == SKIP:
            out.counts["unchanged"] += 1
            line = {"record": row.record, "customer_id": str(match.customer_id), "name": _said_name(row)}
            out.tell("unchanged", line)
        else:
            known_by = ", ".join(match.matched_by) or "name"
            out.refuse(row.record, f"They are here already (known by {known_by})", row.cells)
    return [row for row, _ in kept], [one for _, one in kept]


def _applied(one: Claimed, found: Resolution) -> AppliedEvent:
    match = found.matches[one.id]
    return AppliedEvent(
        one.id, one.type.name, one.source, one.occurred_at, one.payload, match.customer_id, match.is_new
    )


def _count(
    rows: list[Row],
    claimed: list[Claimed],
    found: Resolution,
    people: dict[UUID, Record],
    more: extras.Extras,
    out: Outcome,
    *,
    visits: bool,
) -> set[UUID]:
    """Tell new rows from those that change somebody and those that change nothing, one after the other.

    Return whom they change.
    """
    altered = set()
    points, ids = set(found.points), set(found.ids)
    # Of two rows about somebody new the first makes them.
    to_come, made = set(found.created), set(found.created)
    for row, one in zip(rows, claimed, strict=True):
        match = found.matches[one.id]
        person = people.get(match.customer_id)
        changes: list[dict[str, Any]] = []
        if person is None:
            consents = _first_consents(one)
            name = called(one.said.get("first_name"), one.said.get("last_name"))
        else:
            changes, consents = _changes(person, one)
            name = called(person.values["first_name"], person.values["last_name"])
            hints = {(match.customer_id, pair) for pair in one.evidence.points} & points
            exact = set(one.evidence.ids) & ids
            points -= hints
            ids -= exact
            told = {change["new"] for change in changes}
            fresh = [pair for _, pair in sorted(hints) if pair[1] not in told]
            changes += [{"field": kind, "old": None, "new": key} for kind, key in fresh]
            changes += [{"field": kind, "old": None, "new": value} for kind, value in sorted(exact)]
        changes += more.changes.get(one.id, [])
        consents += more.consents.get(one.id, [])
        out.consent.update(f"{change['field']}: {change['new']}" for change in consents)
        line = {"record": row.record, "customer_id": str(match.customer_id), "name": name}
        if consents:
            out.counts["consent"] += 1
            out.tell("consent", {**line, "changes": consents})
        if match.customer_id in made:
            line["new"] = True
        if match.customer_id in to_come or visits:
            kind = "created"
            to_come.discard(match.customer_id)
        else:
            kind = "updated" if changes or consents else "unchanged"
            line |= {"changes": changes + consents, "matched_by": list(match.matched_by)}
            if kind == "updated":
                altered.add(match.customer_id)
        out.counts[kind] += 1
        out.tell(kind, line)
    return altered


def _changes(person: Record, one: Claimed) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Give the record what the row says; return what is different then, and what of consent is."""
    before = dict(person.values)
    for fact in record.facts_of(one, person.facts_at):
        facts.apply(person, fact)
    changes: list[dict[str, Any]] = []
    consents: list[dict[str, Any]] = []
    for name in _SHOWN:
        old, new = before[name], person.values[name]
        if old != new:
            into = consents if name in _CONSENT_COLUMNS else changes
            into.append({"field": name, "old": _text(old), "new": _text(new)})
    was, custom = before["custom"], person.values["custom"]
    if was != custom:
        changes += [
            {"field": f"{CUSTOM}{key}", "old": _text(was.get(key)), "new": _text(custom.get(key))}
            for key in sorted({*was, *custom})
            if was.get(key) != custom.get(key)
        ]
    return changes, consents


def _first_consents(one: Claimed) -> list[dict[str, Any]]:
    """Return what a row says of consent, of somebody of whom nothing was said before."""
    return [
        {"field": CONSENT_FIELDS[channel], "old": None, "new": _text(yes)} for channel, yes in record.consents_of(one)
    ]


_CONSENT_COLUMNS = frozenset(CONSENT_FIELDS.values())


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return None if value is None else str(value)
