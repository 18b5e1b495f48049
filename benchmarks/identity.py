"""Identity, measured: pairwise precision and recall of the people found, against files that tell the truth.

    DATABASE_URL=… REDIS_URL=… python -m benchmarks.identity DIRECTORY
    DATABASE_URL=… REDIS_URL=… python -m benchmarks.identity --seed 7 [FAMILIES]

DIRECTORY holds the member files, `events.jsonl`, `truth_members.csv` (file, record, member_id, person) and
`truth_events.csv` (event_id, person); with a seed they are made up (`benchmarks.households`; FAMILIES times
as many who share a mailbox or a phone). A pair is two rows or
events; precision is how many of the pairs put together belong together, recall how many of those that belong together
were put together. Below each figure stands why the others were not. Makes an organisation of its own.
"""

import csv
import sys
import time
from collections import Counter, defaultdict
from itertools import combinations, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

from flask import Flask

from benchmarks import causes, households

MEMBERS = {"mca_v1_za_members.csv": "mca-v1-za-members", "mca_v1_uk_members.csv": "mca-v1-uk-members"}
CLUBS = (
    ("Highveld Links", "ZA"),
    ("Umhlanga Country Club", "ZA"),
    ("Table Bay Golf Club", "ZA"),
    ("St Brannock's Links", "GB"),
    ("Harrow Down Golf Club", "GB"),
)
SHOWN = 8


def agreement(found: dict[Any, Any], truth: dict[Any, str]) -> tuple[float, float, int, int]:
    """Return precision, recall, and how many pairs are wrong and missing, over what both know."""
    both = [(found[one], truth[one]) for one in found.keys() & truth.keys()]
    together = _pairs(Counter(one for one, _ in both))
    belonging = _pairs(Counter(other for _, other in both))
    right = _pairs(Counter(both))
    return right / max(1, together), right / max(1, belonging), together - right, belonging - right


