"""MJML into what is sent: merge tags stay as they are, mistakes have a line, nothing is included, no bomb goes off."""

from typing import Any

import pytest

from app.content import inline, mjml, preview, queries, service
from app.content.letters import LetterSource, compile_letter, render_letter
from app.content.liquid import TemplateProblem
from app.infra.errors import Invalid
from tests.page_client import ApiClient, PageClient

LETTER = """<mjml>
<mj-body>
<mj-section><mj-column>
<mj-text>{}</mj-text>{}
</mj-column></mj-section>
</mj-body>
</mjml>"""


def letter(words: str = "Hello", more: str = "") -> str:
    return LETTER.format(words, more)


def problem(source: str) -> str:
    with pytest.raises(TemplateProblem) as found:
        mjml.to_html(source)
    return str(found.value)


def test_merge_tags_come_through_unchanged() -> None:
    tags = '{{ customer.first_name | default: "there" }}{% if a < b %}x{% endif %}'
    html = mjml.to_html(letter(tags, '<mj-button href="{{ unsubscribe_url }}">Zoë &amp; I</mj-button>'))
    assert tags in html
    assert 'href="{{ unsubscribe_url }}"' in html
    assert "Zoë &amp; I" in html
    assert "max-width:600px" in html
    assert "googleapis" not in html


