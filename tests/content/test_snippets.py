"""Snippets: words that templates share, by club; a change of one is in every message after it; bombs are refused."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text as sql

from app.accounts.models import Club
from app.content import preview, service, snippet_queries, snippets
from app.content import snippet_service as acts
from app.content.letters import LetterProblem, LetterSource
from app.content.snippets import Words
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from tests.page_client import ApiClient, PageClient

HERE = {"timezone": "Africa/Johannesburg", "country": "ZA", "locale": "en_ZA", "currency": "ZAR"}


def snippet(tenant: Any, key: str = "footer", html: str = "<p>Two Oceans</p>", **more: Any) -> Any:
    return acts.create(tenant_id=tenant.id, key=key, name=key.title(), html=html, **more)


def template(tenant: Any, html: str = '<p>Hello</p>{% snippet "footer" %}', **more: Any) -> Any:
    return service.create(tenant_id=tenant.id, name="Welcome", subject="Hi", html=html, **more)


def shown(tenant: Any, source: LetterSource, customer_id: Any = None) -> Any:
    letter, problems = preview.preview(tenant_id=tenant.id, tenant_name="Links", source=source, customer_id=customer_id)
    assert letter is not None, problems
    return letter


def test_a_snippet_stands_in_each_part_of_a_letter(tenant: Any) -> None:
    snippet(tenant, html="<p>Call {{ club.name }}<br>now</p>")
    snippet(tenant, key="sign", html="<p>x</p>", text="-- Ann")
    source = LetterSource("Hi", '{% snippet "footer" %}', "{%- snippet 'footer' -%}\n{% snippet \"sign\" %}")
    letter = shown(tenant, source)
    assert "<p>Call Links<br>now</p>" in letter.html
    assert letter.text.startswith("Call Links\nnow\n-- Ann")


def test_a_clubs_own_words_come_before_everybodys(tenant: Any) -> None:
    club, ann = new_id(), new_id()
    with transaction(tenant.id) as session:
        session.add(Club(tenant_id=tenant.id, id=club, name="Devon", **HERE))
        session.flush()
        session.add(Customer(tenant_id=tenant.id, id=ann, first_name="Ann", club_id=club))
    snippet(tenant)
    snippet(tenant, html="<p>Devon Valley</p>", club_id=club)
    source = LetterSource("Hi", '{% snippet "footer" %}', None)
    assert "Two Oceans" in shown(tenant, source).html
    assert "Devon Valley" in shown(tenant, source, ann).html
    with pytest.raises(Invalid, match="already"):
        snippet(tenant, club_id=club)
    with pytest.raises(Invalid, match="already"):
        snippet(tenant)


def test_circles_are_refused_whoever_closes_them(tenant: Any) -> None:
    snippet(tenant, "a", "<p>a</p>")
    snippet(tenant, "b", '{% snippet "a" %}')
    third = snippet(tenant, "c", '{% snippet "b" %}')
    for key, html in (("a", '{% snippet "a" %}'), ("a", '{% snippet "c" %}')):
        first = next(one for one in snippet_queries.page(tenant_id=tenant.id).items if one.key == key)
        with pytest.raises(Invalid, match="can't stand in itself"):
            acts.update(tenant_id=tenant.id, snippet_id=first.id, changes={"html": html})
    acts.archive(tenant_id=tenant.id, snippet_id=third.id)
    first = next(one for one in snippet_queries.page(tenant_id=tenant.id).items if one.key == "a")
    with pytest.raises(Invalid, match="no snippet called 'c'"):
        acts.update(tenant_id=tenant.id, snippet_id=first.id, changes={"html": '{% snippet "c" %}'})


def test_a_circle_that_stands_all_the_same_ends(tenant: Any) -> None:
    known = {"a": Words('{% snippet "b" %}', None), "b": Words('{% snippet "a" %}', None)}
    with pytest.raises(LetterProblem, match="without end"):
        snippets.fill(LetterSource("x", '{% snippet "a" %}', None), known)


def test_snippets_that_multiply_are_refused_before_they_do(tenant: Any) -> None:
    for level in range(7):
        words = "x" * 50 if level == 0 else f'{{% snippet "s{level - 1}" %}}' * 40
        if level < 3:
            snippet(tenant, f"s{level}", words)
    with pytest.raises(Invalid, match="longer than"):
        snippet(tenant, "s3", '{% snippet "s2" %}' * 40)
    # Of tags alone, which come to nothing, there is an end too.
    known = {f"s{level}": Words(f'{{% snippet "s{level - 1}" %}}' * 1000, "") for level in range(1, 9)}
    with pytest.raises(LetterProblem, match="longer than"):
        snippets.fill(LetterSource("x", '{% snippet "s8" %}', None), known | {"s0": Words("", "")})


def test_secrets_and_files_are_as_far_as_from_templates(tenant: Any) -> None:
    for html in ("{% include 'x' %}", "{% render '../config' %}", "{{ customer | frob }}", "{% snippet footer %}"):
        with pytest.raises(Invalid):
            snippet(tenant, html=html)
    made = snippet(tenant, html="{{ customer.__class__ }}{{ self }}{{ config.SECRET_KEY }}-")
    assert shown(tenant, LetterSource("x", '{% snippet "footer" %}', None)).html.startswith("-")
    assert made.version == 1


def test_a_template_cannot_name_what_is_not_there(tenant: Any, client: PageClient, sign_in: Any) -> None:
    with pytest.raises(Invalid, match="Line 2: There is no snippet called 'header'"):
        template(tenant, html='<p>x</p>\n{% snippet "header" %}')
    snippet(tenant, html="<p>{{ club.name }}</p>")
    made = template(tenant)
    sign_in("marketer")
    assert "footer" in client.get(f"/templates/{made.id}").text
    assert "{% snippet &#34;footer&#34; %}" in client.get(f"/templates/{made.id}/edit").text


def test_what_is_named_is_not_put_away(tenant: Any, client: PageClient, sign_in: Any) -> None:
    footer = snippet(tenant)
    made = template(tenant)
    with pytest.raises(acts.SnippetInUse, match="template “Welcome”"):
        acts.archive(tenant_id=tenant.id, snippet_id=footer.id)
    sign_in("marketer")
    assert "Welcome" in client.get(f"/templates/snippets/{footer.id}").text
    client.post(f"/templates/snippets/{footer.id}/archive", {}, status=302)
    assert "used by template “Welcome”" in client.get(f"/templates/snippets/{footer.id}").text
    service.update(tenant_id=tenant.id, template_id=made.id, changes={"html": "<p>Hello</p>"})
    client.post(f"/templates/snippets/{footer.id}/archive", {}, status=302)
    assert "Archived" in client.get(f"/templates/snippets/{footer.id}").text
    # A run that began before goes on with the version it was made of.
    assert "Two Oceans" in shown(tenant, LetterSource("x", '{% snippet "footer" %}', None)).html


def test_lines_of_plain_words_stay_lines(tenant: Any, client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    words = "Two Oceans Golf\r\n{% if customer.title %}\r\n\r\nTom & Jerry {{ club.name }}\r\n{% endif %}\r\nbye\r\n"
    form = {"key": "footer", "name": "Footer", "html": words, "club_id": ""}

    def said() -> str:
        return snippet_queries.get(tenant_id=tenant.id, snippet_id=made).html

    where = client.post("/templates/snippets/new", form, status=302).headers["Location"]
    made = UUID(where.rpartition("/")[2])
    kept = "Two Oceans Golf<br>\n{% if customer.title %}\n<br>\nTom & Jerry {{ club.name }}<br>\n{% endif %}\nbye"
    assert said() == kept
    # Who opens it again finds words, and lines added to them stay lines too.
    written, _, looked_at = client.get(where).text.partition('id="preview"')
    assert "&lt;br&gt;" not in written
    assert "Two Oceans Golf&lt;br&gt;" in looked_at
    more = {"name": "Footer", "html": f"{snippets.without_breaks(kept)}\r\nand hello", "version": "1"}
    client.post(where, more, status=302)
    assert said() == f"{kept}<br>\nand hello"
    client.post(where, {"name": "Footer", "html": "<p>a\nb</p>", "version": "2"}, status=302)
    assert said() == "<p>a\nb</p>"
    assert snippets.without_breaks("a<br>\nb\nc") == "a<br>\nb\nc"


def test_a_snippet_is_looked_at_before_it_is_saved(tenant: Any, client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    snippet(tenant, html="<b>Two Oceans</b>")
    assert "Write what it says above." in client.get("/templates/snippets/new").text

    def looked_at(html: str, text: str = "") -> str:
        given = {"key": "sign", "name": "", "html": html, "text": text}
        return client.post("/templates/snippets/preview", given, htmx=True).text

    shown = looked_at('Kind regards,\nthe team of {{ club.name }}\n{% snippet "footer" %}')
    assert "Kind regards,&lt;br&gt;\nthe team of Cape Links" in shown
    assert "&lt;b&gt;Two Oceans&lt;/b&gt;" in shown
    assert "unsubscribe" not in shown.lower()
    assert "-- Ann" in looked_at("<p>Ann</p>", "-- Ann")
    for wrong in ("{{ club.name", '{% snippet "nothing" %}'):
        assert "Not readable yet" in looked_at(wrong)
    assert len(snippet_queries.page(tenant_id=tenant.id).items) == 1
    client.post("/templates/snippets/preview", {"html": "x"}, status=302)
    sign_in("viewer")
    client.post("/templates/snippets/preview", {"html": "x"}, htmx=True, status=403)


def test_a_snippet_is_written_changed_compared_and_restored(tenant: Any, client: PageClient, sign_in: Any) -> None:
    sign_in("marketer")
    assert "No snippets yet" in client.get("/templates/snippets").text
    bad = client.post("/templates/snippets/new", {"key": "Foo Bar", "name": "", "html": "{{ oops"}, status=422).text
    assert "Use small letters" in bad
    assert "{{ oops" in bad
    form = {"key": "footer", "name": "Footer", "html": "<p>Monday</p>", "club_id": ""}
    where = client.post("/templates/snippets/new", form, status=302).headers["Location"]
    [version] = re.findall(r'name="version" value="(\d+)"', client.get(where).text)
    client.post(where, {"name": "Footer", "html": "<p>Friday</p>", "version": version}, status=302)
    late = client.post(where, {"name": "Footer", "html": "<p>Sunday</p>", "version": version}, status=409).text
    assert "saved this snippet while you were changing it" in late
    assert "&lt;p&gt;Sunday" in late
    assert "<mark>Friday</mark>" in late
    assert "<mark>Monday</mark>" in client.get(f"{where}/versions/2").text
    client.post(f"{where}/versions/1/restore", {}, status=302)
    text = client.get(where).text
    assert "Says again what version 1 said." in text
    assert "&lt;p&gt;Monday" in text
    assert "footer" in client.get("/templates/snippets?q=foo").text
    sign_in("viewer")
    client.get(where)
    client.post(where, {"name": "x", "html": "y"}, status=403)


def test_snippets_over_the_api(api: ApiClient) -> None:
    made = api.post("/snippets", {"key": "footer", "name": "Footer", "html": "<p>One</p>"}).get_json()
    one = f"/snippets/{made['id']}"
    assert api.patch(one, {"html": "<p>Two</p>", "version": 1}).get_json()["version"] == 2
    assert api.patch(one, {"html": "<p>Three</p>", "version": 1}).status_code == 409
    assert [item["number"] for item in api.get(f"{one}/versions").get_json()["items"]] == [2, 1]
    assert api.post(f"{one}/restore", {"version": 1}).get_json()["html"] == "<p>One</p>"
    assert api.post(f"{one}/archive", {}).get_json()["archived_at"]
    assert api.get("/snippets").get_json()["items"] == []
    assert api.get("/snippets?archived=true").get_json()["items"][0]["key"] == "footer"
    assert api.post(f"{one}/unarchive", {}).get_json()["archived_at"] is None
    assert api.patch(one, {"html": "{{ oops"}).status_code == 422


def test_every_change_raises_the_sum_that_letters_are_compiled_by(tenant: Any) -> None:
    def total() -> int:
        with transaction(tenant.id) as session:
            return int(session.scalar(sql("SELECT coalesce(sum(revision), 0) FROM snippet")))

    seen = [total()]
    footer = snippet(tenant)
    seen.append(total())
    acts.update(tenant_id=tenant.id, snippet_id=footer.id, changes={"html": "<p>x</p>"})
    seen.append(total())
    acts.archive(tenant_id=tenant.id, snippet_id=footer.id)
    seen.append(total())
    acts.unarchive(tenant_id=tenant.id, snippet_id=footer.id)
    seen.append(total())
    assert seen == sorted(set(seen))
