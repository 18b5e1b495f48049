"""Workers, one after the other, whose process ends at the step `deadly` of the customer POISON: by no exception.

Whenever one has ended another one is started, as the supervisor does, and a line says how it ended.
"""

import os
from typing import Any

import click
from flask.cli import ScriptInfo

from app.factory import create_app
from app.journeys.step_type import StepBatch
from app.journeys.steps.update import UpdateStep

as_it_is = UpdateStep.run


def run(self: UpdateStep, batch: StepBatch[Any]) -> None:
    """Change the customers, unless the one is among them."""
    if batch.step_key == "deadly" and os.environ["POISON"] in map(str, batch.customer_ids):
        os._exit(9)
    as_it_is(self, batch)


if __name__ == "__main__":
    UpdateStep.run = run  # type: ignore[method-assign]
    app = create_app()
    while True:
        worker = os.fork()
        if not worker:
            app.cli.main(["worker"], obj=ScriptInfo(create_app=lambda: app))
        click.echo(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))
