"""Fairway. This file stays empty so that importing a part never imports the whole (see app.factory)."""
