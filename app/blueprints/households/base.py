"""What the pages of households share."""

from flask import Blueprint

blueprint = Blueprint("households", __name__, url_prefix="/households")
POINT_ICONS = {"email": "mail", "phone": "phone"}