def _pairs(counts: "Counter[Any]") -> int:
    return sum(count * (count - 1) // 2 for count in counts.values())


def measure(app: Flask, tenant_id: UUID, directory: Path) -> None:
    """Import the member files twice and apply the events; print the figures."""
    with app.app_context():
        _print_files(tenant_id, directory)
        truth_rows = {
            (one["file"], int(one["record"])): one["person"] for one in _table(directory / "truth_members.csv")
        }
        truth_events = {one["event_id"]: one["person"] for one in _table(directory / "truth_events.csv")}
        told = _told(tenant_id)
        _print("two member files", _rows(tenant_id), truth_rows, told)
        _print_suggested(tenant_id, _rows(tenant_id), truth_rows)
        began = time.monotonic()
        _load(tenant_id, directory / "events.jsonl")
        print(f"events applied in {time.monotonic() - began:.1f} s")
        told = _told(tenant_id)
        _print("files and events", _rows(tenant_id) | _events(tenant_id), truth_rows | truth_events, told)


def _print_files(tenant_id: UUID, directory: Path) -> None:
    for _ in range(2):
        for name, preset in MEMBERS.items():
            print(f"{name}: {_import(tenant_id, directory / name, preset)}", flush=True)


def _import(tenant_id: UUID, file: Path, preset: str) -> str:
    from app.capture.imports import queries, service, work
    from app.infra import clock

    began = time.monotonic()
    with file.open("rb") as opened:
        options = service.Options(preset=preset)
        run_id = service.start(
            tenant_id=tenant_id, file=opened, file_name=file.name, options=options, actor="system:benchmark"
        )
    while (run := queries.run(tenant_id=tenant_id, run_id=run_id)).finished_at is None:
        work.run_batch(tenant_id=tenant_id, now=clock.now())
    return (
        f"{run.rows} rows = {run.created} created + {run.updated} updated + {run.unchanged} unchanged"
        f" + {run.refused} refused, {run.suggested} suggested, {time.monotonic() - began:.1f} s"
    )


def _load(tenant_id: UUID, file: Path) -> None:
    from app.capture import service as capture
    from app.events import log

    with file.open("rb") as lines:
        while batch := list(islice(lines, log.MAX_BATCH)):
            log.append(tenant_id=tenant_id, events=[line for line in batch if line.strip()])
    while capture.process_batch(tenant_id=tenant_id):
        pass


def _rows(tenant_id: UUID) -> dict[Any, Any]:
    """Return whom each row came to, by file and number."""
    rows = _query(
        tenant_id,
        "SELECT payload ->> 'file_name' AS file, cast(payload ->> 'record' AS int) AS record, customer_id"
        " FROM inbound_event WHERE source = 'import' AND status = 'processed'",
    )
    return {(row.file, row.record): row.customer_id for row in rows}


def _events(tenant_id: UUID) -> dict[Any, Any]:
    rows = _query(
        tenant_id,
        "SELECT event_id, customer_id FROM inbound_event WHERE source <> 'import' AND status = 'processed'",
    )
    return {row.event_id: row.customer_id for row in rows}


def _told(tenant_id: UUID) -> dict[Any, causes.Told]:
    """Return what each row and event tells of identity, by the key it has in the truth files."""
    from app.capture import claimed
    from app.events.places import places
    from app.infra.db import transaction

    found: dict[Any, causes.Told] = {}
    with transaction(tenant_id) as session:
        known = places(session, tenant_id)
        rows = _query(
            tenant_id,
            "SELECT id, source, event_id, type, occurred_at, cast(identity AS text), cast(payload AS text), customer_id"
            " FROM inbound_event WHERE status = 'processed'",
        )
        for row in rows:
            one = claimed.understand(row, known)
            said = one.evidence
            born = said.date_of_birth.isoformat() if said.date_of_birth else None
            imported = one.source == "import"
            key = (one.payload["file_name"], one.payload["record"]) if imported else row.event_id
            found[key] = causes.Told(frozenset(said.ids), frozenset(said.points), said.first_name, said.last_name, born)
    return found


def _query(tenant_id: UUID, statement: str) -> list[Any]:
    from sqlalchemy import text

    from app.infra.db import transaction

    with transaction(tenant_id) as session:
        return list(session.execute(text(statement)).all())


def _table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def _print(what: str, found: dict[Any, Any], truth: dict[Any, str], told: dict[Any, causes.Told]) -> None:
    # Rows that name nobody (totals, blank ones) are no person's.
    truth = {one: person for one, person in truth.items() if person}
    precision, recall, wrong, missing = agreement(found, truth)
    known = len(found.keys() & truth.keys())
    figures = f"precision {precision:.4f}, recall {recall:.4f}"
    print(f"{what}: {figures} ({known} pieces; {wrong} wrong, {missing} missing pairs)")
    for name, why in (("wrong", causes.wrong), ("missing", causes.missing)):
        lines = why(found, truth, told).lines()
        if lines:
            print(f"  {name}, by cause:", *lines, sep="\n")


def _print_suggested(tenant_id: UUID, found: dict[Any, Any], truth: dict[Any, str]) -> None:
    """Print how many of the missing pairs of rows wait for people, and how many two people who are none do."""
    suggested = {
        frozenset((row.one_id, row.other_id))
        for row in _query(tenant_id, "SELECT one_id, other_id FROM merge_suggestion WHERE status = 'open'")
    }
    owners: dict[str, set[Any]] = defaultdict(set)
    for one, person in truth.items():
        if person and one in found:
            owners[person].add(found[one])
    missing = {frozenset(pair) for some in owners.values() for pair in combinations(some, 2)}
    right = len(missing & suggested)
    print(f"  suggested: {right} of {len(missing)} pairs of profiles of one person, {len(suggested) - right} of two")


def main() -> int:
    """Run and return the exit status."""
    seeded = len(sys.argv) in (3, 4) and sys.argv[1] == "--seed"
    if len(sys.argv) != 2 and not seeded:
        print(__doc__)
        return 2
    from app.factory import create_app
    from app.infra.config import load
    from tests.conftest import make_tenant

    app = create_app(load())
    with app.app_context():
        tenant = make_tenant(f"Identity {uuid4().hex[:6]}")
        add_clubs(tenant.id)
    if not seeded:
        measure(app, tenant.id, Path(sys.argv[1]))
        return 0
    with TemporaryDirectory() as directory:
        households.write(Path(directory), int(sys.argv[2]), families=float(sys.argv[3]) if sys.argv[3:] else 1)
        measure(app, tenant.id, Path(directory))
    return 0


def add_clubs(tenant_id: UUID) -> None:
    """Give the organisation the clubs that the files name."""
    from sqlalchemy import text

    from app.infra.db import transaction

    with transaction(tenant_id) as session:
        for name, country in CLUBS:
            session.execute(
                text(
                    "INSERT INTO club (tenant_id, id, name, country, timezone, locale, currency) VALUES"
                    " (:tenant_id, uuid7(), :name, :country, 'Africa/Johannesburg', 'en_ZA', 'ZAR')"
                ),
                {"tenant_id": tenant_id, "name": name, "country": country},
            )


if __name__ == "__main__":
    sys.exit(main())
