"""Campaigns: the list, the way from whom to send, each campaign's page, the calendar; and all of it over the API."""

from app.blueprints.campaigns import acts, api, calendar, measuring, pages, report_api, reports, wizard
from app.blueprints.campaigns.base import blueprint

VIEWS = (calendar, wizard, measuring, pages, reports, acts, report_api)
BLUEPRINTS = (blueprint, api.api)
