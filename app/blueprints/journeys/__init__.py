"""Journeys: the list, the builder, the people inside."""

from app.blueprints.journeys import (
    api,
    api_analytics,
    api_backtests,
    api_checks,
    api_people,
    api_rehearsal,
    api_versions,
    backtests,
    builder,
    check_form,
    checks,
    pages,
    people,
    publishing,
    recipes,
    rehearsals,
    reports,
    saving,
    settings,
    together,
    versions,
)
from app.blueprints.journeys.base import blueprint

VIEWS = (
    reports,
    pages,
    builder,
    saving,
    settings,
    people,
    publishing,
    recipes,
    rehearsals,
    backtests,
    api_rehearsal,
    checks,
    check_form,
    api_backtests,
    api_checks,
    together,
    versions,
)
BLUEPRINTS = (blueprint, api.api, api_analytics.api, api_people.api, api_versions.api)
