"""What a sender notes of the letters in its hand, and what is read from that once it is gone."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.infra import config
from app.infra.db import transaction
from app.messaging import in_hand, results, sender, settling
from app.messaging.channel import Outcome, Outgoing, Result
from app.messaging.channels.email_smtp import EmailChannel
from app.messaging.gate import claim
from tests.messaging.conftest import NOON, Mailer, MakeCustomer

TENANT, ATTEMPT = uuid4(), uuid4()
LETTERS = [(uuid4(), f"Letter {number}", uuid4()) for number in range(4)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the test's own for what is in hand; nothing of other tests is in this thread's."""
    monkeypatch.setenv("IN_HAND_DIR", str(tmp_path / "in-hand"))
    config.load.cache_clear()
    in_hand.let_go()
    yield tmp_path / "in-hand"
    in_hand.let_go()
    monkeypatch.undo()
    config.load.cache_clear()


def test_of_a_dead_sender_is_known_what_was_taken_and_what_may_have_been(folder: Path) -> None:
    hand = in_hand.hand()
    hand.begin(TENANT, ATTEMPT)
    hand.letters(LETTERS)
    taken, refused, in_flight = (hand.mark(place) for place in range(3))
    taken.offered()
    taken.taken()
    refused.offered()
    refused.kept()
    in_flight.offered()
    assert list(in_hand.left()) == []
    in_hand.let_go()
    [left] = in_hand.left()
    assert (left.tenant_id, left.attempt_id) == (TENANT, ATTEMPT)
    assert (left.taken, left.perhaps) == ([LETTERS[0]], [LETTERS[2][0]])
    assert list(folder.iterdir()) == []


def test_who_was_done_or_had_not_begun_leaves_nothing(folder: Path) -> None:
    in_hand.hand().begin(TENANT, ATTEMPT)
    in_hand.hand().done()
    in_hand.let_go()
    in_hand.hand()
    in_hand.let_go()
    assert len(list(folder.iterdir())) == 2
    assert list(in_hand.left()) == []
    assert list(folder.iterdir()) == []


def test_what_was_left_is_kept_until_it_is_settled(folder: Path) -> None:
    in_hand.hand().begin(TENANT, ATTEMPT)
    in_hand.let_go()
    for _ in in_hand.left():
        break
    assert [left.attempt_id for left in in_hand.left()] == [ATTEMPT]
    assert list(folder.iterdir()) == []


def test_a_half_written_line_is_of_what_was_not_begun(folder: Path) -> None:
    hand = in_hand.hand()
    hand.begin(TENANT, ATTEMPT)
    [file] = folder.iterdir()
    with file.open("ab") as half:
        half.write(b'[["half a line')
    in_hand.let_go()
    [left] = in_hand.left()
    assert (left.taken, left.perhaps) == ([], [])


def test_what_was_written_before_the_machine_started_is_not_believed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_hand.hand().begin(TENANT, ATTEMPT)
    in_hand.let_go()
    monkeypatch.setattr(in_hand, "_boot", lambda: "another start")
    assert list(in_hand.left()) == []
    assert list(folder.iterdir()) == []


