"""Handing messages to those who take them one by one: a few at a time, and noting of each who may have it."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from app.messaging.channel import Outcome, Outgoing, Result

AT_ONCE = 8
LONGEST_BATCH_SECONDS = 45.0
"""What of a batch was not handed over by then is tried again later: a sender is not held by a slow provider."""


def not_yet(batch: Sequence[Outgoing]) -> None:
    """Note that nobody has any of these: they are still being made."""
    for one in batch:
        one.mark.kept()


def each(
    batch: Sequence[Outgoing],
    send: Callable[[Outgoing], Outcome],
    *,
    too_slow: str,
    stops: Callable[[Outcome], bool] | None = None,
) -> list[Outcome]:
    """Hand each message over by `send`, some at once, and return what became of them, in order.

    Once an outcome `stops` nobody is asked any more, and it is that of the others too. `too_slow` is said of those that
    were not handed over in time.
    """
    ends = time.monotonic() + LONGEST_BATCH_SECONDS
    stopped: list[Outcome] = []

    def one(outgoing: Outgoing) -> Outcome:
        if stopped:
            return stopped[0]
        if time.monotonic() > ends:
            return Outcome(Result.RETRY, too_slow)
        outgoing.mark.offered()
        outcome = send(outgoing)
        if outcome.result is Result.SENT:
            outgoing.mark.taken()
        elif outcome.result is not Result.UNKNOWN:
            outgoing.mark.kept()
        if stops is not None and stops(outcome):
            stopped.append(outcome)
        return outcome

    if len(batch) == 1:
        return [one(batch[0])]
    with ThreadPoolExecutor(min(AT_ONCE, len(batch)), thread_name_prefix="handing") as pool:
        return list(pool.map(one, batch))
