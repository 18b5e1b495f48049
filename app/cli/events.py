"""`flask events`: load a file of events as if their systems had posted them."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import click
from flask.cli import AppGroup

from app.cli import tenants
from app.events import log

BATCH = 500
SHOWN = 10

events = AppGroup("events", help="The events that came in.")


@events.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tenant", help="The organisation's id or name; needed where there are several.")
@click.option("--source", help="The source of events that name none.")
def load(file: Path, tenant: str | None, source: str | None) -> None:
    """Take in FILE, one JSON event a line. A line that is refused is named with the reason; loading twice is safe."""
    tenant_id = tenants.tenant_id(tenant)
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    with file.open("rb") as lines, click.progressbar(length=file.stat().st_size, label="Loading") as bar:
        for batch, size in _batches(lines):
            for result in log.append(tenant_id=tenant_id, events=batch, source_default=source):
                counts[result.status.value] += 1
                if result.reason:
                    reasons[result.reason] += 1
            bar.update(size)
    click.echo(", ".join(f"{counts[status.value]:,} {status.value}" for status in log.Status))
    for reason, count in reasons.most_common(SHOWN):
        click.echo(f"  {count:,} × {reason}")


def _batches(lines: IO[bytes]) -> Iterator[tuple[list[bytes], int]]:
    """Yield the lines that hold something, some hundreds at a time, with how many bytes of the file they took."""
    while raw := list(islice(lines, BATCH)):
        yield [line for line in raw if line.strip()], sum(map(len, raw))


COMMANDS = (events,)
