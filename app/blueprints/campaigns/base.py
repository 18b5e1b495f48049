"""What every page about campaigns shares."""

from flask import Blueprint

blueprint = Blueprint("campaigns", __name__, url_prefix="/campaigns")
