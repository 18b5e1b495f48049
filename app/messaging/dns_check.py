"""The DNS records of a sending domain: which there have to be, and whether they are there."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import dns.exception
import dns.nameserver
import dns.resolver

from app.infra.config import load

SECONDS = 4.0
"""So long one question may take."""


class State(StrEnum):
    """What was found of a record. `silent`: nobody answered, so nothing is known."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Record:
    """A record to set: where, of which type, with what value; `needed` where letters are not sent without it."""

    kind: str
    name: str
    type: str
    value: str
    purpose: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a record came to, in words."""

    kind: str
    state: State
    words: str


class NoAnswer(Exception):
    """The name servers gave none in time, or an error; the text says which."""


def records(domain: str, selector: str, public_key: str) -> list[Record]:
    """Return the records to set for a domain."""
    config = load()
    wanted = [
        Record(
            "dkim",
            f"{selector}._domainkey.{domain}",
            "TXT",
            f"v=DKIM1; k=rsa; p={public_key}",
            "The key by which receivers know letters of this domain for yours. Some name servers take it only in "
            "pieces of at most 255 characters.",
            needed=True,
        ),
        Record(
            "spf",
            domain,
            "TXT",
            f"v=spf1 {config.spf_mechanism} ~all",
            "Which servers may send for this domain. There may be one such record: if there is one already, add "
            f"{config.spf_mechanism} to it.",
        ),
        Record(
            "dmarc",
            f"_dmarc.{domain}",
            "TXT",
            "v=DMARC1; p=none",
            "What receivers do with letters that are not yours. Begin with p=none; quarantine or reject are safer "
            "once all your letters are signed.",
        ),
    ]
    if config.inbound_domain:
        wanted.append(
            Record(
                "return",
                config.inbound_domain,
                "MX",
                f"10 {config.mail_domain}.",
                "Where letters that can't be delivered come back to. It is set once for this Fairway, not for each "
                "domain.",
            )
        )
    return wanted


def check(wanted: Sequence[Record]) -> list[Found]:
    """Ask the name servers for each record and return what was found, in the order of `wanted`. Takes seconds."""
    # Side by side: name servers that fall silent are waited for once.
    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(_look, wanted))


def _look(record: Record) -> Found:
    try:
        if record.kind == "dmarc":
            return _dmarc(record)
        there = _ask(record.name, record.type)
    except NoAnswer as problem:
        return Found(record.kind, State.SILENT, f"The name servers can't be asked: {problem} Try again in a while.")
    judge = {"dkim": _dkim, "spf": _spf, "return": _mx}[record.kind]
    return judge(record, there)


def _dkim(record: Record, there: list[str]) -> Found:
    keys = [one for one in there if "p=" in one]
    if not keys:
        return Found("dkim", State.MISSING, f"There is no TXT record at {record.name} yet.")
    wanted = _tags(record.value)["p"]
    if any(_tags(one).get("p") == wanted for one in keys):
        if len(keys) > 1:
            return Found("dkim", State.WRONG, f"There are {len(keys)} keys at {record.name}; leave only this one.")
        return Found("dkim", State.RIGHT, "The key is there.")
    return Found("dkim", State.WRONG, f"There is another key at {record.name}. Was part of it lost when it was pasted?")


def _spf(record: Record, there: list[str]) -> Found:
    found = [one for one in there if one.lower().split(" ")[0] == "v=spf1"]
    if not found:
        return Found("spf", State.MISSING, f"{record.name} has no SPF record yet.")
    if len(found) > 1:
        return Found(
            "spf", State.WRONG, f"{record.name} has {len(found)} SPF records, so none of them counts. Join them."
        )
    mechanism = load().spf_mechanism.lower()
    if mechanism not in found[0].lower().split():
        return Found("spf", State.WRONG, f"The SPF record does not name {mechanism}: “{found[0][:300]}”.")
    return Found("spf", State.RIGHT, "The SPF record names this server.")


def _dmarc(record: Record) -> Found:
    name = record.name
    while True:
        found = [one for one in _ask(name, "TXT") if one.lower().startswith("v=dmarc1")]
        if len(found) > 1:
            return Found("dmarc", State.WRONG, f"There are {len(found)} DMARC records at {name}; leave one.")
        if found:
            policy = _tags(found[0]).get("p", "").lower()
            if policy not in ("none", "quarantine", "reject"):
                return Found("dmarc", State.WRONG, f"The record at {name} names no policy: “{found[0][:300]}”.")
            return Found("dmarc", State.RIGHT, f"The policy is {policy}, by the record at {name}.")
        # A domain without one goes by that of the domain it is under.
        above = name.removeprefix("_dmarc.").partition(".")[2]
        if "." not in above:
            return Found("dmarc", State.MISSING, f"There is no DMARC record at {record.name} yet.")
        name = f"_dmarc.{above}"


def _mx(record: Record, there: list[str]) -> Found:
    if not there:
        return Found("return", State.MISSING, f"{record.name} takes no mail: it has no MX record.")
    return Found("return", State.RIGHT, f"Mail to {record.name} goes to {', '.join(there[:3])}.")


def _ask(name: str, kind: str) -> list[str]:
    """Return the values of a name's records, none where there are none, or raise NoAnswer."""
    try:
        answer = _resolver().resolve(name, kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.resolver.NoNameservers:
        raise NoAnswer("they answered with an error.") from None
    except dns.exception.Timeout:
        raise NoAnswer(f"none answered within {SECONDS:.0f} seconds.") from None
    except dns.exception.DNSException as error:
        raise NoAnswer(f"{type(error).__name__}.") from None
    if kind == "TXT":
        return [b"".join(one.strings).decode("utf-8", "replace") for one in answer]
    return [str(one.exchange).rstrip(".") for one in answer]


def _resolver() -> dns.resolver.Resolver:
    servers = load().dns_servers
    try:
        resolver = dns.resolver.Resolver(configure=not servers)
    except dns.resolver.NoResolverConfiguration:
        raise NoAnswer("this machine names none; set DNS_SERVERS.") from None
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
    resolver.lifetime = SECONDS
    return resolver


_TAG = re.compile(r"\s*([A-Za-z]+)\s*=\s*([^;]*)")


def _tags(text: str) -> dict[str, str]:
    return {found[1].lower(): re.sub(r"\s", "", found[2]) for found in _TAG.finditer(text)}
