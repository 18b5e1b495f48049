"""The built-in mailbox: the mails this machine kept, for whoever builds journeys and templates to look at."""

from app.blueprints.mailbox import pages

BLUEPRINTS = (pages.blueprint,)
