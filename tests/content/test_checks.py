"""What is found before a letter is sent, and for how many people a merge tag is empty."""

from typing import Any

import pytest
from sqlalchemy import select

from app.content import checks, service, snippet_service
from app.content.letters import LetterSource, RenderedLetter
from app.content.merge_tags import MERGE_TAGS
from app.customers import custom_fields
from app.customers.models import Customer
from app.infra.db import transaction
from app.infra.ids import new_id
from tests.page_client import ApiClient, PageClient

WORDS = "Dear Ann, there are tee times free this week at the club, in the mornings above all, and nine holes take two."
FINE = f'<p>{WORDS} <a href="https://club.example/book">book</a> <a href="{{{{ unsubscribe_url }}}}">out</a></p>'


def found(html: str = FINE, subject: str = "Tee times this week", **more: Any) -> list[tuple[str, str]]:
    source = LetterSource(subject, html, None, more.pop("preheader", "Book now"))
    letter = RenderedLetter(subject, html.replace("{{ unsubscribe_url }}", "https://club.example/out"), WORDS, **more)
    return [(one.severity.value, one.about) for one in checks.of_letter(letter, source)]


def test_nothing_is_found_in_a_letter_that_is_right() -> None:
    assert found() == []


@pytest.mark.parametrize(
    "html, what",
    [
        ('<img src="https://club.example/a.png">', ("warning", "alt")),
        ('<img src="data:image/png;base64,xx" alt="">', ("problem", "pictures")),
        ('<img src="/static/a.png" alt="">', ("problem", "pictures")),
        ('<a href="">x</a>', ("problem", "links")),
        ('<a href="#">x</a>', ("problem", "links")),
        ('<a href="javascript:alert(1)">x</a>', ("problem", "links")),
        ('<a href="https://">x</a>', ("problem", "links")),
        ('<a href="http://[::1">x</a>', ("problem", "links")),
        ('<a href="https://www.example.com/">x</a>', ("problem", "links")),
        ('<a href="http://club.example/x">x</a>', ("hint", "links")),
        ("<script>x</script>", ("warning", "markup")),
        ('<base href="https://club.example/">', ("warning", "markup")),
        ('<meta http-equiv="Refresh" content="0;url=https://club.example/">', ("warning", "markup")),
        ("x" * 110_000, ("warning", "size")),
    ],
)
def test_each_fault_of_a_letter_is_found(html: str, what: tuple[str, str]) -> None:
    assert found(FINE + html) == [what]


@pytest.mark.parametrize(
    "subject, what",
    [
        ("", ("problem", "subject")),
        ("FREE GOLF FOR YOU", ("warning", "subject")),
        ("Come!! Now!", ("warning", "subject")),
        ("Re: your booking", ("warning", "subject")),
        ("x" * 90, ("hint", "subject")),
    ],
)
def test_each_fault_of_a_subject_is_found(subject: str, what: tuple[str, str]) -> None:
    assert found(subject=subject) == [what]


def test_what_matters_most_comes_first() -> None:
    listed = found('<img src="x"><a href="#">x</a>', preheader=None)
    assert [severity for severity, _ in listed] == sorted(
        (severity for severity, _ in listed), key=["problem", "warning", "hint"].index
    )
    assert ("hint", "unsubscribe") in listed
    assert ("hint", "preheader") in listed


def people(tenant: Any) -> list[Any]:
    ids = [new_id() for _ in range(4)]
    rows = [
        {"first_name": "Ann", "handicap_index": 4, "custom": {"size": "L"}},
        {"first_name": ""},
        {},
        {"email": None},
    ]
    with transaction(tenant.id) as session:
        for number, (key, fields) in enumerate(zip(ids, rows, strict=True)):
            fields = {"email": f"p{number}@example.com"} | fields
            session.add(Customer(tenant_id=tenant.id, id=key, **fields))
    return ids


def test_it_is_counted_who_lacks_a_value(tenant: Any) -> None:
    ids = people(tenant)
    html = (
        '{{ customer.first_name }}{{ customer.last_name | default: "x" }}{{ customer.handicap_index }}'
        "{{ customer.custom.size | upcase }}{{ customer.tags }}{{ club.name }}{% if customer.phone %}x{% endif %}"
    )
    source = LetterSource("Hi {{ customer.first_name }}", html, None)
    missing = checks.missing_values(tenant_id=tenant.id, source=source)
    assert {(one.tag, one.people, one.of) for one in missing} == {
        ("customer.first_name", 2, 3),
        ("customer.handicap_index", 2, 3),
        ("customer.custom.size", 2, 3),
    }
    only = select(Customer.id).where(Customer.tenant_id == tenant.id, Customer.id == ids[0])
    assert checks.missing_values(tenant_id=tenant.id, source=source, people=only) == []
    assert checks.missing_values(tenant_id=tenant.id, source=LetterSource("Hi", "x", None)) == []


