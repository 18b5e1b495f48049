"""`Idempotency-Key` on POSTs of the API: sent again with the same key, a request is answered and not carried out."""

import hashlib
from collections.abc import Callable

from flask import Response, request

from app.accounts import answers
from app.accounts.answers import Answer
from app.web.guards import current

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_CHUNK = 1024 * 1024


def once(view: Callable[[], Response]) -> Response:
    """Return the answer of `view`, or with a key that was sent before the one of that time, which is marked so."""
    key = request.headers.get(HEADER)
    if key is None:
        return view()
    actor = current()

    def act() -> Answer:
        response = view()
        return Answer(response.status_code, response.content_type or "", response.get_data(as_text=True))

    answer = answers.once(tenant_id=actor.tenant_id, actor=actor.ref, key=key, fingerprint=_fingerprint(), act=act)
    response = Response(answer.body, answer.status, content_type=answer.content_type or None)
    if answer.repeated:
        response.headers[REPLAYED] = "true"
    return response


def _fingerprint() -> str:
    """Return what tells this request from others: method, address and all it brings."""
    mark = hashlib.sha256(f"{request.method} {request.full_path}\n".encode())
    if request.mimetype == "multipart/form-data":
        # The boundary is another each time.
        for name, value in sorted(request.form.items(multi=True)):
            mark.update(f"{len(name)}:{name}={len(value)}:{value}\n".encode())
        for name, file in sorted(request.files.items(multi=True)):
            mark.update(f"{name}={file.filename}\n".encode())
            while chunk := file.stream.read(_CHUNK):
                mark.update(chunk)
            file.stream.seek(0)
    else:
        mark.update(request.get_data())
    return mark.hexdigest()
