"""What a WSGI server serves, and what `flask --app wsgi …` commands run in."""

from app.factory import create_app

app = create_app()
