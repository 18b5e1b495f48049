"""Files that people send: to disk while they come in, never into memory, and only from those who may send them.

A view that takes files is marked with `takes_files`, one that takes a long body with `most_bytes`; all others keep to
the application's limit for bodies.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from flask import Flask, Request, current_app, request
from werkzeug.datastructures import FileStorage

from app.infra.config import Config
from app.infra.errors import Invalid
from app.web import guards
from app.web.guards import View

# What a form says beside its file.
_BESIDE = 1024 * 1024


def takes_files(view: View) -> View:
    """Mark a view as one that takes files up to the limit of the settings (MAX_UPLOAD_MB)."""
    view.__dict__["takes_files"] = True
    return view


def takes_bytes(most: int) -> Callable[[View], View]:
    """Return a decorator that marks a view as one that takes bodies of up to so many bytes, files among them."""

    def mark(view: View) -> View:
        view.__dict__["most_bytes"] = most
        return view

    return mark


class UploadRequest(Request):
    """A request whose files lie in the folder for uploads while it lasts; nothing of them is left when it ends."""

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        config: Config = current_app.config["FAIRWAY"]
        folder = Path(config.upload_dir)
        folder.mkdir(parents=True, exist_ok=True)
        # Without a name: a process that dies leaves nothing behind.
        taken = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` does
        self.__dict__.setdefault("taken", []).append(taken)
        return taken

    def close(self) -> None:
        """Let go of the files, those too of a body that was refused halfway."""
        super().close()
        for taken in self.__dict__.pop("taken", []):
            taken.close()


def install(app: Flask) -> None:
    """Let the marked views of `app` take files; to be called before all that reads forms."""
    app.request_class = UploadRequest
    app.before_request(_allow)


def _allow() -> Any:
    """Widen the limit for those who may send files here: nobody else's are read further than any body is."""
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or request.method != "POST":
        return None
    most = view.__dict__.get("most_bytes")
    if view.__dict__.get("takes_files"):
        config: Config = current_app.config["FAIRWAY"]
        most = config.max_upload_bytes + _BESIDE
    if most is None:
        return None
    refused = guards.check()
    if refused is None:
        request.max_content_length = most
    return refused


def uploaded(name: str = "file") -> FileStorage:
    """Return the file of the request, or raise Invalid."""
    file = request.files.get(name)
    if file is None or not file.filename:
        raise Invalid({name: "Choose a file."})
    return file
