"""The blueprint of the form for conditions."""

from flask import Blueprint

blueprint = Blueprint("conditions", __name__, url_prefix="/conditions")