def test_more_letters_than_there_is_room_for_are_all_in_doubt(folder: Path) -> None:
    hand = in_hand.hand()
    hand.begin(TENANT, ATTEMPT)
    hand.letters(LETTERS * (in_hand.ROOM // 4 + 1))
    hand.mark(in_hand.ROOM + 3).offered()
    in_hand.let_go()
    assert list(in_hand.left()) == []


def test_a_child_leaves_its_parents_file_locked(folder: Path) -> None:
    hand = in_hand.hand()
    hand.begin(TENANT, ATTEMPT)
    child = os.fork()
    if child == 0:
        os._exit(0 if in_hand.hand() is not hand else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert list(in_hand.left()) == []
    in_hand.let_go()
    assert [left.attempt_id for left in in_hand.left()] == [ATTEMPT]


def test_files_of_others_are_left_alone_and_one_that_can_not_be_read_is_removed(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_hand.hand().begin(TENANT, ATTEMPT)
    in_hand.let_go()
    (folder / "theirs").write_text("kept")
    os.mkfifo(folder / f"{uuid4().hex}.hand")
    for words in (b"{no json\n", b"[]\n", b'{"boot": "%s"}\n' % in_hand._boot().encode()):
        (folder / f"{uuid4().hex}.hand").write_bytes(bytes(in_hand.ROOM) + words)
    half_made, being_made = folder / f"{uuid4().hex}.new", folder / f"{uuid4().hex}.new"
    half_made.touch()
    os.utime(half_made, (0, 0))
    being_made.touch()
    assert [left.attempt_id for left in in_hand.left()] == [ATTEMPT]
    assert caplog.text.count("can't be read from") == 3
    assert {one for one in folder.iterdir() if one.is_file()} == {folder / "theirs", being_made}


def test_a_batch_that_can_not_be_settled_keeps_none_of_the_others(
    folder: Path, mailer: Mailer, customer: MakeCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_hand.hand().begin(TENANT, ATTEMPT)
    in_hand.let_go()
    mailer.put(customer())
    _left_behind(mailer, uuid4())
    settle_one = settling._settle

    def settle(left: in_hand.Left, now: Any) -> list[str]:
        if left.tenant_id == TENANT:
            raise RuntimeError("something is wrong with it")
        return settle_one(left, now)

    monkeypatch.setattr(settling, "_settle", settle)
    assert settling.settle(now=NOON) == {"queued": 1}
    assert [left.attempt_id for left in in_hand.left()] == [ATTEMPT]


def test_a_mark_of_an_earlier_batch_writes_nothing_into_the_next(folder: Path) -> None:
    hand = in_hand.hand()
    hand.begin(TENANT, uuid4())
    hand.letters(LETTERS)
    left_behind = hand.mark(0)
    hand.begin(TENANT, ATTEMPT)
    hand.letters(LETTERS)
    left_behind.taken()
    left_behind.doubted()
    in_hand.let_go()
    left_behind.taken()
    [left] = in_hand.left()
    assert (left.attempt_id, left.taken, left.perhaps) == (ATTEMPT, [], [])


def test_a_disk_that_fails_does_not_stop_sending(
    folder: Path, mailer: Mailer, customer: MakeCustomer, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_hand.hand()
    [message] = mailer.put(customer())

    def fail(*_: Any) -> None:
        raise OSError("the disk is read-only")

    monkeypatch.setattr(os, "ftruncate", fail)
    sender.send_batch(tenant_id=mailer.tenant_id, now=NOON)
    assert mailer.fate(message) == ("sent", None)
    assert list(folder.iterdir()) == []


def test_without_a_folder_letters_go_out_all_the_same(
    folder: Path, mailer: Mailer, customer: MakeCustomer, sink: Any
) -> None:
    folder.parent.chmod(0o500) if os.getuid() else folder.write_text("a file where the folder should be")
    [message] = mailer.put(customer())
    sender.send_batch(tenant_id=mailer.tenant_id, now=NOON)
    folder.parent.chmod(0o700)
    assert mailer.fate(message) == ("sent", None)
    assert list(in_hand.left()) == []


def _left_behind(mailer: Mailer, attempt: Any) -> None:
    """Claim what is due as a sender that notes what it has in hand, and be gone."""
    in_hand.hand().begin(mailer.tenant_id, attempt)
    claim(tenant_id=mailer.tenant_id, limit=10, now=NOON, attempt_id=attempt)
    in_hand.let_go()


def test_what_was_never_offered_is_sent_again_later_and_later_and_given_up_in_the_end(
    folder: Path, mailer: Mailer, customer: MakeCustomer
) -> None:
    [message] = mailer.put(customer())
    moments = []
    for attempt in range(1, results.MAX_ATTEMPTS + 1):
        with transaction(mailer.tenant_id) as session:
            moments.append((session.execute(text("SELECT due_at FROM message")).scalar_one() - NOON).total_seconds())
            session.execute(text("UPDATE message SET due_at = :now"), {"now": NOON})
        _left_behind(mailer, uuid4())
        last = attempt == results.MAX_ATTEMPTS
        assert settling.settle(now=NOON) == ({"failed": 1} if last else {"queued": 1})
    assert moments[:4] == [0, 0, 0, 0]
    assert 8 <= moments[4] <= 12
    assert moments[4] < moments[5] < moments[6]
    assert mailer.fate(message) == ("failed", "gave_up")


def test_what_may_have_been_taken_is_unknown_unless_somebody_asked_for_it(
    folder: Path, mailer: Mailer, customer: MakeCustomer
) -> None:
    [marketing] = mailer.put(customer())
    [asked_for] = mailer.put(customer(), key="receipt", purpose="transactional")
    attempt, hand = uuid4(), in_hand.hand()
    hand.begin(mailer.tenant_id, attempt)
    claimed = claim(tenant_id=mailer.tenant_id, limit=10, now=NOON, attempt_id=attempt)
    hand.letters([(row["id"], "Hello", row["reader_id"]) for row in claimed.letters])
    for place in range(2):
        hand.mark(place).offered()
    in_hand.let_go()
    assert settling.settle(now=NOON) == {"unknown": 1, "queued": 1}
    assert mailer.fate(marketing) == ("unknown", "interrupted")
    assert mailer.fate(asked_for) == ("queued", "temporary_failure")


def test_what_was_told_of_as_unknown_is_not_sent_any_more(folder: Path, mailer: Mailer, customer: MakeCustomer) -> None:
    [message] = mailer.put(customer())
    _left_behind(mailer, uuid4())
    results.reconcile(tenant_id=mailer.tenant_id, now=NOON + timedelta(minutes=3))
    assert settling.settle(now=NOON + timedelta(minutes=4)) == {}
    assert mailer.fate(message) == ("unknown", "interrupted")


def test_who_can_not_tell_the_database_leaves_it_to_others(
    folder: Path, mailer: Mailer, customer: MakeCustomer, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = mailer.put(customer(), customer())

    def away(**_: Any) -> None:
        raise RuntimeError("the database is away")

    with monkeypatch.context() as patched:
        patched.setattr(sender, "record", away)
        # Whoever keeps the exception keeps what its frames refer to.
        with pytest.raises(RuntimeError) as kept:
            sender.send_batch(tenant_id=mailer.tenant_id, now=NOON)
    assert settling.settle(now=NOON) == {"sent": 2}
    del kept
    assert [mailer.fate(one) for one in messages] == [("sent", None)] * 2
    assert len(sink.letters) == 2


def test_a_claim_whose_answer_was_lost_is_sent(
    folder: Path, mailer: Mailer, customer: MakeCustomer, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message] = mailer.put(customer())

    def broken(**values: Any) -> None:
        claim(**values)
        raise RuntimeError("the connection broke")

    with monkeypatch.context() as patched:
        patched.setattr(sender, "claim", broken)
        with pytest.raises(RuntimeError):
            sender.send_batch(tenant_id=mailer.tenant_id, now=NOON)
    assert mailer.fate(message) == ("sending", None)
    assert settling.settle(now=NOON) == {"queued": 1}
    sender.send_batch(tenant_id=mailer.tenant_id, now=NOON)
    assert mailer.fate(message) == ("sent", None)


def test_what_a_failed_channel_may_still_be_offering_is_in_doubt(
    folder: Path, mailer: Mailer, customer: MakeCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = mailer.put(customer(), customer())

    def deliver(_self: EmailChannel, batch: list[Outgoing]) -> list[Outcome]:
        batch[0].mark.taken()
        batch[1].mark.kept()
        raise RuntimeError("out of time, and a thread goes on")

    def away(**_: Any) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(EmailChannel, "deliver", deliver)
    monkeypatch.setattr(sender, "record", away)
    with pytest.raises(RuntimeError):
        sender.send_batch(tenant_id=mailer.tenant_id, now=NOON)
    assert settling.settle(now=NOON) == {"sent": 1, "unknown": 1}
    assert {mailer.fate(one) for one in messages} == {("sent", None), ("unknown", "interrupted")}


def test_of_a_channel_that_does_not_say_what_it_offered_all_is_in_doubt(
    folder: Path, mailer: Mailer, customer: MakeCustomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [message] = mailer.put(customer())

    def deliver(_self: EmailChannel, batch: list[Outgoing]) -> list[Outcome]:
        return [Outcome(Result.SENT, "250 ok") for _ in batch]

    def away(**_: Any) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(EmailChannel, "deliver", deliver)
    monkeypatch.setattr(sender, "record", away)
    with pytest.raises(RuntimeError):
        sender.send_batch(tenant_id=mailer.tenant_id, now=NOON)
    assert settling.settle(now=NOON) == {"unknown": 1}
    assert mailer.fate(message) == ("unknown", "interrupted")
