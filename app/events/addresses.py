"""E-mail addresses and phone numbers as keys: one spelling of each, so that equal ones are found by equality."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers
from email_validator import EmailNotValidError, validate_email

MAX_EMAIL = 254
MAX_PHONE = 40
INTERNATIONAL = 11
"""How many digits a number with its country code has at least; shorter ones are local."""
SUBSCRIBER = 7
"""How many digits a person's number has at least, without the country code, where the country is not a small one."""
_CACHED = 50_000

# What nearly every address looks like; the others go the long way through email-validator.
_PLAIN = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,30}(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,30}){0,4}"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\.){1,4}(?:com|org|net|example|za|uk)",
    re.ASCII,
)
_LETTERS = re.compile(r"[A-Za-z]")
_GROUPING = {ord(sign): None for sign in " \t\u00a0()-./‐‑–"}


def email_key(text: str) -> str | None:
    """Return the key of an e-mail address (trimmed, NFKC, case folded), or None if it is not one.

    Dots and plus signs count: two spellings that differ in them may be two people's.
    """
    trimmed = text.strip()
    lowered = trimmed.lower()
    if _PLAIN.fullmatch(lowered):
        return lowered
    return _checked_email(trimmed)


@lru_cache(_CACHED)
def _checked_email(text: str) -> str | None:
    if len(text) > MAX_EMAIL:
        return None
    key = unicodedata.normalize("NFKC", text).casefold()
    try:
        validate_email(key, check_deliverability=False)
    except EmailNotValidError:
        return None
    return key


def phone_key(text: str, country: str) -> str | None:
    """Return a phone number in E.164 (+27824751967), or None if it is none; `country` (ISO 3166) reads local ones.

    A number with an extension is a switchboard's and not a person's: None.
    """
    if len(text) > MAX_PHONE or _LETTERS.search(text) or text.endswith(".0"):
        # A spreadsheet that took the number for a quantity has lost its leading zero: nobody knows what it was.
        return None
    # People group the same digits in many ways; reading them is dear, so it is done once for all ways.
    dialled = text.translate(_GROUPING)
    if dialled.startswith("00"):
        dialled = f"+{dialled[2:]}"
    return _checked_phone(dialled, "" if dialled.startswith("+") else country)


@lru_cache(_CACHED)
def _checked_phone(dialled: str, country: str) -> str | None:
    found = _valid_mobile(dialled, country) or _valid(dialled, country)
    if found is None and len(dialled) >= INTERNATIONAL and dialled[0] not in "+0":
        # Exports often lose the plus sign: 27824081289.
        found = _valid(f"+{dialled}", country)
    return found


def _valid_mobile(dialled: str, country: str) -> str | None:
    """Return what `_valid` does, if that is a mobile number of a country where a 0 stands for the country code.

    Nearly every number is one, and one pattern tells it; the library tries dozens.
    """
    region, pattern = _mobile(dialled[:3] if dialled.startswith("+") else country)
    if pattern is None:
        return None
    start = region if dialled.startswith("+") else "0"
    number = dialled.removeprefix(start)
    whole = number != dialled and len(number) >= SUBSCRIBER and pattern.fullmatch(number)
    return f"{region}{number}" if whole else None


@lru_cache(500)
def _mobile(code: str) -> tuple[str, re.Pattern[str] | None]:
    """Return the country code, as "+27", and the mobile numbers of a country or country code; None: ask the library."""
    region = phonenumbers.region_code_for_country_code(int(code)) if code[1:].isdecimal() else code
    known = phonenumbers.PhoneMetadata.metadata_for_region(region) if region else None
    if known is None or known.country_code is None or not known.mobile or not known.mobile.national_number_pattern:
        return "", None
    main = phonenumbers.region_code_for_country_code(known.country_code) == region
    simple = known.national_prefix == known.national_prefix_for_parsing == "0" and 10 <= known.country_code <= 99
    if not (main and simple):
        return "", None
    return f"+{known.country_code}", re.compile(f"(?=[1-9])(?:{known.mobile.national_number_pattern})", re.ASCII)


@lru_cache(_CACHED)
def national(number: str) -> str:
    """Return a number in E.164 as it is dialled at home, digits only: 0824751967."""
    code = number[:3]
    region, pattern = _mobile(code)
    if pattern is not None and pattern.fullmatch(number, len(region)) and _begins_with_zero(code):
        return f"0{number[len(region) :]}"
    return _spoken(number)


@lru_cache(500)
def _begins_with_zero(code: str) -> bool:
    """Return whether mobile numbers of the country with this code are written with a 0 at home."""
    region = phonenumbers.region_code_for_country_code(int(code))
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        return False
    number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    return _spoken(number) == f"0{number[len(code) :]}"


def _spoken(number: str) -> str:
    parsed = phonenumbers.parse(number)
    spoken = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(letter for letter in spoken if letter.isdigit())


def _valid(text: str, country: str) -> str | None:
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number) or _too_short(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _too_short(number: phonenumbers.PhoneNumber) -> bool:
    """Return whether it is a service's number, or was cut short: 082 555 is valid in South Africa, and nobody's."""
    digits = len(phonenumbers.national_significant_number(number))
    if digits >= SUBSCRIBER:
        return False
    region = phonenumbers.region_code_for_number(number)
    usual = phonenumbers.example_number(region) if region else None
    return usual is None or digits < len(phonenumbers.national_significant_number(usual))