@pytest.mark.parametrize(
    "source, said",
    [
        ("<p>Hello</p>", "Line 1: MJML begins with <mjml>"),
        (letter("a < b"), "Line 4: A < that begins no element"),
        (letter("<p>a"), "Line 4: </mj-text> stands where </p> should"),
        (letter("<p class=red>a</p>"), "Line 4: The attributes of <p>"),
        (letter("a", "\n<mj-foo/>"), "Line 5: There is no element called mj-foo"),
        (letter("a", "\n<mj-include path='/etc/passwd'/>"), "Line 5: Nothing can be included"),
        (letter("a", "\n<MJ-INCLUDE path='/etc/passwd' type='html'/>"), "Line 5: Nothing can be included"),
        ("<mjml>\n<mj-body>", "Line 2: <mj-body> is never closed"),
        ("<mjml></mjml></mjml>", "</mjml> closes nothing"),
        (letter("<div>" * 200 + "</div>" * 200), "more than 100 deep"),
        (letter("fwtag000001x"), "keeps for itself"),
        ("<mjml><mj-body>" + "<b>" * 20_000, "more than 100 deep"),
        ("<mjml " + "a" * 50_000 + "!>", "must be written"),
        ("<mjml><mj-body>" + "x" * 500_000, "longer than"),
        ('<!DOCTYPE x [<!ENTITY a "aa">]><mjml></mjml>', "begins with <mjml>"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(source: str, said: str) -> None:
    assert said in problem(source)


def test_styles_are_written_into_elements() -> None:
    head = '<mjml><mj-head><mj-style inline="inline">.red { color: red }</mj-style></mj-head>'
    rows = "<mj-table>{% for tag in customer.tags %}<tr><td>{{ tag }}</td></tr>{% endfor %}</mj-table>"
    html = mjml.to_html(head + letter('<p class="red">a</p>', rows).removeprefix("<mjml>"))
    assert 'style="color: red;"' in html
    sent = render_letter(
        compile_letter(LetterSource("x", html, None, inlined=True)), {"customer": {"tags": ["one", "two"]}}
    ).html  # fmt: skip
    assert sent is not None
    assert sent.index("<td>one</td>") < sent.index("<td>two</td>")
    assert html.index("{% for") > html.index("<table")


def test_style_sheets_of_html_are_written_into_its_elements_and_stay() -> None:
    source = (
        "<style>p { color: red } a:hover { color: blue }</style><table>{% for x in y %}<tr><td><p>{{ x }}</p></td></tr>"
        '{% endfor %}</table><p title="{{ z }}">&nbsp;<!-- {{ c }} --></p>'
    )
    html = inline.inline_all(source)
    assert html.count('style="color: red;"') == 2
    assert "a:hover" in html
    for tag in ("{% for x in y %}", "{{ x }}", "{% endfor %}", 'title="{{ z }}"', "<!-- {{ c }} -->"):
        assert tag in html
    assert html.index("<table>") < html.index("{% for") < html.index("<td>")


@pytest.mark.parametrize(
    "html",
    [
        "<p>No sheet</p>",
        "<style>p{color:red}</style>" + "<div>" * 20_000,
        "<style>" + "p{}" * 30_000 + "</style>" + "<p>" * 900 + "<b></b>" * 2_000,
    ],
)
def test_what_cannot_be_inlined_is_left_as_it_is(html: str) -> None:
    assert inline.inline_all(html) == html


@pytest.mark.parametrize("bomb", ["<!--" * 90_000, "{{" * 200_000, "<a '" * 90_000, "<style>" * 50_000])
def test_what_is_never_closed_is_read_once(bomb: str) -> None:
    assert "color: red" in inline.inline_all("<style>p{color:red}</style><p>x</p>" + bomb)


def test_no_style_sheet_is_fetched_or_read(tmp_path: Any) -> None:
    sheet = tmp_path / "x.css"
    sheet.write_text("p { color: rgb(1, 2, 3) }")
    for href in (sheet, f"file://{sheet}", "http://127.0.0.1:1/x.css"):
        html = inline.inline_all(
            f'<link rel="stylesheet" href="{href}"><style>b {{}} @import "{href}";</style><p>a</p>'
        )
        assert "1, 2, 3" not in html


def test_the_preheader_comes_first_and_cannot_be_markup() -> None:
    source = LetterSource("x", '<html><body class="a"><p>Hello</p></body></html>', None, "{{ a }} <b>& more")
    sent = render_letter(compile_letter(source), {"a": "<i>"})
    assert sent.html is not None
    assert sent.html.index("&lt;i&gt; &lt;b&gt;&amp; more") < sent.html.index("Hello")
    assert sent.html.startswith('<html><body class="a"><div style="display:none')
    assert sent.text == "Hello"


def test_a_letter_in_mjml_is_compiled_when_it_is_saved(tenant: Any) -> None:
    words = "Hello {{ customer.first_name }}"
    made = service.create(tenant_id=tenant.id, name="M", subject="Hi", editor="mjml", mjml=letter(words))
    assert words in (made.html or "")
    assert "<mj-" not in (made.html or "")
    with pytest.raises(Invalid, match="Line 4: There is no filter called 'shout'"):
        service.update(tenant_id=tenant.id, template_id=made.id, changes={"mjml": letter("{{ a | shout }}")})
    with pytest.raises(Invalid, match="Line 4: There is no snippet"):
        service.update(tenant_id=tenant.id, template_id=made.id, changes={"mjml": letter('{% snippet "x" %}')})
    service.update(tenant_id=tenant.id, template_id=made.id, changes={"mjml": letter("Bye")})
    again = service.restore(tenant_id=tenant.id, template_id=made.id, version=1)
    assert again.mjml == letter(words)
    assert words in (queries.source(tenant_id=tenant.id, template_id=made.id, version=1).html or "")


def test_the_preview_of_mjml_is_what_is_saved(tenant: Any) -> None:
    content = {"editor": "mjml", "subject": "x", "mjml": letter("Hello {{ customer.first_name }}")}
    shown, problems = preview.of_content(tenant_id=tenant.id, tenant_name="Links", content=content)
    assert shown is not None, problems
    assert "Hello Alex" in (shown.html or "")
    assert shown.text.startswith("Hello Alex")
    for bad in ("{{ oops", "<p>"):
        shown, problems = preview.of_content(
            tenant_id=tenant.id, tenant_name="Links", content=content | {"mjml": letter(bad)}
        )
        assert shown is None
        assert list(problems) == ["mjml"]


def test_each_way_of_writing_has_its_editor(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("marketer")
    assert "&lt;mj-section" in client.get("/templates/new?editor=mjml").text
    form = {"name": "M", "subject": "Hi", "preheader": "News", "editor": "mjml", "mjml": letter("Hello"), "text": ""}
    where = client.post("/templates/new", form, status=302).headers["Location"]
    editor = client.get(where).text
    assert "&lt;mj-text&gt;Hello" in editor
    assert 'name="html"' not in editor
    assert "Made from the letter, since none is written." in editor
    broken = client.post(where, form | {"mjml": letter("<p>"), "version": "1"}, status=422).text
    assert "stands where &lt;/p&gt; should" in broken
    shown = client.post("/templates/preview", form, htmx=True, status=200).text
    assert "Hello" in shown
    plain = {"name": "P", "subject": "Hi", "editor": "plain", "text": "Hello {{ club.name }}"}
    where = client.post("/templates/new", plain, status=302).headers["Location"]
    assert 'name="mjml"' not in client.get(where).text
    assert "Write the letter." in client.post(where, plain | {"text": " ", "version": "1"}, status=422).text


def test_mjml_over_the_api(api: ApiClient) -> None:
    made = api.post("/templates", {"name": "M", "subject": "Hi", "mjml": letter("Hello")}).get_json()
    assert (made["editor"], "Hello" in made["html"]) == ("mjml", True)
    one = f"/templates/{made['id']}"
    assert list(api.patch(one, {"html": "<p>x</p>"}).get_json()["errors"]) == ["html"]
    turned = api.patch(one, {"editor": "html", "html": "<p>x</p>"}).get_json()
    assert (turned["editor"], turned["html"], turned["mjml"]) == ("html", "<p>x</p>", None)
    assert api.get(f"{one}/versions/1").get_json()["mjml"] == letter("Hello")
    assert list(api.patch(one, {"editor": "word"}).get_json()["errors"]) == ["editor"]


def _column(inner: str, head: str = "") -> str:
    return f"<mjml>{head}<mj-body>\n<mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (_column("<mj-carousel>" + "<mj-carousel-image/>" * 21 + "</mj-carousel>"), "at most 20"),
        (_column(("<mj-carousel>" + "<mj-carousel-image/>" * 16 + "</mj-carousel>") * 4), "at most 20"),
        (
            _column(f'<mj-social color="{"a" * 90_000}">' + "<mj-social-element/>" * 900 + "</mj-social>"),
            "<mj-social-element>",
        ),
        (
            _column(
                "<mj-text></mj-text>" * 900,
                f'<mj-head><mj-attributes><mj-all color="{{{{ {"a" * 90_000} }}}}"/></mj-attributes></mj-head>',
            ),
            "mj-attributes",
        ),
    ],
)
def test_what_would_grow_without_measure_is_not_compiled(source: str, said: str) -> None:
    with pytest.raises(TemplateProblem, match=said) as caught:
        mjml.to_html(source)
    assert caught.value.line


def test_a_carousel_of_twenty_images_is_compiled() -> None:
    html = mjml.to_html(_column("<mj-carousel>" + '<mj-carousel-image src="x.png"/>' * 20 + "</mj-carousel>"))
    assert html.count("x.png") >= 20
