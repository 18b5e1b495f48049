"""Sending: claim a few, commit them as `sending`, hand them over outside any transaction, record what became of them.

A process that dies in between leaves rows in `sending`; `settling.settle` finds out what it had offered to anybody
(in_hand.py), or `reconcile` finds them later. The batches are as large as the channel is quick, so that few are in the
air at once and a withdrawn consent is heard within a second.
"""

import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.infra.ids import new_id
from app.messaging import breaker, in_hand, runs, slowing
from app.messaging.channel import EMAIL, Outcome, Outgoing, Result, channel
from app.messaging.compose import compose_or_why, subject_of
from app.messaging.gate import Claim, claim
from app.messaging.results import MAX_ATTEMPTS, Ending, record
from app.messaging.sending_domains import in_use
from app.messaging.states import Reason, Status

log = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=10)
LONGEST_RETRY = timedelta(hours=1)
JITTER = 0.2

_NOTHING_CHOSEN = runs.Chosen()

SMALLEST_BATCH = 20
LARGEST_BATCH = 800
TARGET_SECONDS = 0.4

RECORD_AGAIN = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between tries to record: a restart of the database, and less than after what a sender is given up."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What became of a channel's letters of a batch, by their addresses, and when that was known."""

    name: str
    addresses: Sequence[str]
    outcomes: Sequence[Outcome]
    moment: datetime

    @property
    def nobody_there(self) -> bool:
        """Return whether nobody was there to take any of them."""
        return all(one.no_connection for one in self.outcomes)