def told(tenant: Any, html: str, **more: Any) -> list[str]:
    source = LetterSource(more.pop("subject", "Hi"), html, more.pop("text", None), more.pop("preheader", None))
    return [one.message for one in checks.unfilled(tenant_id=tenant.id, source=source, **more)]


def test_names_that_nothing_fills_in_are_told_with_what_is_like_them(tenant: Any) -> None:
    custom_fields.add(tenant_id=tenant.id, actor="system", key="shirt_size", label="Shirt size", kind="TEXT")
    html = "{{ customer.first_nam }}{% if nonsense.x %}{{ customer.custom.shirt_sise }}{% endif %}{{ club.phone }}"
    words = "{{ customer.first_nam | default: 'x' }}"
    assert sorted(told(tenant, html, subject="{{ custmer.title }}", preheader="{{ when }}", text=words)) == [
        "Nothing fills in “club.phone”. Did you mean “club.name”?",
        "Nothing fills in “custmer.title”. Did you mean “customer.title”?",
        "Nothing fills in “customer.custom.shirt_sise”. Did you mean “customer.custom.shirt_size”?",
        "Nothing fills in “customer.first_nam”. Did you mean “customer.first_name”?",
        "Nothing fills in “nonsense.x”.",
        "Nothing fills in “when”.",
    ]
    snippet_service.create(tenant_id=tenant.id, key="foot", name="Foot", html="{{ customer.frist_name }}")
    assert told(tenant, '{% snippet "foot" %}') == [
        "Nothing fills in “customer.frist_name”. Did you mean “customer.first_name”?"
    ]


@pytest.mark.parametrize(
    "html",
    [
        *(one.tag for one in MERGE_TAGS),
        "{% for tag in customer.tags %}{{ tag }}{{ forloop.index }}{% endfor %}",
        '{% assign name = customer.first_name | append: "!" %}{{ name | upcase }}{{ name.size }}',
        "{% capture all %}{{ customer.last_name }}{% endcapture %}{{ all }}",
        "{% for number in (1..3) %}{{ number | plus: 1 }}{% endfor %}{% raw %}{{ nothing.x }}{% endraw %}",
        '{{ customer["first_name"] }}{{ customer.tags[0] }}{{ customer.tags.size }}{{ customer.custom.shirt_size }}',
        "{% if customer.title == blank or customer.custom %}x{% endif %}{{ 'now' | date: '%Y' }}",
        "{{ event.course }}{{ awaited.amount }}{{ webhook.call_1.price }}{{ event }}",
        "{% if %}",
    ],
)
def test_what_may_be_filled_in_is_no_finding(tenant: Any, html: str) -> None:
    custom_fields.add(tenant_id=tenant.id, actor="system", key="shirt_size", label="Shirt size", kind="TEXT")
    assert told(tenant, html) == []


def test_no_event_is_in_a_campaign(tenant: Any) -> None:
    assert told(tenant, "{{ event.course }}{{ customer.title }}", in_campaign=True) == [
        "Nothing fills in “event.course” in a campaign."
    ]


def test_checks_stand_beside_the_preview_and_in_the_api(
    client: PageClient, sign_in: Any, tenant: Any, api: ApiClient
) -> None:
    people(tenant)
    html = '<p>Hello {{ customer.first_name }}{{ customer.nam }}</p><img src="https://club.example/<b>.png">'
    made = service.create(tenant_id=tenant.id, name="W", subject="Hi", html=html)
    sign_in("marketer")
    for path in (f"/templates/{made.id}", f"/templates/{made.id}/edit"):
        text = client.get(path).text
        assert "Nothing fills in “customer.nam”." in text
        assert "One picture has no words" in text
        assert "club.example/&lt;b&gt;.png" in text
    assert "is empty for 2 of 3 people" in client.get(f"/templates/{made.id}/missing", htmx=True).text
    client.get(f"/templates/{made.id}/missing", status=302)
    told = api.get(f"/templates/{made.id}/checks").get_json()
    assert [one["about"] for one in told["findings"][:2]] == ["alt", "names"]
    assert told["missing"] == [{"tag": "customer.first_name", "people": 2, "of": 3}]
