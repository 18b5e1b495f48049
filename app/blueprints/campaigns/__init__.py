"""Campaigns: the list, the way from whom to send, each campaign's page, the calendar; and all of it over the API."""

from app.blueprints.campaigns import (
    acts,
    api,
    approval_api,
    approvals,
    calendar,
    measuring,
    pages,
    previews,
    report_api,
    reports,
    wizard,
)
from app.blueprints.campaigns.base import blueprint

VIEWS = (approvals, approval_api, calendar, wizard, measuring, pages, previews, reports, acts, report_api)
BLUEPRINTS = (blueprint, api.api)
