"""The SMTP client against a real peer: pipelined or not, refused, cut off, and never one letter twice."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from app.messaging import smtp
from app.messaging.channel import Outcome, Result
from app.messaging.mime import stuff_dots
from app.messaging.smtp import Envelope, Server
from app.messaging.smtp_pool import Pool
from tests.messaging.sink import Answer, Sink, running

Rule = Callable[[str, int], Answer]


def envelope(address: str, body: bytes = b"Subject: x\r\n\r\n.hello\r\n..\r\n") -> Envelope:
    return Envelope("no-reply@club.example", address, stuff_dots(body))


def crowd(size: int = 60) -> list[Envelope]:
    """Every tenth is called bad."""
    return [envelope(f"{'bad' if number % 10 == 5 else 'ok'}{number}@example.com") for number in range(size)]


def nice(_address: str, _nth: int) -> Answer:
    return None


def first_time_bad(answer: str) -> Rule:
    return lambda address, nth: answer if address.startswith("bad") and nth == 1 else None


@contextmanager
def talking(*, pipelining: bool = True, to: Rule = nice, letter: Rule = nice) -> Iterator[tuple[Sink, Pool]]:
    with running(Sink(on_recipient=to, on_letter=letter, pipelining=pipelining)) as sink:
        pool = Pool(Server.from_url(sink.url, "me.example"))
        try:
            yield sink, pool
        finally:
            pool.close()


def results(outcomes: list[Outcome]) -> Counter[str]:
    return Counter(outcome.result.value for outcome in outcomes)


@pytest.mark.parametrize("pipelining", [True, False])
def test_letters_arrive_whole_over_connections_that_stay_open(pipelining: bool) -> None:
    with talking(pipelining=pipelining) as (sink, pool):
        assert results(pool.deliver(crowd())) == {"sent": 60}
        assert results(pool.deliver(crowd(5))) == {"sent": 5}
        assert sink.connections <= 4
        assert {letter.body for letter in sink.letters} == {b"Subject: x\r\n\r\n.hello\r\n..\r\n"}
        assert pool.deliver([]) == []


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("answer", "result"),
    [("450 4.2.0 later", "retry"), ("550 5.1.1 no such user", "failed"), ("554 5.7.1 go away", "failed")],
)
def test_a_refused_recipient_is_refused_alone(pipelining: bool, answer: str, result: str) -> None:
    with talking(pipelining=pipelining, to=first_time_bad(answer)) as (sink, pool):
        outcomes = pool.deliver(crowd())
        assert results(outcomes) == {"sent": 54, result: 6}
        assert outcomes[5].refused_recipient
        assert outcomes[5].response == answer
        assert len(sink.letters) == 54


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("answer", "result"), [("452 4.3.1 full", "retry"), ("554 5.6.0 spam", "failed")])
def test_a_refused_letter_is_refused_alone(pipelining: bool, answer: str, result: str) -> None:
    with talking(pipelining=pipelining, letter=first_time_bad(answer)) as (sink, pool):
        outcomes = pool.deliver(crowd())
        assert results(outcomes) == {"sent": 54, result: 6}
        assert not outcomes[5].refused_recipient
        assert len(sink.letters) == 54


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("answer", ["drop", "421 4.3.2 shutting down"])
def test_a_connection_lost_before_the_letter_loses_nothing(pipelining: bool, answer: str) -> None:
    with talking(pipelining=pipelining, to=first_time_bad(answer)) as (sink, pool):
        outcomes = pool.deliver(crowd())
        assert set(results(outcomes)) <= {"sent", "retry"}
        check_nothing_twice(sink, outcomes)
        again = [one for one, outcome in zip(crowd(), outcomes, strict=True) if outcome.result is Result.RETRY]
        assert set(results(pool.deliver(again))) <= {"sent"}
        assert len(sink.letters) == 60


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_connection_lost_after_the_letter_leaves_exactly_those_unknown(pipelining: bool) -> None:
    with talking(pipelining=pipelining, letter=first_time_bad("drop")) as (sink, pool):
        first = pool.deliver(crowd())
        waiting = [one for one, outcome in zip(crowd(), first, strict=True) if outcome.result is Result.RETRY]
        second = pool.deliver(waiting)
        assert results(first)["unknown"] + results(second)["unknown"] == 6
        assert results(first)["sent"] + results(second)["sent"] == 54
        assert max(Counter(letter.recipient for letter in sink.letters).values()) == 1


def test_a_large_letter_cut_off_in_the_middle_may_be_sent_again() -> None:
    # Larger than what the sockets of both sides hold, so that its end can't have left.
    large = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 400_000
    with talking(to=lambda _address, nth: "drop-early" if nth == 1 else None) as (sink, pool):
        [outcome] = pool.deliver([envelope("ann@example.com", large)])
        assert outcome.result is Result.SENT
        assert sink.seen["ann@example.com"] == 2
        assert len(sink.letters) == 1


def test_a_server_that_never_greets_is_left_and_its_letters_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pool = Pool(Server.from_url(f"smtp://127.0.0.1:{silent.getsockname()[1]}", "me.example"))
        assert results(pool.deliver(crowd(30))) == {"retry": 30}
        pool.close()


def test_a_server_that_falls_silent_after_the_letter_leaves_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 0.2)

    def silent(_address: str, _nth: int) -> None:
        time.sleep(1)

    with talking(letter=silent) as (sink, pool):
        assert results(pool.deliver(crowd(1))) == {"unknown": 1}
    assert len(sink.letters) == 1


def test_nobody_there_is_said_to_every_letter() -> None:
    outcomes = Pool(Server.from_url("smtp://127.0.0.1:1", "me.example")).deliver(crowd())
    assert results(outcomes) == {"retry": 60}
    assert all(outcome.no_connection for outcome in outcomes)


def test_a_server_that_closed_an_idle_connection_costs_no_letter() -> None:
    with talking() as (sink, pool):
        pool.deliver(crowd(1))
        pool._idle[0]._socket.shutdown(2)
        assert results(pool.deliver(crowd(3))) == {"sent": 3}
        assert sink.connections == 2


@pytest.mark.parametrize(
    ("answer", "dead"),
    [
        ("550 5.1.1 no such user", True),
        ("550-5.1.1 The account\r\n550 5.1.1 does not exist", True),
        ("550 5.1.10 null MX", True),
        ("550 No such user here", True),
        ("550 5.7.1 policy: unknown sender", False),
        ("552 5.2.2 mailbox full", False),
        ("550 rejected as spam", False),
        ("450 4.1.1 unknown for now", False),
    ],
)
def test_only_answers_that_say_so_make_an_address_dead(answer: str, dead: bool) -> None:
    with talking(to=lambda _address, _nth: answer) as (_, pool):
        [outcome] = pool.deliver(crowd(1))
        assert outcome.dead_address is dead


@pytest.mark.parametrize(
    ("url", "port", "implicit", "starttls"),
    [
        ("smtp://mail.example", 25, False, "if_offered"),
        ("smtp://u:p%40ss@mail.example:587", 587, False, "required"),
        ("smtp://u:p@localhost:2525", 2525, False, "if_offered"),
        ("smtps://u:p@mail.example", 465, True, "required"),
        ("smtp://mail.example?starttls=never", 25, False, "never"),
    ],
)
def test_the_url_says_how_the_server_is_spoken_to(url: str, port: int, implicit: bool, starttls: str) -> None:
    server = Server.from_url(url, "me.example")
    assert (server.port, server.implicit_tls, server.starttls) == (port, implicit, starttls)
    if "%40" in url:
        assert (server.user, server.password) == ("u", "p@ss")


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "smtp://mail.example?starttls=maybe"])
def test_a_url_that_says_nothing_of_the_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"SMTP_URL"):
        Server.from_url(url, "me.example")


def test_credentials_are_never_sent_in_the_clear_to_another_machine() -> None:
    with running(Sink()) as sink:
        server = Server.from_url(f"smtp://u:p@127.0.0.1:{sink.port}?starttls=required", "me.example")
        pool = Pool(server)
        [outcome] = pool.deliver(crowd(1))
        assert outcome.result is Result.RETRY
        assert "does not offer STARTTLS" in outcome.response


def test_a_server_that_lets_nobody_sign_in_is_named() -> None:
    with running(Sink()) as sink:
        [outcome] = Pool(Server.from_url(f"smtp://u:p@127.0.0.1:{sink.port}", "me.example")).deliver(crowd(1))
        assert outcome.result is Result.RETRY
        assert "lets nobody sign in" in outcome.response


def check_nothing_twice(sink: Sink, outcomes: list[Outcome]) -> None:
    assert len(sink.letters) == results(outcomes)["sent"]
    assert max(Counter(letter.recipient for letter in sink.letters).values()) == 1
