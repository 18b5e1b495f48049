"""As many connections as a mail server gains by, and no more: each is a letter in doubt when a sender is killed."""

from collections.abc import Callable

from app.messaging.width import MOST_PATIENCE, Width

BATCH = 40


def after(letters: int, seconds_each: Callable[[int], float], width: Width | None = None) -> list[int]:
    """Return the widths at which so many letters went out, to a server that takes so long on each connection."""
    width = width or Width(4)
    widths = []
    for _ in range(letters // BATCH):
        widths.append(width.size)
        width.learn(BATCH, BATCH * seconds_each(width.size) / width.size)
    return widths


def test_a_server_that_is_far_away_gets_all_of_them() -> None:
    assert after(2_000, lambda _: 0.1)[-1] == 4


def test_a_server_that_takes_so_many_a_second_gets_one() -> None:
    widths = after(20_000, lambda width: width / 40)
    assert max(widths) == 2
    assert widths.count(2) < 10


def test_a_server_that_three_others_ask_gets_one_from_each() -> None:
    assert set(after(20_000, lambda width: (width + 2) / 120)[-BATCH:]) == {1}


def test_where_it_becomes_slow_for_good_they_come_back() -> None:
    width = Width(4)
    assert after(2_000, lambda _: 0.1, width)[-1] == 4
    assert after(400, lambda _: 0.3, width)[-1] == 1
    assert after(4 * MOST_PATIENCE, lambda _: 0.3, width)[-1] == 4


def test_a_few_letters_say_nothing() -> None:
    width = Width(4)
    for _ in range(1_000):
        width.learn(9, 0.9)
    assert width.size == 1
