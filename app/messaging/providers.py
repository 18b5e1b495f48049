"""The providers whose mail has many domains: what asks one of them asks all."""

import re
from functools import lru_cache

PROVIDERS = {
    "Gmail": "^(gmail|googlemail)[.]com$",
    "Outlook": "^(outlook|hotmail|live|msn)[.]",
    "Yahoo and AOL": "^(yahoo|ymail|rocketmail|aol)[.]",
    "Apple iCloud": "^(icloud|me|mac)[.]com$",
    "GMX and WEB.DE": "^(gmx|web)[.]",
}
"""By what people call them, the domains they take mail for: expressions that Python and Postgres read alike."""
_COMPILED = [(name, re.compile(pattern)) for name, pattern in PROVIDERS.items()]


@lru_cache(maxsize=10_000)
def provider_of(domain: str) -> str:
    """Return who takes mail for a domain in small letters: a provider by its name, else the domain itself."""
    return next((name for name, pattern in _COMPILED if pattern.match(domain)), domain)
