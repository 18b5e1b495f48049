"""The blueprint all pages of journeys hang on."""

from flask import Blueprint

blueprint = Blueprint("journeys", __name__, url_prefix="/journeys")
