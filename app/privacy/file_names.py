"""Names of imported files that name the person: "anna@example.com.csv", "members_anna-brown.csv".

A file's name is written by people, and copied onto the timeline, into notes and into events of everybody in the file.
It is looked at on its own, because in it a dot, a dash or an underscore ends an address or a name.
"""

import re

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.infra.arrays import array
from app.privacy.models import PrivacyRequest
from app.privacy.redact import GONE, Needles, from_json

_WORD = re.compile(r"[^\W_]+")
_RUNS = text("SELECT id, file_name FROM import_run WHERE tenant_id = :tenant_id AND file_name <> :gone ORDER BY id")
_FORGET = text("""
    UPDATE import_run SET file_name = :gone WHERE tenant_id = :tenant_id AND id = ANY(cast(:ids AS uuid[]))
""")


def forget(session: Session, request: PrivacyRequest) -> None:
    """Take the names that name the person off the imports, and keep them to be looked for in everybody's rows.

    An import that is running gives no row of its the name any more: this waits for the batch under way.
    """
    needles = request.work.get("needles")
    if needles is None:
        return
    wanted = from_json(needles)
    values = {"tenant_id": request.tenant_id, "gone": GONE}
    found = {row.id: row.file_name for row in session.execute(_RUNS, values) if names(row.file_name, wanted)}
    if found:
        session.execute(_FORGET, {**values, "ids": array(found)})
        kept = {*request.work.get("files", ()), *(name.lower() for name in found.values())}
        request.work = {**request.work, "files": sorted(kept)}
        session.flush()


def names(file_name: str, wanted: Needles) -> bool:
    """Return whether a file's name holds one of the words as such: "12345" is not in "report-2012345.csv"."""
    said = f" {_plain(file_name)} "
    return any(f" {plain} " in said for one in (*wanted.exact, *wanted.names) if (plain := _plain(one)))


def _plain(words: str) -> str:
    return " ".join(_WORD.findall(words.lower()))