class Pace:
    """How many messages this process claims at a time: more while batches are quick, fewer when they are slow.

    What counts is how long letters are in the air: whoever stops them meanwhile is not heard.
    """

    def __init__(self) -> None:
        self.size = SMALLEST_BATCH

    def learn(self, seconds: float) -> None:
        """Take note of how long it took to write and hand over a full batch."""
        if seconds > TARGET_SECONDS:
            self.size = max(SMALLEST_BATCH, self.size // 2)
        elif seconds < TARGET_SECONDS / 2:
            self.size = min(LARGEST_BATCH, self.size * 2)


_pace = Pace()


def send_batch(*, tenant_id: UUID, now: datetime, limit: int | None = None) -> int:
    """Claim due messages (`limit`, or as many as the pace allows), send those the gate lets out, record the results.

    Return how many were dealt with; 0 when none was due, or when nobody answers again at the other end.
    """
    size, attempt_id, hand = limit or _pace.size, new_id(), in_hand.hand()
    hand.begin(tenant_id, attempt_id)
    try:
        claimed = claim(tenant_id=tenant_id, limit=size, now=now, attempt_id=attempt_id)
        begun = time.monotonic()
        if claimed.letters:
            endings, lessons = _send(tenant_id, claimed, hand, now, begun)
            taken = time.monotonic() - begun
            _write_down(tenant_id, attempt_id, endings)
    except Exception:
        # Even a claim that failed may be committed, where the connection broke on the answer.
        in_hand.let_go()
        raise
    hand.done()
    if claimed.letters:
        _learn(tenant_id, claimed, lessons)
        if lessons and all(one.nobody_there and one.name in claimed.troubled for one in lessons):
            # The rest of the queue need not be tried in vain now as well; what other channels have went before it.
            return 0
        if claimed.looked_at >= size:
            _pace.learn(taken)
    return claimed.looked_at


def _write_down(tenant_id: UUID, attempt_id: UUID, endings: Sequence[Ending]) -> None:
    """Record how letters ended, again and again while the database is away: nobody else knows that they went out."""
    for pause in RECORD_AGAIN:
        try:
            return record(tenant_id=tenant_id, attempt_id=attempt_id, endings=endings)
        except OperationalError as error:
            log.warning("What became of %s messages can't be recorded (%s); trying again", len(endings), error.orig)
            time.sleep(pause)
    return record(tenant_id=tenant_id, attempt_id=attempt_id, endings=endings)


def _learn(tenant_id: UUID, claimed: Claim, lessons: Sequence[Lesson]) -> None:
    """Let the breaker and whoever asks for less be known. The messages are recorded: nothing is lost if that fails."""
    try:
        for one in lessons:
            troubled = one.name in claimed.troubled
            breaker.learn(tenant_id=tenant_id, name=one.name, outcomes=one.outcomes, troubled=troubled, now=one.moment)
            slowing.learn(
                tenant_id=tenant_id,
                name=one.name,
                addresses=one.addresses,
                outcomes=one.outcomes,
                slowed=claimed.slowed,
                now=one.moment,
            )
    except SQLAlchemyError:
        log.exception("What was learned of who takes messages can't be noted")


def _send(
    tenant_id: UUID, claimed: Claim, hand: in_hand.Hand, now: datetime, begun: float
) -> tuple[list[Ending], list[Lesson]]:
    """Render and hand over what was claimed; return how each ended, and what each channel's other side answered."""
    endings: list[Ending] = []
    outgoing: dict[str, list[tuple[Mapping[str, Any], Outgoing]]] = {}
    senders = in_use(tenant_id=tenant_id)
    # A subject is a variant's; where nobody can be chosen as sender either, there is nothing to ask for.
    asked = [row for row in claimed.letters if row["run_id"] is not None and (senders.by_id or row["variant"])]
    chosen = runs.chosen_of(tenant_id=tenant_id, run_ids={row["run_id"] for row in asked})
    noted: list[tuple[UUID, str | None, UUID | None]] = []
    for place, row in enumerate(claimed.letters):
        subject, mark = None, hand.mark(place)
        its = chosen.get((row["run_id"], row["variant"] or ""), _NOTHING_CHOSEN)
        letter = compose_or_why(
            tenant_id=tenant_id,
            tenant_name=claimed.tenant_name,
            row=row,
            sender=senders.of(row["club_id"], its.sender_id) if senders.by_id else None,
            subject=its.subject if row["channel"] == EMAIL else None,
            mark=mark,
        )
        if isinstance(letter, Ending):
            endings.append(letter)
        else:
            subject = subject_of(letter)
            outgoing.setdefault(row["channel"], []).append((row, letter))
        noted.append((row["id"], subject, row["reader_id"]))
    hand.letters(noted)
    lessons: list[Lesson] = []
    for name, letters in outgoing.items():
        outcomes = _handed_over(name, [letter for _, letter in letters])
        moment = now + timedelta(seconds=time.monotonic() - begun)
        lessons.append(Lesson(name, [letter.address for _, letter in letters], outcomes, moment))
        for (row, letter), outcome in zip(letters, outcomes, strict=True):
            endings.append(_ending(row, letter, outcome, moment))
    return endings, lessons


def _handed_over(name: str, letters: Sequence[Outgoing]) -> list[Outcome]:
    """Return what became of a channel's letters. Where its own code fails some may be out: none of them is repeated."""
    for letter in letters:
        letter.mark.offered()
    try:
        return channel(name).deliver(letters)
    except Exception as problem:
        # What other channels have in this batch is recorded all the same.
        log.exception("Channel %s failed with %s messages", name, len(letters))
        for letter in letters:
            letter.mark.doubted()
        said = f"{type(problem).__name__}: {problem}"[:500]
        return [Outcome(Result.UNKNOWN, said) for _ in letters]


def retry_at(attempts: int, now: datetime) -> datetime:
    """Return when the attempt after the `attempts`-th is due: ever later, and not all at the same moment."""
    wait: timedelta = min(FIRST_RETRY * 3 ** max(attempts - 1, 0), LONGEST_RETRY)
    return now + wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing


def _ending(row: Mapping[str, Any], letter: Outgoing, outcome: Outcome, now: datetime) -> Ending:
    """Return what is to be recorded of a letter that was handed over."""
    subject = subject_of(letter)
    if outcome.result is Result.SENT:
        return Ending(
            row["id"], Status.SENT, None, outcome.response, subject, sent_at=now, customer_id=row["reader_id"]
        )
    if outcome.result is Result.UNKNOWN:
        return Ending(row["id"], Status.UNKNOWN, Reason.NO_ANSWER, outcome.response, subject)
    if outcome.result is Result.FAILED:
        dead = letter.address if outcome.dead_address else None
        return Ending(
            row["id"],
            Status.FAILED,
            Reason.REFUSED,
            outcome.response,
            subject,
            dead_address=dead,
            channel=row["channel"],
        )
    attempts = row["attempts"] + 1
    if attempts >= MAX_ATTEMPTS:
        return Ending(row["id"], Status.FAILED, Reason.GAVE_UP, outcome.response, subject)
    return Ending(
        row["id"],
        Status.QUEUED,
        Reason.TEMPORARY_FAILURE,
        outcome.response,
        subject,
        due_at=max(retry_at(attempts, now), now + (outcome.retry_after or timedelta(0))),
    )
