"""Fairway's own shape: columns named as the API names them."""

from app.capture.imports.fields import OF_MEMBERS
from app.capture.imports.preset import MEMBERS, Preset, register

register(
    Preset(
        name="fairway-csv",
        label="Fairway CSV",
        kind=MEMBERS,
        about="Columns named as in the API: first_name, last_name, email, phone, member_number and so on.",
        columns={name: name for name in OF_MEMBERS},
        by_target=True,
    )
)
