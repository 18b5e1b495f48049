"""What the pages of households share."""

from flask import Blueprint

from app.customers.greetings import ROLES

blueprint = Blueprint("households", __name__, url_prefix="/households")
ROLE_LABELS = ROLES
POINT_ICONS = {"email": "mail", "phone": "phone"}
POINT_LABELS = {"email": "E-mail", "phone": "Phone"}
