"""What a sender has in hand, letter by letter, where it is found after the sender was killed.

Postgres says that a batch is `sending`; which of its letters were offered to anybody is known here, in a small file of
each sender that outlives its process. The kernel holds a lock on it for as long as the sender lives, so whoever gets
that lock on the same machine knows that the sender is gone. A file that is lost, or that was written before the machine
started (what it said last may not have reached the disk), says nothing: then all of the batch is in doubt, as it is
without files.
"""

import contextlib
import fcntl
import logging
import mmap
import os
import re
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from uuid import UUID, uuid4

import orjson

from app.infra.config import load

log = logging.getLogger(__name__)

NOBODY, PERHAPS, TAKEN = 0, 1, 2
ROOM = 4_096
"""So many letters have a byte each at the beginning of the file; behind them stand two lines of JSON."""
BOOT = Path("/proc/sys/kernel/random/boot_id")
_OURS = re.compile(r"[0-9a-f]{32}\.(hand|new)")
_HALF_MADE = 60.0
"""Seconds after which a file that did not get its name belongs to nobody."""


class Mark:
    """What is known of one letter: whether somebody at the other end has it. Written before and after it is offered.

    Once its sender is done with the batch it writes nothing: the place is another letter's.
    """

    __slots__ = ("_place", "_turn")

    def __init__(self, turn: memoryview, place: int) -> None:
        self._turn = turn
        self._place = place

    def offered(self) -> None:
        """Note, before the other side can have the letter, that it may have it from here on."""
        self._write(PERHAPS)

    def kept(self) -> None:
        """Note that nobody has the letter for certain."""
        self._write(NOBODY)

    def taken(self) -> None:
        """Note that the other side said it has the letter."""
        self._write(TAKEN)

    def doubted(self) -> None:
        """Note that the letter may be offered by somebody who was left behind, unless it was taken."""
        with contextlib.suppress(ValueError):
            if self._turn[self._place] != TAKEN:
                self._turn[self._place] = PERHAPS

    def _write(self, state: int) -> None:
        # A released view refuses, without a moment between looking and writing. It is asked several times a letter,
        # and a context manager takes five times as long.
        try:  # noqa: SIM105
            self._turn[self._place] = state
        except ValueError:
            pass


def unwatched() -> Mark:
    """Return the mark of a letter that nobody asks about."""
    return Mark(memoryview(bytearray(1)), 0)


@dataclass(slots=True)
class Left:
    """The batch a dead sender had in hand: those that were `taken` (id, subject, reader) and those that may have been.

    All others of the attempt were never offered. Whoever can't deal with it says `again`, and finds it another time.
    """

    tenant_id: UUID
    attempt_id: UUID
    taken: Sequence[tuple[UUID, str | None, UUID | None]]
    perhaps: Sequence[UUID]
    again: bool = False


