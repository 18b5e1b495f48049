"""WEBHOOK: another system is called about everybody who comes here, and what it answers can be used further on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import orjson
from pydantic import Field, field_validator
from sqlalchemy import Row, text

from app.content.liquid import render
from app.infra.arrays import array
from app.infra.http import MAX_URL, RefusedUrl, check_url
from app.infra.ids import new_id
from app.infra.queue import Work, wake
from app.journeys.calls import DONE, QUEUED
from app.journeys.durations import duration
from app.journeys.merge_values import compiled, write_each
from app.journeys.step_type import Known, StepBatch, StepConfig, StepType, Walker, registry

GONE_WRONG = "failed"
MAX_BODY = 16_000
MAX_DEPTH = 20
_HOST = re.compile(r"https?://[^/?#{}]+(?=[/?#]|$)")
_USUAL = {
    "type": "journey.step",
    "data": {
        "customer": {
            "id": "{{ customer.id }}",
            "email": "{{ customer.email }}",
            "first_name": "{{ customer.first_name }}",
            "last_name": "{{ customer.last_name }}",
        }
    },
}


class WebhookConfig(StepConfig):
    """Whom to call, with what, and how long to try."""

    method: Literal["POST", "PUT", "GET"] = Field(
        default="POST", title="Method", json_schema_extra={"labels": {"POST": "POST", "PUT": "PUT", "GET": "GET"}}
    )
    url: str = Field(
        title="Address",
        max_length=MAX_URL,
        description="It starts with https://. After the host it may hold merge tags, as "
        "“?mail={{ customer.email | url_encode }}”.",
    )
    body: str | None = Field(
        default=None,
        max_length=MAX_BODY,
        title="What is told",
        description="JSON with merge tags in its texts, such as “{{ customer.email }}”, “{{ event.booking_id }}” and "
        "“{{ webhook.<step>.<name> }}” of an earlier answer. Left empty, it is id, address and name of the customer.",
        json_schema_extra={"widget": "textarea"},
    )
    give_up_after: str = Field(
        default="1 day",
        title="Give up after",
        description="Until then a call that nobody took is repeated, later and later, under the same id.",
        json_schema_extra={"widget": "duration"},
    )
    secret: str | None = Field(default=None, title="Signing secret", json_schema_extra={"widget": "secret"})

    @field_validator("url")
    @classmethod
    def _somewhere(cls, value: str) -> str:
        host = _HOST.match(value)
        if host is None:
            raise ValueError("Write an address that starts with https:// and names its host without merge tags.")
        try:
            check_url(host[0] if "{" in value else value)
        except RefusedUrl as refused:
            raise ValueError(refused.message) from None
        compiled(value)
        return value

    @field_validator("body")
    @classmethod
    def _json(cls, value: str | None) -> str | None:
        if value is not None:
            _check(_read(value), 0)
        return value

    @field_validator("give_up_after")
    @classmethod
    def _readable(cls, value: str) -> str:
        if not duration(value):
            raise ValueError("Give a time longer than nothing.")
        return value


def _read(body: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as wrong:
        raise ValueError(f"This is no JSON: {wrong.msg} in line {wrong.lineno}.") from None


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"Nest it at most {MAX_DEPTH} deep.")
    if isinstance(value, str):
        compiled(value)
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check(one, depth + 1)


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return JSON with the merge tags in its texts filled in: whatever is put in stays inside its text."""
    if isinstance(value, str):
        return render(compiled(value), values) if "{" in value else value
    if isinstance(value, dict):
        return {name: _filled(one, values) for name, one in value.items()}
    return [_filled(one, values) for one in value] if isinstance(value, list) else value


_CALLS = text("""
    SELECT w.* FROM journey_webhook w
    JOIN unnest(CAST(:people AS uuid[]), CAST(:numbers AS int[])) AS here(id, number)
        ON w.enrollment_id = here.id AND w.step_number = here.number
    WHERE w.tenant_id = :tenant_id
""")
_PUT = text("""
    INSERT INTO journey_webhook
        (tenant_id, id, enrollment_id, step_number, method, url, host, secret, body, due_at, gives_up_at)
    SELECT :tenant_id, call.id, call.enrollment, call.number, :method, call.url, :host, :secret, call.body, :now, :until
    FROM unnest(CAST(:ids AS uuid[]), CAST(:people AS uuid[]), CAST(:numbers AS int[]), CAST(:urls AS text[]),
        CAST(:bodies AS text[])) AS call(id, enrollment, number, url, body)
    ON CONFLICT (tenant_id, enrollment_id, step_number) DO NOTHING
""")
_TAKE_AWAY = text("DELETE FROM journey_webhook WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))")
_KEEP = text("""
    UPDATE journey_enrollment e SET answers = coalesce(e.answers, '{}') || jsonb_build_object(CAST(:key AS text),
        CAST(told.answer AS jsonb))
    FROM unnest(CAST(:people AS uuid[]), CAST(:answers AS text[])) AS told(id, answer)
    WHERE e.tenant_id = :tenant_id AND e.id = told.id
""")


