"""The file of refused rows, as pages and API give it out."""

from collections.abc import Iterator

from flask import Response, stream_with_context

from app.capture.imports import queries
from app.capture.imports.models import ImportRun
from app.infra.spreadsheet import BOM, lines
from app.web.downloads import attachment, stem


def refused_csv(run: ImportRun) -> Response:
    """Return the rows a run refused as a CSV file that a spreadsheet can open: no cell of it is a formula."""
    name = stem(run.file_name.rpartition(".")[0], "import")
    return Response(
        stream_with_context(_lines(run)),
        content_type="text/csv; charset=utf-8",
        headers=attachment(f"{name}-refused.csv"),
    )


def _lines(run: ImportRun) -> Iterator[str]:
    yield BOM + lines([["row", "reason", *run.header]])
    for some in queries.refused(tenant_id=run.tenant_id, run_id=run.id):
        yield lines([one.record, one.reason, *one.cells] for one in some)
