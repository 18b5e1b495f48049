"""Passwords: argon2id, a minimum length and a few refusals; no rules about which characters."""

import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 200

# OWASP's password storage cheat sheet, argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

# The most used words of ten characters and more in published leaks, and this product's own obvious ones.
_COMMON_TEXT = """
    1234567890 12345678910 0123456789 9876543210 0987654321 1234567891 123456789a 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc
    qwertyuiop qwertyuiop1 qwerty1234 qwerty12345 qwerty123456 asdfghjkl1 zaq12wsxcde a123456789 abcdefghij abcdefghijk
    abc1234567 abcd123456 password12 password123 password1234 password12345 password01 passwordpassword mypassword
    mypassword1 mypassword123 thepassword passw0rd123 p@ssw0rd123 p@ssword123 pa55word123 letmein123 letmein1234
    welcome123 welcome1234 welcome2023 welcome2024 welcome2025 welcome2026 iloveyou12 iloveyou123 iloveyou1234
    administrator admin12345 admin123456 adminadmin changeme123 changemenow football123 baseball123 basketball
    superman123 manchester manchester1 liverpool1 liverpool123 springbok1 springboks springboks1 sunshine123 princess123
    monkey1234 dragon1234 master1234 trustno1234 starwars123 whatever123 michael123 jessica123 charlie123
    golf123456 golfgolfgolf golfclub123 golfcourse holeinone1 holeinone123 fairway123 fairway1234 fairway2026
    fairwayfairway secret1234 summer2024 summer2025 summer2026 winter2025 winter2026 november2026 december2026
"""
_COMMON = frozenset(_COMMON_TEXT.split())


def check_new(password: str, *, email: str = "") -> str | None:
    """Return what is wrong with a new password, as a sentence for its field, or None when it will do."""
    text = _normal(password)
    plain = text.casefold().strip()
    if len(text) < MIN_LENGTH:
        return f"Use at least {MIN_LENGTH} characters; a few words in a row are easy to remember."
    if len(text) > MAX_LENGTH:
        return f"Use at most {MAX_LENGTH} characters."
    if plain in _COMMON or len(set(plain)) < 3:
        return "This password is among the first anybody would try. Choose another."
    address = email.casefold().strip()
    if address and plain in (address, address.partition("@")[0]):
        return "The password must not be your e-mail address. Choose another."
    return None


def hashed(password: str) -> str:
    """Return the argon2id hash of a password, with its salt and parameters."""
    return _HASHER.hash(_bytes(password))


def verify(stored: str | None, password: str) -> bool:
    """Return whether `password` is the one stored; with nothing stored it takes as long and says no."""
    try:
        matches = _HASHER.verify(stored or _nobody(), _bytes(password[: MAX_LENGTH + 1]))
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


def outdated(stored: str) -> bool:
    """Return whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


@cache
def _nobody() -> str:
    """Return the hash that unknown users' passwords are compared with."""
    return hashed("nobody has this password")


def _normal(password: str) -> str:
    # NIST SP 800-63B: the same word typed on two keyboards must be the same password.
    return unicodedata.normalize("NFKC", password)


def _bytes(password: str) -> bytes:
    return _normal(password).encode("utf-8", "surrogatepass")