class Webhook(StepType[WebhookConfig]):
    """Writes the calls down, parks people until `app.journeys.calls` has settled theirs, and takes it from there."""

    label = "Webhook"
    icon = "plug"
    description = "Call another system, and use what it answers."
    reaches_out = True
    merges = ("url", "body")
    Config = WebhookConfig

    def exits(self, config: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """Return the way on, and that of calls nobody took."""
        return ("next", GONE_WRONG)

    def exit_labels(self, config: Mapping[str, Any]) -> dict[str, str]:  # noqa: ARG002
        """Return what the ways are called."""
        return {"next": "Taken", GONE_WRONG: "Failed"}

    def defaults(self) -> dict[str, Any]:
        """Return a POST to nowhere yet."""
        return {"method": "POST", "give_up_after": "1 day"}

    def takes_time(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Return yes: people wait for the answer."""
        return True

    def pointless(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Return the body, where there is none."""
        return frozenset(("body",)) if config.get("method") == "GET" else frozenset()

    def check(self, config: WebhookConfig, known: Known) -> Iterator[tuple[str | None, str]]:
        """Yield that calls can't be signed, and that a GET has no body."""
        if config.secret is None:
            yield "secret", "Make a secret: by it the receiver knows that it is you who calls."
        elif not known.opens(config.secret):
            yield "secret", "This secret was made elsewhere and can't be read here. Make another one."
        if config.method == "GET" and config.body:
            yield "body", "A GET tells nothing but its address. Leave this empty, or choose POST."

    def words(self, config: WebhookConfig, known: Known) -> str:  # noqa: ARG002
        """Return how, and which host."""
        return f"{config.method} to {check_url(_origin(config.url)).authority}"

    def run(self, batch: StepBatch[WebhookConfig]) -> None:
        """Write calls down for those who have come; let those go whose call is over."""
        if batch.journey.rehearsed:
            # Nobody is called: taken as if the call had been, and nothing answered.
            batch.leave_all(result={"rehearsed": True})
            return
        calls = _calls(batch)
        _begin(batch, [walker for walker in batch.walkers if walker.enrollment_id not in calls])
        over: list[Row[Any]] = []
        answers: dict[UUID, Any] = {}
        for walker in batch.walkers:
            call = calls.get(walker.enrollment_id)
            if call is None:
                continue
            # Sooner for somebody who is told to go on.
            until = min(walker.waiting_until or call.gives_up_at, call.gives_up_at)
            if call.status == QUEUED and batch.now < until:
                batch.park(walker, until)
                continue
            over.append(call)
            if call.status != DONE:
                said = call.said or "Nobody answered in time."
                batch.leave(walker, GONE_WRONG, {"called": False, "status": call.code, "said": said})
                continue
            kept = {} if call.answer is None else {"answer": call.answer}
            if kept:
                answers[walker.enrollment_id] = call.answer
                walker.answers = {**walker.answers, batch.step_key: call.answer}
            batch.leave(walker, result={"called": True, "status": call.code, **kept})
        if answers:
            told = {"people": array(answers), "answers": array(orjson.dumps(one).decode() for one in answers.values())}
            batch.session.execute(_KEEP, {"tenant_id": batch.tenant_id, "key": batch.step_key, **told})
        if over:
            ids = array(call.id for call in over)
            batch.session.execute(_TAKE_AWAY, {"tenant_id": batch.tenant_id, "ids": ids})


def _calls(batch: StepBatch[WebhookConfig]) -> dict[UUID, Row[Any]]:
    here = {
        "people": array(walker.enrollment_id for walker in batch.walkers),
        "numbers": array(walker.step_number for walker in batch.walkers),
    }
    rows = batch.session.execute(_CALLS, {"tenant_id": batch.tenant_id, **here})
    return {row.enrollment_id: row for row in rows}


def _begin(batch: StepBatch[WebhookConfig], coming: Sequence[Walker]) -> None:
    """Write down a call for each who has just come, and park them until it is given up at the latest."""
    if not coming:
        return
    config, until = batch.config, batch.now + duration(batch.config.give_up_after)
    body = _read(config.body) if config.body else _USUAL

    def write(walker: Walker, values: Mapping[str, Any]) -> tuple[str, str | None]:
        reached = _reached(batch, walker, values)
        url = render(compiled(config.url), reached)
        return url, None if config.method == "GET" else orjson.dumps(_filled(body, reached)).decode()

    written = write_each(batch, coming, write, "What is told")
    put = [(new_id(), one.enrollment_id, one.step_number, *call) for one, call in written.items()]
    for walker in written:
        batch.park(walker, until)
    if not put:
        return
    names = ("ids", "people", "numbers", "urls", "bodies")
    columns = {name: array(column) for name, column in zip(names, zip(*put, strict=True), strict=True)}
    same = {"method": config.method, "host": check_url(_origin(config.url)).authority, "secret": config.secret}
    batch.session.execute(_PUT, {"tenant_id": batch.tenant_id, "now": batch.now, "until": until, **same, **columns})
    wake(Work.CALL_WEBHOOKS, batch.tenant_id)


def _reached(batch: StepBatch[WebhookConfig], walker: Walker, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what merge tags of a call can reach: more than elsewhere."""
    customer = {"id": str(walker.customer_id)} | values["customer"]
    return {**values, "customer": customer, "journey": {"id": str(batch.journey.id), "step": batch.step_key}}


def _origin(url: str) -> str:
    found = _HOST.match(url)
    return found[0] if found else url


registry.register("WEBHOOK")(Webhook())
