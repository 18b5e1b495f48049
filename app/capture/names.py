"""Names compared: accents, case, titles, nicknames and the spacing of a last name do not make another person."""

import re
import unicodedata
from functools import lru_cache

# Short forms that stand for one name; forms that stand for names of both sexes (Chris, Alex, Sam) are left out.
_NICKNAMES = {
    "abby": "abigail",
    "andy": "andrew",
    "annie": "anne",
    "ann": "anne",
    "barb": "barbara",
    "ben": "benjamin",
    "bertie": "albert",
    "beth": "elizabeth",
    "betty": "elizabeth",
    "bill": "william",
    "billy": "william",
    "bob": "robert",
    "bobby": "robert",
    "cath": "catherine",
    "cathy": "catherine",
    "charlie": "charles",
    "dan": "daniel",
    "danny": "daniel",
    "dave": "david",
    "debbie": "deborah",
    "deb": "deborah",
    "dick": "richard",
    "don": "donald",
    "ed": "edward",
    "eddie": "edward",
    "ted": "edward",
    "fred": "frederick",
    "geoff": "geoffrey",
    "gerry": "gerald",
    "greg": "gregory",
    "harry": "henry",
    "hennie": "hendrik",
    "jeff": "jeffrey",
    "jen": "jennifer",
    "jenny": "jennifer",
    "jim": "james",
    "jimmy": "james",
    "joe": "joseph",
    "jon": "jonathan",
    "josh": "joshua",
    "judy": "judith",
    "katherine": "catherine",
    "kathryn": "catherine",
    "kathy": "catherine",
    "kate": "catherine",
    "katie": "catherine",
    "ken": "kenneth",
    "kobus": "jacobus",
    "koos": "jacobus",
    "larry": "lawrence",
    "len": "leonard",
    "lizzie": "elizabeth",
    "liz": "elizabeth",
    "maggie": "margaret",
    "mandy": "amanda",
    "matt": "matthew",
    "mick": "michael",
    "mike": "michael",
    "mikey": "michael",
    "nick": "nicholas",
    "peggy": "margaret",
    "pete": "peter",
    "phil": "philip",
    "phillip": "philip",
    "ray": "raymond",
    "reg": "reginald",
    "rich": "richard",
    "rick": "richard",
    "rob": "robert",
    "ron": "ronald",
    "sally": "sarah",
    "stan": "stanley",
    "steve": "stephen",
    "steven": "stephen",
    "sue": "susan",
    "susie": "susan",
    "tim": "timothy",
    "tom": "thomas",
    "tommy": "thomas",
    "tony": "anthony",
    "antony": "anthony",
    "trish": "patricia",
    "vicky": "victoria",
    "will": "william",
    "zach": "zachary",
}
# Short forms of several names, of both sexes some: they contradict none of these, and prove none.
_SHORT = {
    "alex": ("alexander", "alexandra", "alexandria", "alexis"),
    "bert": ("albert", "bertram", "hubert", "robert"),
    "chris": ("christiaan", "christian", "christina", "christine", "christo", "christoffel", "christopher"),
    "frans": ("francois", "fransiska", "franciscus"),
    "jo": ("joan", "joanna", "joanne", "johan", "johanna", "johannes", "john", "jonathan", "joseph", "josephine"),
    "nicky": ("nicholas", "nicola", "nicolas", "nicole"),
    "pat": ("patricia", "patrick"),
    "sam": ("samantha", "samson", "samuel"),
    "steph": ("stephan", "stephanie", "stephen"),
    "terry": ("terence", "teresa", "theresa"),
    "val": ("valentine", "valerie"),
}
# Letters that Unicode does not take apart into a plain one and an accent.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "sir", "adv", "mnr", "mev", "me"})
# A last name this long may hold a slip of the pen; of shorter ones too many are two names (Hill, Hall).
_LONG = 5


def _fold(name: str) -> str:
    """Return a name case folded and without accents."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_PLAIN)
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


@lru_cache(20_000)
def name_key(name: str | None) -> str | None:
    """Return the key of a given name: its first word, without accents, case folded, nicknames spelt out; or None."""
    if not name:
        return None
    words = _WORD.findall(_fold(name))
    words = [word for word in words if word not in _TITLES] or words
    return _NICKNAMES.get(words[0], words[0]) if words else None


@lru_cache(20_000)
def spellings(name: str) -> frozenset[str]:
    """Return the lower-case spellings under which the bearer of a given name may be on file: nicknames too."""
    key = name_key(name)
    if key is None:
        return frozenset()
    return frozenset({name.lower(), key, *(short for short, long in _NICKNAMES.items() if long == key)})


def names_agree(one: str, other: str) -> bool:
    """Return whether two keys may be one person's name; an initial agrees with what it begins."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return _initial(one, other) or long in _SHORT.get(short, ())


@lru_cache(20_000)
def last_names_agree(one: str, other: str) -> bool:
    """Return whether two last names, as written, may be one: accents, spaces, half of a double one, a slip."""
    first, second = _parts(one), _parts(other)
    return any(a == b or _initial(a, b) or _slip(a, b) for a in first for b in second)


def _initial(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) == 1 and long.startswith(short)


def _parts(last_name: str) -> set[str]:
    """Return the names in a last name, each without spaces and signs: "van der Merwe" is one, "Smith-Jones" two."""
    halves = re.split("[-‐‑–]", _fold(last_name))
    return {half for half in ("".join(_WORD.findall(one)).replace("'", "").replace("’", "") for one in halves) if half}


def _slip(one: str, other: str) -> bool:
    """Return whether one letter more, less or other, or two changed places, make one of the other, if they are long."""
    short, long = sorted((one, other), key=len)
    if len(short) < _LONG or len(long) - len(short) > 1:
        return False
    at = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    return short[at + 1 :] == long[at + 1 :] or (
        short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    )
