"""What a WSGI server serves, and what `flask --app wsgi …` commands run in."""

import gc

from app.factory import create_app

app = create_app()

# What is loaded now stays for the life of the process, so the collector need not go through it again. Batches make
# many small objects that hold no cycles: with Python's own thresholds a third of the time of applying events went
# into looking for some.
gc.freeze()
gc.set_threshold(50_000, 20, 100)
