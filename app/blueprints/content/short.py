"""The editor of what is short: texts and the like, whose form is drawn from what their kind asks for."""

from functools import cache
from typing import Any, cast

from flask import Response
from wtforms import HiddenField, SelectField, StringField, TextAreaField

from app.blueprints.content.base import shown_as_sent
from app.blueprints.content.forms import TopicForm
from app.content import checks, queries
from app.content.kind import Part, TemplateKind, kind_of, kinds
from app.content.models import Template
from app.content.preview import of_content
from app.infra.ids import as_id
from app.web.guards import can, current
from app.web.htmx import page
from app.web.shell import organisation

PARAMETERS = "parameters."


class ShortForm(TopicForm):
    """What every short template has. Its parts are fields of their own, by the kind."""

    channel = HiddenField()
    name = StringField("Name", description="For your team; readers never see it.")
    topic_id = SelectField(
        "Topic",
        description="Marketing goes to people who want this topic. A step of a journey may name another one.",
        validate_choice=False,
    )
    customer_id = HiddenField()
    version = HiddenField()
    to = StringField("Send a test to", render_kw={"autocomplete": "off"})

    @property
    def kind(self) -> TemplateKind:
        """Return what is being written."""
        return kind_of(str(self.channel.data))

    @property
    def parts(self) -> list[tuple[Part, Any]]:
        """Return what the kind asks for, each with its field."""
        return [(part, self[_field(part)]) for part in self.kind.parts]

    def content(self) -> dict[str, Any]:
        """Return what the template says as it stands in the form."""
        said: dict[str, Any] = {"editor": self.kind.usual}
        parameters: dict[str, Any] = {}
        for part, field in self.parts:
            written = field.data or None
            if part.name.startswith(PARAMETERS):
                key = part.name.removeprefix(PARAMETERS)
                parameters[key] = _lines(written) if part.many else written
            else:
                said[part.name] = written
        return said | {"parameters": parameters or None}

    def values(self) -> dict[str, Any]:
        """Return what is to be saved."""
        return {"name": self.name.data or "", "topic_id": as_id(self.topic_id.data), **self.content()}

    def place(self, errors: dict[str, str]) -> dict[str, str]:
        """Return messages by the names of the form's fields."""
        named = {part.name: _field(part) for part in self.kind.parts}
        placed: dict[str, str] = {}
        for name, message in errors.items():
            # What is wrong with one line of a list stands beside the list.
            whole = next((one for one in named if name == one or name.startswith(f"{one}.")), None)
            placed.setdefault(named[whole] if whole else name, message)
        return placed


@cache
def form_class(channel: str) -> type[ShortForm]:
    """Return the form of a channel's templates."""
    fields = {_field(part): _drawn(part) for part in kinds()[channel].parts}
    return cast("type[ShortForm]", type("ChannelForm", (ShortForm,), fields))


def filled(template: Template) -> ShortForm:
    """Return the form of a template, filled in."""
    parameters = template.parameters or {}
    data: dict[str, Any] = {
        "channel": template.channel,
        "name": template.name,
        "topic_id": template.topic_id,
        "version": template.version,
    }
    for part in kind_of(template.channel).parts:
        if part.name.startswith(PARAMETERS):
            value = parameters.get(part.name.removeprefix(PARAMETERS))
            data[_field(part)] = "\n".join(map(str, value)) if isinstance(value, list) else value
        else:
            data[_field(part)] = getattr(template, part.name)
    return form_class(template.channel)(data=data)


def started(channel: str) -> ShortForm:
    """Return the form of a new template."""
    kind = kind_of(channel)
    starter = {name.replace(".", "_"): value for name, value in kind.starter().items()}
    return form_class(channel)(data={"channel": channel, **starter})


def preview(form: ShortForm) -> dict[str, Any]:
    """Return the message that stands in the form as its reader would get it."""
    channel = str(form.channel.data)
    content = form.content()
    letter, problems = of_content(
        tenant_id=current().tenant_id,
        tenant_name=organisation().name,
        content=content,
        customer_id=as_id(form.customer_id.data) if can("customers.view") else None,
        channel=channel,
    )
    source = queries.source_of(content, channel)
    found = checks.of_template(current().tenant_id, channel, letter, source) if letter else []
    labels = {part.name: part.label for part in form.kind.parts}
    told = {labels.get(name, labels.get(name.rpartition(".")[0], name)): why for name, why in problems.items()}
    return {"letter": letter, "problems": told, "checks": found, **shown_as_sent(channel, letter)}


def editor(form: ShortForm, template: Template | None, status: int = 200, **context: Any) -> Response:
    """Return the editor's page."""
    return page(
        "content/short.html", status=status, form=form, saved=template, kinds=kinds(), **context, **preview(form)
    )


def _field(part: Part) -> str:
    return part.name.replace(".", "_")


def _lines(written: str | None) -> list[str]:
    return [line.strip() for line in (written or "").splitlines() if line.strip()]


def _drawn(part: Part) -> Any:
    if part.lines == 1:
        return StringField(part.label, description=part.help, render_kw={"autocomplete": "off"})
    return TextAreaField(part.label, description=part.help, render_kw={"rows": part.lines})
