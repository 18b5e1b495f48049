"""For those who keep it running: queues, workers, failed jobs, health."""

from app.blueprints.ops import dashboard, health, pages

BLUEPRINTS = (pages.blueprint, health.blueprint, health.documents)
INSTALL = (dashboard.install,)
