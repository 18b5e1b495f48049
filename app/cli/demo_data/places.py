"""The demo's organisation, its clubs and the people who sign in."""

from dataclasses import dataclass
from uuid import UUID

from app.cli.demo_data.draw import fixed_id

SEED = 1852
SIZE = 2000
ORGANISATION = "Two Oceans Golf"
DOMAIN = "twooceans.example"
PASSWORD = "driver putter wedge"  # noqa: S105 - everybody may know it: it opens made-up data
TENANT_ID = fixed_id("tenant")


@dataclass(frozen=True, slots=True)
class DemoClub:
    """A club. `share` is its part of the members, `season` how busy each month is, January first.

    `holidays`: why it is closed every year, with the first day and the last, the month first.
    """

    name: str
    country: str
    timezone: str
    locale: str
    currency: str
    share: int
    subscription: int
    season: tuple[float, ...]
    first_tee: int
    holidays: tuple[tuple[str, str, str], ...]

    @property
    def id(self) -> UUID:
        """Return the club's id, always the same."""
        return fixed_id(f"club {self.name}")


# Cape winters are wet, the highveld's are dry and cold, and a Scottish one is dark by four.
CLUBS = (
    DemoClub(
        "Kelp Point Golf Club", "ZA", "Africa/Johannesburg", "en_ZA", "ZAR", 45, 18_400,
        (1.5, 1.4, 1.3, 1.0, 0.7, 0.5, 0.5, 0.6, 0.9, 1.1, 1.3, 1.5), 6,
        (("Christmas Day", "12-25", "12-25"), ("Heritage Day", "09-24", "09-24")),
    ),
    DemoClub(
        "Marula Ridge Country Club", "ZA", "Africa/Johannesburg", "en_ZA", "ZAR", 33, 21_900,
        (0.9, 1.0, 1.1, 1.2, 1.1, 0.9, 0.9, 1.0, 1.2, 1.1, 1.0, 0.9), 6,
        (("Christmas Day", "12-25", "12-25"), ("New Year’s Day", "01-01", "01-01")),
    ),
    DemoClub(
        "Inverlaggan Links", "GB", "Europe/London", "en_GB", "GBP", 22, 980,
        (0.2, 0.3, 0.6, 1.0, 1.5, 1.8, 1.8, 1.7, 1.3, 0.8, 0.4, 0.2), 8,
        (("Christmas and New Year", "12-24", "01-02"), ("St Andrew’s Day", "11-30", "11-30")),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody who signs in to the demo."""

    role: str
    name: str

    @property
    def id(self) -> UUID:
        """Return the user's id, always the same."""
        return fixed_id(f"user {self.role}")

    @property
    def email(self) -> str:
        """Return the address the user signs in with."""
        return f"{self.role}@{DOMAIN}"


MAINTENANCE = "Greens are hollow-tined"
"""Why a club is closed for three days soon."""

USERS = (
    DemoUser("owner", "Nomsa Verwey"),
    DemoUser("admin", "Greg Palmer"),
    DemoUser("marketer", "Priya Naidoo"),
    DemoUser("staff", "Lwazi Ngcobo"),
    DemoUser("ops", "Ewan Sinclair"),
    DemoUser("viewer", "Annelie Roux"),
)
