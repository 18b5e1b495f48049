"""Settings, read once from the environment. Production refuses to start without the ones it needs."""

import os
import re
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
Environment = Literal["development", "production", "test"]
# What the counters of an import hold.
MOST_UPLOAD_MB = 2000
REQUIRED = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "PUBLIC_URL", "SMTP_URL")


class ConfigError(RuntimeError):
    """A setting is missing or cannot be read; the message names it and says what to set."""


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting Fairway reads. URLs are complete; `encryption_keys` has the newest key first.

    Mail to `inbound_domain` is handed to Fairway. `secret_key` signs; what one of `old_secret_keys` signed, cookies and
    links, is still believed. `outbound_trusted` are origins (`http://host:port`) that an URL of a user's may lead to
    though they lie inside; other URLs must be https, lie outside, and name one of `outbound_ports`. With
    `mail_stays_here` the server at `smtp_url` is the built-in mailbox.
    """

    env: Environment
    database_url: str
    redis_url: str
    secret_key: str
    old_secret_keys: tuple[str, ...]
    encryption_keys: tuple[str, ...]
    public_url: str
    smtp_url: str
    mail_from: str
    inbound_domain: str | None
    spf_mechanism: str
    dns_servers: tuple[tuple[str, int], ...]
    trusted_proxies: int
    upload_dir: str
    in_hand_dir: str
    max_upload_bytes: int
    outbound_trusted: tuple[str, ...]
    outbound_ports: tuple[int, ...]
    mail_stays_here: bool

    @property
    def is_production(self) -> bool:
        """Return whether strict defaults (secure cookies, no development pages) apply."""
        return self.env == "production"

    @property
    def mail_domain(self) -> str:
        """Return the domain that Message-IDs carry: the host of PUBLIC_URL."""
        return _host(self.public_url)


def read(environ: dict[str, str]) -> Config:
    """Return the settings found in `environ`, or raise ConfigError naming all that are missing."""
    env = environ.get("FAIRWAY_ENV", "production")
    if env not in ("development", "production", "test"):
        raise ConfigError(f"FAIRWAY_ENV is {env!r}; set it to development, production or test.")
    missing = [name for name in REQUIRED if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"Fairway cannot start: set {', '.join(missing)} in the environment "
            "(docs/settings.md says what each is for), or use `make run` for a local start."
        )
    old_keys = tuple(key for key in environ.get("SECRET_KEY_FALLBACKS", "").split(",") if key)
    for name, keys in (("SECRET_KEY", (environ["SECRET_KEY"],)), ("SECRET_KEY_FALLBACKS", old_keys)):
        if any(len(key) < 32 for key in keys):
            raise ConfigError(f"{name} is too short: use at least 32 random characters.")
    public_url = environ["PUBLIC_URL"].rstrip("/")
    if urlsplit(public_url).scheme not in ("http", "https"):
        raise ConfigError("PUBLIC_URL must start with https:// (or http:// on your own machine).")
    proxies = environ.get("TRUSTED_PROXIES", "0")
    if not proxies.isdigit() or int(proxies) > 9:
        raise ConfigError("TRUSTED_PROXIES must be how many proxies stand before Fairway: 0 to 9.")
    upload_mb = environ.get("MAX_UPLOAD_MB", "500")
    if not upload_mb.isdigit() or not 1 <= int(upload_mb) <= MOST_UPLOAD_MB:
        raise ConfigError(f"MAX_UPLOAD_MB must be how many megabytes a file may have: 1 to {MOST_UPLOAD_MB}.")
    home = Path(environ.get("FAIRWAY_HOME") or "var")
    return Config(
        env=cast("Environment", env),
        database_url=environ["DATABASE_URL"],
        redis_url=environ["REDIS_URL"],
        secret_key=environ["SECRET_KEY"],
        old_secret_keys=old_keys,
        encryption_keys=tuple(environ["ENCRYPTION_KEYS"].split(",")),
        public_url=public_url,
        smtp_url=environ["SMTP_URL"],
        mail_from=environ.get("MAIL_FROM", f"no-reply@{urlsplit(public_url).hostname}"),
        spf_mechanism=_mechanism(environ.get("SPF_MECHANISM") or f"a:{urlsplit(public_url).hostname}"),
        dns_servers=_servers(environ.get("DNS_SERVERS", "")),
        inbound_domain=_domain("INBOUND_DOMAIN", environ.get("INBOUND_DOMAIN", "")),
        trusted_proxies=int(proxies),
        upload_dir=environ.get("UPLOAD_DIR") or str(home / "uploads"),
        in_hand_dir=environ.get("IN_HAND_DIR") or str(home / "in-hand"),
        max_upload_bytes=int(upload_mb) * 1024 * 1024,
        outbound_trusted=_origins(environ.get("OUTBOUND_TRUSTED", "")),
        mail_stays_here=environ.get("BUILTIN_MAILBOX") == "1",
        outbound_ports=_ports(environ.get("OUTBOUND_PORTS") or "443,8443,80"),
    )


def _domain(name: str, words: str) -> str | None:
    domain = words.strip().lower()
    if not domain:
        return None
    if len(domain) > 190 or not _DOMAIN.fullmatch(domain):
        raise ConfigError(f"{name} is {words!r}; write a domain such as in.example.com.")
    return domain


def _origins(words: str) -> tuple[str, ...]:
    found = tuple(one.strip().rstrip("/") for one in words.split(",") if one.strip())
    for one in found:
        try:
            parts = urlsplit(one)
            fit = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            fit = False
        if not fit or f"{parts.scheme}://{parts.netloc}" != one or "@" in one:
            raise ConfigError(f"OUTBOUND_TRUSTED holds {one!r}; write origins such as http://messaging.example:8080.")
    return found


def _mechanism(words: str) -> str:
    if not re.fullmatch(r"(?:a|mx|include|ip4|ip6|exists)(?:[:/][A-Za-z0-9._:/-]+)?", words):
        raise ConfigError(f"SPF_MECHANISM is {words!r}; write one mechanism, such as include:spf.relay.example.")
    return words


def _servers(words: str) -> tuple[tuple[str, int], ...]:
    found = []
    for one in filter(None, (word.strip() for word in words.split(","))):
        try:
            parts = urlsplit(f"//{one}")
            address, port = str(ip_address(parts.hostname or "")), parts.port or 53
        except ValueError:
            raise ConfigError(
                f"DNS_SERVERS holds {one!r}; write addresses such as 192.0.2.1 or [2001:db8::1]:53."
            ) from None
        found.append((address, port))
    return tuple(found)


def _ports(words: str) -> tuple[int, ...]:
    found = [one.strip() for one in words.split(",")]
    if not all(one.isascii() and one.isdigit() and 0 < int(one) < 65536 for one in found):
        raise ConfigError("OUTBOUND_PORTS must be ports, separated by commas, such as 443,8443.")
    return tuple(int(one) for one in found)


@cache
def _host(url: str) -> str:
    return urlsplit(url).hostname or "localhost"


@cache
def load() -> Config:
    """Return the process's settings; the environment is read on the first call only."""
    return read(dict(os.environ))
