"""`make bench`: measure Fairway against raw limits, side by side in the same run.

Nearly every figure is the ratio of the product's rate to a raw limit's, both measured in turns on this machine.
Absolute rates say as much about the machine and what else it does as about Fairway. `search` tells how long requests
take among a million customers. `kills`, `campaign`, `leaving` and `soak` count what Fairway comes through.
"""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from benchmarks import canvas, events, faults, imports, journeys, journeys_due, mails, search, segments, soak, upkeep
from benchmarks.figures import Figure, Latencies
from benchmarks.sink import Sink, serving
from benchmarks.stack import Stack, running

NAMES = ("events-batch", "events-single", "imports", "journeys", "mails")
ASKED = ("canvas", "search", "segments", "upkeep", "journeys-flat", "journeys-due")
"""What runs only when it is named."""
FAULTS = (*faults.NAMES, "soak")
"""What has a product, and an SMTP server, of its own."""
Measured = Figure | Latencies | journeys.Flat | journeys_due.Due | segments.Segments | upkeep.Upkeep | faults.Faults


def main() -> int:
    """Run the benchmarks asked for and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join((*NAMES, *ASKED, *FAULTS))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run: {names}; without one, the first five")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of product and raw limit in turn (3)")
    parser.add_argument("--events", type=int, default=20_000, help="events a round (20,000)")
    parser.add_argument("--singles", type=int, default=5_000, help="events a round that are posted one by one (5,000)")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of the file that is imported (20,000)")
    parser.add_argument("--people", type=int, default=20_000, help="people a journey is walked by (20,000)")
    parser.add_argument("--mails", type=int, default=20_000, help="mails a round (20,000)")
    parser.add_argument("--dkim", action="store_true", help="sign the product's mails")
    parser.add_argument("--workers", type=int, help="workers of the product, and processes beside it (2 or 3)")
    parser.add_argument("--letters", type=int, default=5_000, help="letters of kills (5,000)")
    parser.add_argument("--kills", type=int, default=60, help="how often a worker is killed in kills (60)")
    parser.add_argument("--readers", type=int, default=100_000, help="readers of campaign (100,000)")
    parser.add_argument("--rate", type=float, help="letters a second that campaign's server takes (any number)")
    parser.add_argument("--leavers", type=int, default=2_000, help="who says no in leaving, a fifth of all (2,000)")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long soak takes (30)")
    parser.add_argument("--crashes", action="store_true", help="let PostgreSQL die in soak, and no worker")
    parser.add_argument("--customers", type=int, default=1_000_000, help="customers of search and segments (1,000,000)")
    parser.add_argument("--due", type=int, default=50_000, help="who is due in one minute of journeys-due (50,000)")
    parser.add_argument("--activities", type=int, default=10_000_000, help="activities of segments (10,000,000)")
    parser.add_argument("--requests", type=int, default=100, help="requests of each kind of search and canvas (100)")
    parser.add_argument("--plans", action="store_true", help="show the plans of search as well")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is below its floor")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - {*NAMES, *ASKED, *FAULTS})
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {names}")
    asked = options.names or NAMES
    figures: list[Measured] = []
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · {os.cpu_count()} × {_processor()}", flush=True)
    together = [name for name in asked if name not in FAULTS]
    for figure in chain(_together(together, options), _alone(asked, options)):
        figures.append(figure)
        print("\n" + "\n".join(figure.lines()), flush=True)
    failures = [line for figure in figures for line in figure.failures()]
    if failures:
        print("\nBelow the floor:\n  " + "\n  ".join(failures))
    return 1 if failures and options.check else 0


def _together(names: Sequence[str], options: argparse.Namespace) -> Iterator[Measured]:
    if not names:
        return
    options.workers = options.workers or 2
    with serving() as sink, running(sink.url, options.workers) as stack:
        for name in names:
            yield _measure(name, stack, options, sink)


def _alone(names: Sequence[str], options: argparse.Namespace) -> Iterator[Measured]:
    if "kills" in names:
        yield faults.kills(options.letters, options.kills, options.workers or 3)
    if "campaign" in names:
        yield faults.campaign(options.readers, options.workers or 2, options.rate)
    if "leaving" in names:
        yield faults.leaving(options.leavers, options.workers or 2)
    if "soak" in names:
        yield soak.soak(options.minutes, options.workers or 3, crashes=options.crashes)


def _measure(name: str, stack: Stack, options: argparse.Namespace, sink: Sink) -> Measured:
    match name:
        case "events-batch":
            return events.batches(stack, options.events, options.rounds)
        case "events-single":
            return events.singles(stack, options.singles, options.rounds)
        case "imports":
            return imports.measure(stack, options.rows, options.rounds)
        case "journeys":
            return journeys.measure(stack, sink, options.people, options.rounds, options.workers)
        case "journeys-flat":
            return journeys.flat(stack, options.customers)
        case "journeys-due":
            return journeys_due.measure(stack, sink, options.customers, options.due)
        case "canvas":
            return canvas.measure(stack, options.requests)
        case "search":
            return search.measure(stack, options.customers, options.requests, plans=options.plans)
        case "segments":
            return segments.measure(stack, options.customers, options.activities, options.rounds)
        case "upkeep":
            return upkeep.measure(stack, options.events, options.rounds)
        case _:
            return mails.measure(stack, sink, options.mails, options.rounds, options.workers, dkim=options.dkim)


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
