"""Given names as keys: accents, case, titles and nicknames do not make another person."""

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
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "sir", "adv", "mnr", "mev", "me"})


@lru_cache(20_000)
def name_key(name: str | None) -> str | None:
    """Return the key of a given name: its first word, without accents, case folded, nicknames spelt out; or None."""
    if not name:
        return None
    folded = unicodedata.normalize("NFKD", name).casefold()
    words = _WORD.findall("".join(letter for letter in folded if not unicodedata.combining(letter)))
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
    return len(short) == 1 and long.startswith(short)
