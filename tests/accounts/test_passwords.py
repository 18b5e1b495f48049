"""What makes a password good enough, and how it is kept."""

import pytest
from argon2 import PasswordHasher, extract_parameters

from app.accounts import passwords


@pytest.mark.parametrize(
    "password",
    ["seven blue herons", "пять синих цапель", "          x y z", "a" * 5 + "b" * 5 + "c" * 190],
)
def test_length_is_what_counts(password: str) -> None:
    assert passwords.check_new(password, email="thandi@example.com") is None


@pytest.mark.parametrize(
    "password, words",
    [
        ("short", "at least 10"),
        ("", "at least 10"),
        ("x" * 60 + "yz" * 71, "at most 200"),
        ("Password123", "first anybody would try"),
        ("aaaaaaaaaaaa", "first anybody would try"),
        ("Thandi.Nel@example.com", "e-mail address"),
        ("thandi.nel", "e-mail address"),
    ],
)
def test_a_weak_password_is_refused_with_words_that_help(password: str, words: str) -> None:
    assert words in (passwords.check_new(password, email="thandi.nel@example.com") or "")


def test_a_hash_is_argon2id_with_the_parameters_we_chose() -> None:
    stored = passwords.hashed("seven blue herons")
    found = extract_parameters(stored)
    assert stored.startswith("$argon2id$")
    assert (found.memory_cost, found.time_cost, found.parallelism) == (19 * 1024, 2, 1)
    assert not passwords.outdated(stored)


def test_only_the_right_password_is_verified() -> None:
    stored = passwords.hashed("seven blue herons")
    assert passwords.verify(stored, "seven blue herons")
    assert not passwords.verify(stored, "seven blue heron")
    assert not passwords.verify(None, "nobody has this password")
    assert not passwords.verify("!", "anything at all")


def test_two_ways_to_type_one_letter_are_one_password() -> None:
    assert passwords.verify(passwords.hashed("café au lait"), "café au lait")


def test_odd_characters_do_not_break_it() -> None:
    assert not passwords.verify(passwords.hashed("seven blue herons"), "\ud800" * 12)


def test_a_hash_with_weaker_parameters_is_outdated() -> None:
    assert passwords.outdated(
        PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("seven blue herons")
    )
