"""Forms of customers. The room's service checks what is typed; a form carries it and shows what it said."""

from collections.abc import Iterable
from typing import Any

import wtforms
from wtforms import BooleanField, DateField, EmailField, Field, SelectField, StringField, TelField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]

from app.accounts.queries import ClubInfo
from app.blueprints.customers.presenters import STAGE_LABELS
from app.capture.desk import Entry
from app.customers.models import Customer
from app.customers.notes import TYPES as NOTE_TYPES
from app.customers.notes import Draft
from app.web import forms

_OFF = {"autocomplete": "off"}
_TEXTS = ("title", "first_name", "last_name", "email", "phone", "membership_tier", "membership_status")


class Form(forms.Form):
    """A form that says what was typed into a field."""

    def text(self, name: str) -> str | None:
        """Return what was typed into a field, tidied; nothing is None."""
        field: Field = self[name]
        return str(field.data or "").strip() or None


class ProfileForm(Form):
    """What staff may change about a customer."""

    title = StringField("Title", render_kw=_OFF)
    first_name = StringField("First name", render_kw=_OFF)
    last_name = StringField("Last name", render_kw=_OFF)
    date_of_birth = DateField("Date of birth", [wtforms.validators.Optional()], render_kw=_OFF)
    email = EmailField("E-mail address", render_kw=_OFF)
    phone = TelField(
        "Phone", description="Without a country code it is read as a number of the club's country.", render_kw=_OFF
    )
    club_id = SelectField("Club", validate_choice=False)
    membership_tier = StringField("Membership tier", render_kw=_OFF | {"list": "tiers"})
    membership_status = StringField("Membership status", render_kw=_OFF | {"list": "membership-statuses"})
    joined_on = DateField("Joined on", [wtforms.validators.Optional()], render_kw=_OFF)
    handicap_index = StringField("Handicap index", render_kw=_OFF | {"inputmode": "decimal"})
    lifecycle_stage = SelectField(
        "Stage", choices=[SelectChoice(value, label) for value, label in STAGE_LABELS.items()], validate_choice=False
    )
    tags = StringField("Tags", description="Separate them by commas.", render_kw=_OFF)

    def offer_clubs(self, clubs: Iterable[ClubInfo]) -> None:
        """Offer these clubs."""
        self.club_id.choices = [SelectChoice("", "No club"), *(SelectChoice(str(one.id), one.name) for one in clubs)]

    def fill(self, customer: Customer) -> None:
        """Show what is on file."""
        for name in _TEXTS:
            self[name].data = getattr(customer, name)
        self.date_of_birth.data = customer.date_of_birth
        self.joined_on.data = customer.joined_on
        self.club_id.data = str(customer.club_id or "")
        self.handicap_index.data = "" if customer.handicap_index is None else str(customer.handicap_index)
        self.lifecycle_stage.data = customer.lifecycle_stage
        self.tags.data = ", ".join(customer.tags)

    def texts(self) -> dict[str, str]:
        """Return what stands in each field, as it was sent or filled in."""
        return {
            one.name: str(one.data or "") if one.raw_data is None else str(next(iter(one.raw_data), "")) for one in self
        }

    def profile(self) -> dict[str, Any]:
        """Return the profile fields as typed; an emptied field is None."""
        values: dict[str, Any] = {name: self.text(name) for name in _TEXTS}
        values |= {name: self[name].data for name in ("date_of_birth", "joined_on")}
        values |= {name: self.text(name) for name in ("club_id", "handicap_index", "lifecycle_stage")}
        return values

    def tag_list(self) -> list[str]:
        """Return the tags in the order typed, each once."""
        return list(dict.fromkeys(tag for one in (self.tags.data or "").split(",") if (tag := one.strip())))


class NewCustomerForm(Form):
    """Who walks in: enough to know whether we know them."""

    first_name = StringField("First name", render_kw=_OFF | {"autofocus": True})
    last_name = StringField("Last name", render_kw=_OFF)
    email = EmailField("E-mail address", render_kw=_OFF)
    phone = TelField(
        "Phone", description="Without a country code it is read as a number of the club's country.", render_kw=_OFF
    )
    member_number = StringField("Member number", render_kw=_OFF)
    club_id = SelectField("Club", validate_choice=False)

    def offer_clubs(self, clubs: Iterable[ClubInfo]) -> None:
        """Offer these clubs."""
        self.club_id.choices = [SelectChoice("", "No club"), *(SelectChoice(str(one.id), one.name) for one in clubs)]

    def entry(self, clubs: Iterable[ClubInfo]) -> Entry:
        """Return what was typed."""
        names = {str(one.id): one.name for one in clubs}
        return Entry(
            first_name=self.text("first_name"),
            last_name=self.text("last_name"),
            email=self.text("email"),
            phone=self.text("phone"),
            member_number=self.text("member_number"),
            club=names.get(self.text("club_id") or ""),
        )


class NoteForm(Form):
    """A note on a customer."""

    body = TextAreaField("Note", render_kw={"rows": 3, "maxlength": 5000, "data-mentions": "#colleagues"})
    type = SelectField(
        "Type", choices=[SelectChoice(*one) for one in NOTE_TYPES.items()], default="general", validate_choice=False
    )
    pinned = BooleanField("Pin to the top")
    private = BooleanField("Private", description="Seen by you and the owner only.")

    def draft(self) -> Draft:
        """Return what was typed."""
        return Draft(
            self.body.data or "",
            type=self.text("type") or "general",
            pinned=self.pinned.data,
            private=self.private.data,
        )
