"""The kit every page is made of: it escapes, it says what is wrong beside the field, and it is described."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import html5lib
import pytest
import wtforms
from flask import Flask
from jinja2 import Environment
from werkzeug.datastructures import MultiDict
from wtforms.fields.choices import SelectChoice

from tests.page_client import check_page

HOSTILE = "<script>alert(1)</script>\"'&"
AT = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)


@pytest.fixture
def environment(app: Flask) -> Iterator[Environment]:
    with app.test_request_context("/customers?q=ann&tag=a&tag=b&cursor=old&sort=name"):
        yield app.jinja_env


@pytest.fixture
def ui(environment: Environment) -> Any:
    return environment.get_template("components/ui.html").module


def draw(environment: Environment, source: str, **context: Any) -> str:
    """Render a template made of macros."""
    return environment.from_string(source).render(context)


def parse(fragment: str) -> Any:
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parseFragment(fragment)
    assert not parser.errors, parser.errors
    return tree


SHELL = {
    "organisation": "Cape Links",
    "user_name": "Thandi Mokoena",
    "role": "marketer",
    "profile_url": "/me",
    "sign_out_url": "/sign-out",
    "home_url": "/",
}


class Registration(wtforms.Form):
    name = wtforms.StringField(
        "Name", [wtforms.validators.InputRequired("Give it a name.")], description="Seen by all."
    )
    age = wtforms.IntegerField("Age", [wtforms.validators.Optional()])
    role = wtforms.SelectField("Role", choices=[SelectChoice("s", "Staff"), SelectChoice("o", "Owner")])
    channels = wtforms.RadioField("Channel", choices=[SelectChoice("e", "E-mail"), SelectChoice("s", "SMS")])
    about = wtforms.TextAreaField("About")
    agreed = wtforms.BooleanField("Agreed")
    secret = wtforms.HiddenField()


@pytest.mark.parametrize(
    "source",
    [
        "{{ ui.page_header(x, breadcrumbs=[(x, x)], subtitle=x, actions=[ui.button(x), ui.link_button(x, x)]) }}",
        "{% call ui.card(x, subtitle=x, id='c') %}{{ x }}{% endcall %}",
        "{{ ui.stat(x, x, x, note=x) }}",
        "{{ ui.tabs([{'label': x, 'url': x, 'active': true, 'count': x}], label=x) }}",
        "{{ ui.empty_state('mail', x, x, action=ui.button(x)) }}",
        "{% call ui.alert('danger', x) %}{{ x }}{% endcall %}",
        "{{ ui.icon('mail', label=x) }}{{ ui.icon_button('mail', x, url=x) }}{{ ui.icon_button('mail', x) }}",
        "{{ ui.button(x, name=x, value=x, attrs={'data-x': x}) }}",
        "{{ ui.post_button(x, x, fields={x: x}, confirm=x, confirm_text=x, attrs={'data-x': x}) }}",
        "{% call ui.menu(x) %}{{ ui.menu_link(x, x) }}{{ ui.menu_post(x, x, fields={x: x}, confirm=x) }}{% endcall %}",
        "{{ ui.input('n', x, x, help=x, errors=[x], prefix=x, suffix=x, attrs={'placeholder': x}) }}",
        "{{ ui.textarea('n', x, x, help=x, errors=[x]) }}{{ ui.checkbox('c', x, help=x, value=x) }}",
        "{{ ui.select('n', x, [(x, x)], x, blank=x, help=x) }}{{ ui.radios('r', x, [(x, x)], x, errors=[x]) }}",
        "{% call ui.filter_bar(x, target=x, reset=x) %}{{ ui.search_input('q', x, x) }}"
        "{{ ui.select_input('s', [(x, x)], x, x, blank=x) }}{{ ui.date_input('d', x, x) }}{% endcall %}",
        "{% call ui.table([{'label': x, 'sort': x}, {'label': x, 'hidden': true}], caption=x) %}{% endcall %}",
        "{{ ui.pager(x, rows='#rows', label=x) }}",
        "{% call ui.timeline() %}{{ ui.timeline_item('mail', x, at, text=x, meta=x, url=x) }}{% endcall %}",
        "{{ ui.badge(x) }}{{ ui.status(x, {}) }}{{ ui.status('A', {}, {'A': x}) }}{{ ui.avatar(x) }}",
        "{{ ui.definition_list([(x, x)]) }}{{ ui.code(x, label=x) }}{{ ui.copy_field(x, 'Key', help=x) }}",
        "{{ ui.mail_frame(x, src=x) }}{{ ui.mail_frame(x, html=x) }}",
        "{% call ui.poll(x, 'p') %}{{ ui.progress(1, 2, x, counts=[(x, 1, 'info')]) }}{% endcall %}",
    ],
)
def test_what_is_passed_as_text_stays_text(environment: Environment, source: str) -> None:
    drawn = draw(environment, source, x=HOSTILE, at=AT)
    assert "<script" not in drawn
    tree = parse(drawn)
    assert not list(tree.iter("script"))
    for element in tree.iter():
        assert not any(isinstance(name, str) and name.startswith(("on", "alert")) for name in element.attrib)


def test_macros_are_all_described(ui: Any) -> None:
    guide = (Path(__file__).parent.parent.parent / "docs" / "ui.md").read_text()
    macros = {name for name, value in vars(ui).items() if type(value).__name__ == "Macro"}
    described = set(re.findall(r"\bui\.(\w+)\(", guide))
    assert macros - described == set()
    assert described - macros == set()


class TestField:
    def test_says_what_is_wrong_beside_the_field(self, environment: Environment) -> None:
        form = Registration(MultiDict({"age": "many", "role": "s", "channels": "e"}))
        assert not form.validate()
        tree = parse(draw(environment, "{{ ui.field(form.name) }}{{ ui.field(form.age) }}", form=form))
        name, age = tree.iter("input")
        assert name.get("aria-invalid") == age.get("aria-invalid") == "true"
        assert name.get("aria-describedby") == "name-help name-error"
        told = {element.get("id"): "".join(element.itertext()) for element in tree.iter("p")}
        assert told["name-help"] == "Seen by all."
        assert told["name-error"] == "Give it a name."
        assert age.get("value") == "many", "what was typed stays"

    def test_draws_each_kind_of_control_with_its_label(self, environment: Environment) -> None:
        form = Registration(MultiDict({"name": "Ann", "role": "o", "channels": "s", "agreed": "y"}))
        assert form.validate()
        tree = parse(draw(environment, "{% for field in form %}{{ ui.field(field) }}{% endfor %}", form=form))
        labelled = {label.get("for") for label in tree.iter("label")}
        controls = [e for tag in ("input", "select", "textarea") for e in tree.iter(tag) if e.get("type") != "hidden"]
        assert {control.get("id") for control in controls} <= labelled
        assert [option.get("value") for option in tree.iter("option") if option.get("selected") is not None] == ["o"]
        assert not [control for control in controls if control.get("aria-invalid")]

    def test_combobox_marks_the_select(self, environment: Environment) -> None:
        drawn = draw(
            environment, "{{ ui.field(form.role, combobox=true, attrs={'data-x': '1'}) }}", form=Registration()
        )
        (select,) = parse(drawn).iter("select")
        assert select.get("data-combobox") is not None
        assert select.get("data-x") == "1"

    def test_form_sums_up_the_errors_and_carries_the_token(self, environment: Environment) -> None:
        form = Registration(MultiDict())
        form.validate()
        source = "{% call ui.form('/x', form=form, cancel='/') %}{{ ui.field(form.name) }}{% endcall %}"
        tree = parse(draw(environment, source, form=form))
        assert [e.get("value") for e in tree.iter("input") if e.get("name") == "csrf_token"] != [""]
        assert "#name" in {link.get("href") for link in tree.iter("a")}

    def test_compound_errors_become_sentences(self, environment: Environment) -> None:
        drawn = draw(environment, "{{ ui.input('a', 'A', errors=errors) }}", errors=[["One."], {"b": ["Two."]}, []])
        assert "One. Two." in drawn


class TestLists:
    def test_changed_urls_keep_the_filters_and_drop_the_cursor(self, environment: Environment) -> None:
        drawn = draw(environment, "{{ ui.url_with(sort='-name') }}")
        assert drawn == "/customers?q=ann&amp;tag=a&amp;tag=b&amp;sort=-name"
        assert draw(environment, "{{ ui.url_with(q=None, tag=None, sort=None) }}") == "/customers"
        assert draw(environment, "{{ ui.url_with(q='a b&c', tag=None, sort=None) }}") == "/customers?q=a%20b%26c"

    def test_a_sorted_column_says_so_and_turns_round(self, environment: Environment) -> None:
        source = (
            "{% call ui.table([{'label': 'Name', 'sort': 'name'}, {'label': 'Age', 'sort': 'age'}]) %}{% endcall %}"
        )
        name, age = parse(draw(environment, source)).iter("th")
        assert name.get("aria-sort") == "ascending"
        assert age.get("aria-sort") is None
        assert name.find("a").get("href").endswith("sort=-name")
        assert age.find("a").get("href").endswith("sort=age")

    def test_the_last_page_leaves_an_empty_pager_to_swap_in(self, environment: Environment) -> None:
        assert draw(environment, "{{ ui.pager(None, rows='#rows') }}") == '<div class="pager" id="pager"></div>'
        (link,) = parse(draw(environment, "{{ ui.pager('c2', rows='#rows') }}")).iter("a")
        assert link.get("href") == link.get("hx-get")
        assert link.get("href").endswith("cursor=c2")

    def test_polling_stops_when_done(self, environment: Environment) -> None:
        assert "hx-get" in draw(environment, "{% call ui.poll('/work', 'w') %}{% endcall %}")
        assert "hx-" not in draw(environment, "{% call ui.poll('/work', 'w', done=true) %}{% endcall %}")


class TestValues:
    def test_times_are_for_machines_too(self, environment: Environment) -> None:
        (time,) = parse(draw(environment, "{{ ui.time(at) }}", at=AT)).iter("time")
        assert time.get("datetime") == "2026-11-21T12:05:00+00:00"
        assert draw(environment, "{{ ui.ago(None) }}") == '<span class="text-secondary">—</span>'

    def test_the_caller_says_which_status_has_which_tone(self, environment: Environment) -> None:
        drawn = draw(environment, "{{ ui.status('IN_PROGRESS', {'IN_PROGRESS': 'info'}) }}")
        assert "tone-info" in drawn
        assert "In progress" in drawn
        assert "tone-neutral" in draw(environment, "{{ ui.status('NEW', {}) }}")

    def test_mail_is_framed_without_any_permission(self, environment: Environment) -> None:
        (frame,) = parse(draw(environment, "{{ ui.mail_frame('Mail', html='<b>Hello</b>') }}")).iter("iframe")
        assert frame.get("sandbox") == ""
        assert frame.get("srcdoc") == "<b>Hello</b>"


class TestPages:
    def render(self, app: Flask, template: str, **context: Any) -> None:
        with app.test_request_context("/"):
            app.update_template_context(context)
            response = app.response_class(app.jinja_env.get_template(template).render(context), mimetype="text/html")
        check_page(response)  # type: ignore[arg-type]

    def test_the_catalogue_is_well_made(self, app: Flask) -> None:
        nav = [
            {
                "label": "Engage",
                "items": [{"label": "Journeys", "url": "/", "icon": "route", "active": True, "badge": 4}],
            }
        ]
        with app.test_request_context("/"):
            form = Registration()
        self.render(app, "dev/components.html", shell=SHELL, nav=nav, now=AT, form=form)

    @pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 429, 500])
    @pytest.mark.parametrize("signed_in", [True, False])
    def test_refusals_are_whole_pages(self, app: Flask, code: int, signed_in: bool) -> None:
        shell = SHELL if signed_in else None
        self.render(app, f"errors/{code}.html", shell=shell, nav=[], reason=HOSTILE, reference="5f3a")

    @pytest.mark.parametrize("layout", ["base.html", "layouts/plain.html", "layouts/canvas.html"])
    def test_layouts_send_the_token_with_every_htmx_request(self, app: Flask, layout: str) -> None:
        with app.test_request_context("/"):
            source = f"{{% extends '{layout}' %}}{{% block title %}}T{{% endblock %}}"
            drawn = app.jinja_env.from_string(source).render(shell=SHELL, nav=[])
        assert "<title>T · Fairway</title>" in drawn
        body = html5lib.parse(drawn, namespaceHTMLElements=False).find("body")
        assert re.fullmatch(r'\{"X-CSRFToken": ?"[^"]+"\}', body.get("hx-headers:inherited"))