class Hand:
    """The batch this thread has in hand. Without a folder to write to it says nothing to anybody."""

    def __init__(self) -> None:
        self._states: bytearray | mmap.mmap = bytearray(ROOM)
        self._turn = memoryview(self._states)
        self._file: int | None = None
        self._noted = False
        try:
            self._open(_folder())
        except OSError as error:
            log.warning("What is in hand is noted nowhere (%s): set IN_HAND_DIR to a folder that can be used", error)

    def _open(self, folder: Path) -> None:
        _boot()
        name = folder / f"{uuid4().hex}.hand"
        # Nobody finds it under its name before it is locked.
        file = os.open(name.with_suffix(".new"), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A byte that is written into a map and has no room on the disk would end this process.
            os.posix_fallocate(file, 0, ROOM)
            self._states = mmap.mmap(file, ROOM)
            name.with_suffix(".new").rename(name)
        except OSError:
            os.close(file)
            name.with_suffix(".new").unlink(missing_ok=True)
            raise
        self._file, self._name = file, name
        self._close_file = weakref.finalize(self, os.close, file)
        self._close_file.atexit = False

    def begin(self, tenant_id: UUID, attempt_id: UUID) -> None:
        """Note the attempt that is about to be committed; none of its letters was offered yet."""
        self.done()
        # Whoever was left behind with an earlier batch can't write into this one.
        self._turn.release()
        self._states[:] = bytes(ROOM)
        self._turn = memoryview(self._states)
        if self._file is not None:
            self._noted = self._append({"boot": _boot(), "tenant": tenant_id, "attempt": attempt_id})

    def letters(self, letters: Sequence[tuple[UUID, str | None, UUID | None]]) -> None:
        """Note which letters the attempt has, each with its subject and reader, before the first is offered."""
        if self._noted and (len(letters) > ROOM or not self._append(letters)):
            self.done()

    def mark(self, place: int) -> Mark:
        """Return the mark of the letter at `place` of the attempt."""
        return Mark(self._turn, place) if place < ROOM else unwatched()

    def done(self) -> None:
        """Forget the attempt: Postgres knows what became of it."""
        self._noted = False
        if self._file is None:
            return
        try:
            os.ftruncate(self._file, ROOM)
        except OSError as error:
            log.warning("What is in hand is noted nowhere from here on: %s", error)
            with contextlib.suppress(OSError):
                self._name.unlink()
            self.close()

    def close(self, *, unlock: bool = True) -> None:
        """Give up the file, for others to read; without `unlock` it stays locked for who else has it open."""
        self._turn.release()
        states, file = self._states, self._file
        self._states, self._file, self._noted = bytearray(ROOM), None, False
        self._turn = memoryview(self._states)
        if file is not None and isinstance(states, mmap.mmap):
            # The map has the file open too, and either may be referred to from elsewhere.
            if unlock:
                fcntl.flock(file, fcntl.LOCK_UN)
            states.close()
            self._close_file()

    def _append(self, line: object) -> bool:
        assert self._file is not None
        words = orjson.dumps(line) + b"\n"
        try:
            os.lseek(self._file, 0, os.SEEK_END)
            return os.write(self._file, words) == len(words)
        except OSError as error:
            log.warning("What is in hand can't be noted: %s", error)
            return False


_own = threading.local()


def hand() -> Hand:
    """Return what this thread has in hand."""
    found: Hand | None = getattr(_own, "hand", None)
    if found is None:
        found = _own.hand = Hand()
    return found


def let_go() -> None:
    """Leave what this thread has in hand to whoever settles what is left: it can't tell Postgres itself."""
    _give_up(unlock=True)


def _give_up(*, unlock: bool) -> None:
    found: Hand | None = _own.__dict__.pop("hand", None)
    if found is not None:
        found.close(unlock=unlock)


# The file of a parent is not its child's, which would hold the lock for as long as it lives, and must not take it away.
os.register_at_fork(after_in_child=partial(_give_up, unlock=False))


def left() -> Iterator[Left]:
    """Yield each batch that a dead sender of this machine had in hand, and forget it once it was dealt with."""
    try:
        # The folder may be shared with others, whose files are left alone.
        names = [name for name in _folder().iterdir() if _OURS.fullmatch(name.name) and _is_plain(name)]
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError), name.open("rb") as file:
            if name.suffix == ".new" and time.time() - os.fstat(file.fileno()).st_mtime < _HALF_MADE:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = _found(name, file.read()) if name.suffix == ".hand" else None
            if found is not None:
                yield found
            if found is None or not found.again:
                name.unlink(missing_ok=True)


def _is_plain(name: Path) -> bool:
    return name.is_file() and not name.is_symlink()


def _found(name: Path, written: bytes) -> Left | None:
    try:
        return _read(written)
    except Exception:
        log.exception("What a sender had in hand can't be read from %s", name.name)
        return None


def _read(written: bytes) -> Left | None:
    """Return what a sender left, or None where it had nothing in hand or what it wrote can't be relied on."""
    lines = written[ROOM:].split(b"\n")
    # A line without its end was being written when the sender died; nothing was done yet that it speaks of.
    whole = [orjson.loads(line) for line in lines[:-1]]
    if not whole or whole[0].get("boot") != _boot():
        return None
    letters = [(UUID(id_), subject, reader and UUID(reader)) for id_, subject, reader in whole[1]] if whole[1:] else []
    states = dict(zip((one[0] for one in letters), written, strict=False))
    return Left(
        tenant_id=UUID(whole[0]["tenant"]),
        attempt_id=UUID(whole[0]["attempt"]),
        taken=[one for one in letters if states[one[0]] == TAKEN],
        perhaps=[id_ for id_, state in states.items() if state == PERHAPS],
    )


@cache
def _boot() -> str:
    return BOOT.read_text().strip()


def _folder() -> Path:
    folder = Path(load().in_hand_dir)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
