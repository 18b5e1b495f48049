"""Forms of accounts. The rooms' services check what is typed; a form carries it and shows what they said."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from wtforms import (
    BooleanField,
    EmailField,
    Field,
    HiddenField,
    PasswordField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.widgets import CheckboxInput, DateInput, ListWidget

from app.accounts import places
from app.accounts.passwords import MIN_LENGTH
from app.accounts.permissions import PERMISSIONS, ROLES
from app.infra.errors import Invalid
from app.infra.working_days import DAY_NAMES, WEEK
from app.web import forms

_NEW_PASSWORD = {"autocomplete": "new-password", "minlength": MIN_LENGTH, "maxlength": 200}
_PASSWORD_HELP = f"At least {MIN_LENGTH} characters. A few words in a row are easy to remember and hard to guess."


class Form(forms.Form):
    """A form that says what was typed into a field."""

    def text(self, name: str) -> str:
        """Return what was typed into a field; nothing is an empty text."""
        field: Field = self[name]
        return str(field.data or "")


class SignInForm(Form):
    """Address and password."""

    email = EmailField("E-mail address", render_kw={"autocomplete": "username", "required": True})
    password = PasswordField("Password", render_kw={"autocomplete": "current-password", "required": True})
    next = HiddenField()


class RegisterForm(Form):
    """An organisation and the person who opens its account."""

    organisation = StringField(
        "Organisation",
        description="The operator of your clubs, or the club itself.",
        render_kw={"autocomplete": "organization", "required": True},
    )
    name = StringField("Your name", render_kw={"autocomplete": "name", "required": True})
    email = EmailField("E-mail address", render_kw={"autocomplete": "username", "required": True})
    password = PasswordField("Password", description=_PASSWORD_HELP, render_kw=_NEW_PASSWORD)


class InvitationForm(Form):
    """Who accepts an invitation, and the password of the account."""

    name = StringField("Your name", render_kw={"autocomplete": "name", "required": True})
    password = PasswordField("Password", description=_PASSWORD_HELP, render_kw=_NEW_PASSWORD)


class ForgotForm(Form):
    """Whose password was forgotten."""

    email = EmailField("E-mail address", render_kw={"autocomplete": "username", "required": True})


class NewPasswordForm(Form):
    """A new password, by the link of a mail."""

    password = PasswordField("New password", description=_PASSWORD_HELP, render_kw=_NEW_PASSWORD)


class ProfileForm(Form):
    """The user's own name."""

    name = StringField("Name", render_kw={"autocomplete": "name", "required": True})


class PasswordForm(Form):
    """The present password and a new one."""

    current = PasswordField("Current password", render_kw={"autocomplete": "current-password", "required": True})
    password = PasswordField("New password", description=_PASSWORD_HELP, render_kw=_NEW_PASSWORD)


def role_choices(roles: Iterable[str] = ROLES) -> list[tuple[str, str]]:
    """Return (role, role and what it is for) for a form."""
    return [(role, f"{role.capitalize()}: {ROLES[role][0].lower()}{ROLES[role][1:]}") for role in roles]


class InviteForm(Form):
    """Whom to invite, as what."""

    email = EmailField("E-mail address", render_kw={"autocomplete": "off", "required": True})
    name = StringField("Name", description="They can change it.", render_kw={"autocomplete": "off"})
    role = RadioField("Role", default="staff", validate_choice=False)


class RoleForm(Form):
    """Another role for a user."""

    role = RadioField("Role", validate_choice=False)


def _countries() -> places.Choices:
    return [("", "Choose a country"), *places.countries()]


def _or_usual(choices: Callable[[], places.Choices]) -> Callable[[], places.Choices]:
    return lambda: [("", "The usual one of the country"), *choices()]


class PlaceForm(Form):
    """A name and the place that decides how dates, numbers, money and phones are written."""

    name = StringField("Name", render_kw={"required": True})
    country = SelectField(
        "Country",
        description="Phone numbers without a country code are read as this country's.",
        choices=_countries,
        validate_choice=False,
    )
    timezone = SelectField("Time zone", choices=_or_usual(places.timezones), validate_choice=False)
    locale = SelectField(
        "Language and region",
        description="How dates and numbers are written in messages.",
        choices=_or_usual(places.locales),
        validate_choice=False,
    )
    currency = SelectField("Currency", choices=_or_usual(places.currencies), validate_choice=False)

    def values(self) -> dict[str, str]:
        """Return what was chosen, by the names the service knows."""
        return {name: self.text(name) for name in ("name", "country", "timezone", "locale", "currency")}


def _week() -> places.Choices:
    return list(zip(WEEK, DAY_NAMES, strict=True))


class WorkingDaysForm(Form):
    """On which days of the week a club works."""

    working_days = SelectMultipleField(
        "Days of the week",
        choices=_week,
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validate_choice=False,
    )


class ClosureForm(Form):
    """Days on which a club is closed."""

    name = StringField("Why", description="For example “Christmas Day” or “Course maintenance”.")
    starts_on = StringField("First day", widget=DateInput())
    ends_on = StringField("Last day", description="Leave it empty for a single day.", widget=DateInput())
    yearly = BooleanField("Every year on these days")

    def values(self) -> dict[str, Any]:
        """Return what was typed, by the names the service knows; what is no day is None. Raises Invalid."""
        typed = {name: self.text(name).strip() for name in ("starts_on", "ends_on")}
        days = {name: _day(text) for name, text in typed.items()}
        if wrong := [name for name, text in typed.items() if text and days[name] is None]:
            raise Invalid(dict.fromkeys(wrong, "Choose a day, such as 2026-12-25."))
        return {"name": self.text("name"), "yearly": bool(self.yearly.data), **days}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


class KeyForm(Form):
    """A new API key: what for, and what it may do."""

    name = StringField("Name", description="The machine or system that uses the key.", render_kw={"required": True})
    scopes = SelectMultipleField(
        "What it may do",
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
        validate_choice=False,
    )

    def offer(self, scopes: Iterable[str]) -> None:
        """Offer these scopes."""
        self.scopes.choices = [(scope, f"{PERMISSIONS[scope].label} ({scope})") for scope in scopes]
