"""Links are tried before a letter is sent: at a real server, outside of any request, and what came of it is kept."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from app.content import link_checks, links, queries, service
from app.content.letters import LetterSource
from app.content.link_checks import BROKEN, GOOD, UNSURE, Tried
from app.infra import config, networks
from tests.page_client import ApiClient, PageClient

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Site:
    """A web site that keeps what it is asked, and answers by the path: a status, or where it leads on to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.no_heads: set[str] = set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.command, self.path))
                status, onward = site.answers.get(self.path, (200, ""))
                if self.command == "HEAD" and self.path in site.no_heads:
                    status, onward = 405, ""
                self.send_response(status)
                if onward:
                    self.send_header("Location", onward)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_HEAD = do_GET  # noqa: N815 - http.server calls it by this name

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Site]:
    found = Site()
    thread = Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    # It stands on this machine, and is asked like one outside.
    monkeypatch.setenv("OUTBOUND_PORTS", str(found.server.server_port))
    monkeypatch.setattr(networks, "why_inside", lambda _: None)
    config.load.cache_clear()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()
    monkeypatch.undo()
    config.load.cache_clear()


def letter(*hrefs: str) -> LetterSource:
    return LetterSource("x", "".join(f'<a href="{one}">x</a>' for one in hrefs), None)


def work(tenant: Any, now: datetime = NOW) -> int:
    done = 0
    while more := link_checks.run_batch(tenant_id=tenant.id, now=now):
        done += more
    return done


def tried(tenant: Any, source: LetterSource) -> Tried:
    return link_checks.tried(tenant_id=tenant.id, source=source)


def test_a_letter_leads_where_its_links_do() -> None:
    html = """
        <link href="https://club.example/style.css">
        <a href=' https://club.example/book?a=1&amp;b=2#times '>Book</a> <a href="https://club.example/book?a=1&b=2">x</a>
        <a href="https://club.example/{{ customer.first_name | default: "you" }}">you</a>
        {% if customer.email %}<area href="HTTPS://club.example/map">{% endif %}
        <a href="{{ unsubscribe_url }}">out</a> <a href="mailto:pro@club.example">pro</a> <a href="#top">up</a> <a>x</a>
    """
    text = "Book at https://club.example/text. Or https://club.example/{{ club.name }}, or {{ preferences_url }}"
    found = links.written(LetterSource("x", html, text, parameters=(("url", "https://club.example/push"),)))
    assert found.fixed == (
        "https://club.example/book?a=1&b=2",
        "HTTPS://club.example/map",
        "https://club.example/text",
        "https://club.example/push",
    )
    assert found.varying == (
        'https://club.example/{{ customer.first_name | default: "you" }}',
        "https://club.example/{{ club.name }}",
    )


def test_what_an_address_answers_is_what_a_reader_would_see(site: Site) -> None:
    site.answers = {
        "/gone": (404, ""),
        "/moved": (302, "/here"),
        "/lost": (301, "/gone"),
        "/round": (302, "/round"),
        "/inside": (302, "https://10.0.0.1/"),
        "/odd": (302, "https://[::1"),
        "/down": (503, ""),
        "/members": (403, ""),
    }
    site.no_heads = {"/shy"}
    verdicts = {
        path: link_checks.try_one(site.origin + path).verdict
        for path in ("/", "/gone", "/moved", "/lost", "/round", "/inside", "/odd", "/down", "/members", "/shy")
    }
    assert verdicts == {
        "/": GOOD,
        "/gone": BROKEN,
        "/moved": GOOD,
        "/lost": BROKEN,
        "/round": UNSURE,
        "/inside": UNSURE,
        "/odd": UNSURE,
        "/down": UNSURE,
        "/members": UNSURE,
        "/shy": GOOD,
    }
    # The head is enough where it is answered.
    assert [how for how, path in site.asked if path == "/"] == ["HEAD"]
    assert [how for how, path in site.asked if path == "/shy"] == ["HEAD", "GET"]


@pytest.mark.parametrize("trusted", [False, True])
def test_nobody_is_asked_inside(site: Site, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    monkeypatch.undo()
    # Receivers that are vouched for are for what Fairway sends, and not for being knocked at by whoever writes letters.
    monkeypatch.setenv("OUTBOUND_TRUSTED", site.origin if trusted else "")
    monkeypatch.setenv("OUTBOUND_PORTS", str(site.server.server_port))
    config.load.cache_clear()
    told = link_checks.try_one(f"{site.origin}/")
    assert (told.verdict, site.asked) == (UNSURE, [])


def test_who_is_not_there_is_a_broken_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.infra.http.resolve", lambda *_: [])
    told = link_checks.try_one("http://nobody.invalid/")
    assert (told.verdict, told.said) == (BROKEN, "There is no host called nobody.invalid.")
    told = link_checks.try_one("http://nobody.example/")
    assert (told.verdict, told.said) == (UNSURE, "There is no host called nobody.example.")


def test_links_are_tried_once_for_all_letters_and_again_when_asked(tenant: Any, site: Site) -> None:
    site.answers = {"/gone": (404, "")}
    source = letter(f"{site.origin}/a", f"{site.origin}/gone", f"{site.origin}/{{{{ customer.first_name }}}}")
    before = tried(tenant, source)
    assert (before.total, before.never, before.waiting, len(before.varying)) == (2, 2, 0, 1)
    assert link_checks.ask(tenant_id=tenant.id, source=source, now=NOW) == 2
    assert tried(tenant, source).waiting == 2
    assert work(tenant) == 2
    told = tried(tenant, source)
    assert (told.tried, told.waiting, told.since) == (2, 0, NOW)
    assert [(one.severity.value, one.where) for one in told.findings] == [("problem", f"{site.origin}/gone")]

    # Another letter with the same link need not have it tried again so soon.
    link_checks.ask(tenant_id=tenant.id, source=letter(f"{site.origin}/gone"), now=NOW + timedelta(hours=2))
    assert work(tenant, NOW + timedelta(hours=2)) == 0
    site.answers = {}
    later = NOW + timedelta(hours=3)
    link_checks.ask(tenant_id=tenant.id, source=source, now=later, again=True)
    # While it is tried again, what was found before stands.
    assert [one.where for one in tried(tenant, source).findings] == [f"{site.origin}/gone"]
    assert work(tenant, later) == 2
    assert tried(tenant, source).findings == []
    link_checks.ask(tenant_id=tenant.id, source=source, now=later + timedelta(days=2))
    assert work(tenant, later + timedelta(days=2)) == 2


def test_who_dies_while_trying_leaves_it_to_the_next(tenant: Any, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    source = letter(f"{site.origin}/a")
    link_checks.ask(tenant_id=tenant.id, source=source, now=NOW)

    def dies(_: str) -> link_checks.Verdict:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("app.content.link_checks.try_one", dies)
        with pytest.raises(KeyboardInterrupt):
            link_checks.run_batch(tenant_id=tenant.id, now=NOW)
    assert work(tenant, NOW) == 0
    assert work(tenant, NOW + timedelta(minutes=2)) == 1
    assert tried(tenant, source).tried == 1


def test_a_template_says_how_far_its_links_are_tried(
    client: PageClient, sign_in: Any, tenant: Any, site: Site, api: ApiClient
) -> None:
    sign_in("marketer")
    site.answers = {"/gone": (410, "")}
    html = f'<a href="{site.origin}/gone">x</a><a href="{site.origin}/a">x</a>'
    made = service.create(tenant_id=tenant.id, name="Spring", subject="Hi", html=html)
    path = f"/templates/{made.id}"
    assert "Its 2 links have not been tried yet." in client.get(path).text
    assert "have not been tried" in client.get(f"{path}/links", htmx=True).text
    assert client.get(f"{path}/links", status=302).headers["Location"].endswith("#checks")
    client.post(f"{path}/links", status=302)
    assert "Trying the links" in client.get(path).text
    work(tenant, datetime.now(UTC))
    shown = client.get(path).text
    assert "A link is broken. It answers 410 (Gone)." in shown
    assert "1 of 2 links did not answer as it should" in shown
    # The editor knows too, before it is saved again.
    assert "A link is broken." in client.get(f"{path}/edit").text
    told = api.get(f"{path}/checks").json
    assert told["links"]["tried"] == 2
    assert "A link is broken. It answers 410 (Gone)." in [one["message"] for one in told["findings"]]
    assert api.post(f"{path}/checks/links").json["waiting"] == 2


def test_saving_in_the_editor_has_the_links_tried(client: PageClient, sign_in: Any, tenant: Any, site: Site) -> None:
    sign_in("marketer")
    html = f'<p>Hi <a href="{site.origin}/a">x</a></p>'
    client.post("/templates/new", {"name": "Spring", "subject": "Hi", "html": html, "text": ""}, status=302)
    [template] = queries.page(tenant_id=tenant.id).items
    source = queries.source(tenant_id=tenant.id, template_id=template.id)
    assert tried(tenant, source).waiting == 1
