"""Sending domains: proven by their key in the DNS, and then letters are from them and carry a signature that holds."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID, uuid4

import dkim as dkimpy
import pytest
from sqlalchemy import text

from app.infra import config
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.messaging import dkim, dns_check, sending_domains
from app.messaging.dns_check import State
from app.messaging.models import SendingDomain
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.messaging.names import Names, answering
from tests.messaging.sink import Letter, Sink
from tests.page_client import ApiClient, PageClient

ACTOR = "user:00000000-0000-0000-0000-000000000001"
DOMAIN = "news.club.example"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    with answering(Names()) as served:
        monkeypatch.setenv("DNS_SERVERS", f"127.0.0.1:{served.port}")
        config.load.cache_clear()
        yield served
    monkeypatch.undo()
    config.load.cache_clear()


@pytest.fixture(scope="module")
def key(databases: Any) -> tuple[UUID, str, str]:
    """One key for all tests: it takes a while to make one."""
    tenant_id = uuid4()
    return tenant_id, *dkim.make_key(tenant_id)


@pytest.fixture
def domain(tenant: Any) -> SendingDomain:
    return sending_domains.add(tenant_id=tenant.id, name=DOMAIN, actor=ACTOR, now=NOON)


def publish(names: Names, one: SendingDomain) -> None:
    for record, _ in sending_domains.records(one):
        names.put(record.name, record.type, record.value)


def states(one: SendingDomain) -> dict[str, State]:
    return {record.kind: found.state for record, found in sending_domains.records(one) if found}


def holds(raw: bytes, public_key: str) -> bool:
    def txt(_name: bytes, timeout: int = 5) -> bytes:
        return f"v=DKIM1; k=rsa; p={public_key}".encode()

    return bool(dkimpy.verify(raw, dnsfunc=txt))


def refolded(raw: bytes) -> bytes:
    """Return a letter as a relay may pass it on: headers folded anew, blanks doubled, its own trace on top."""
    head, _, body = raw.partition(b"\r\n\r\n")
    fields = [re.sub(rb"\r\n[ \t]+", b" ", one) for one in re.split(rb"\r\n(?![ \t])", head)]
    folded = [re.sub(rb"(?<=[,;]) ", b"\r\n\t ", one) for one in fields]
    loose = body.replace(b" the ", b"  the ").replace(b"</p>\r\n", b"</p> \r\n") + b"\r\n\r\n"
    return b"\r\n".join([b"Received: from a by b; Fri, 20 Nov 2026 12:00:00 +0000", *folded]) + b"\r\n\r\n" + loose


def test_a_domain_is_proven_by_its_key(names: Names, tenant: Any, domain: SendingDomain) -> None:
    found = sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    assert found.proven_at is None
    assert states(found) == {"dkim": State.MISSING, "spf": State.MISSING, "dmarc": State.MISSING}
    publish(names, domain)
    found = sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    assert found.proven_at == found.checked_at == NOON
    assert set(states(found).values()) == {State.RIGHT}
    names.records.clear()
    found = sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    assert found.proven_at is None


@pytest.mark.parametrize("trouble", ["silent", "failing"])
def test_name_servers_that_do_not_answer_take_nothing_away(
    names: Names, tenant: Any, domain: SendingDomain, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(names, domain)
    sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    monkeypatch.setattr(dns_check, "SECONDS", 0.2)
    setattr(names, trouble, True)
    found = sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    assert set(states(found).values()) == {State.SILENT}
    assert found.proven_at == NOON


def test_what_is_wrong_with_a_record_is_said(names: Names, tenant: Any, domain: SendingDomain) -> None:
    publish(names, domain)
    names.put(f"{domain.selector}._domainkey.{DOMAIN}", "TXT", f"v=DKIM1; k=rsa; p={domain.public_key[:200]}")
    names.put(DOMAIN, "TXT", "v=spf1 -all", "v=spf1 mx ~all", "something else")
    names.put(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; pct=100")
    found = sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    said = {record.kind: seen.words for record, seen in sending_domains.records(found) if seen}
    assert set(states(found).values()) == {State.WRONG}
    assert "another key" in said["dkim"]
    assert "2 SPF records" in said["spf"]
    assert "names no policy" in said["dmarc"]
    names.put(DOMAIN, "TXT", "v=spf1 mx ~all")
    del names.records[f"_dmarc.{DOMAIN}", "TXT"]
    names.put("_dmarc.club.example", "TXT", "v=DMARC1; p=reject; adkim=s")
    found = sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    said = {record.kind: seen.words for record, seen in sending_domains.records(found) if seen}
    assert said["spf"] == "The SPF record does not name a:localhost: “v=spf1 mx ~all”."
    assert said["dmarc"] == "The policy is reject, by the record at _dmarc.club.example."


def test_the_key_lies_sealed_in_the_database(tenant: Any, domain: SendingDomain) -> None:
    with transaction(tenant.id) as session:
        row = session.execute(text("SELECT * FROM sending_domain")).one()
    assert "PRIVATE KEY" not in str(row)
    assert row.sealed_key.count(".") == 4


@pytest.mark.parametrize(
    "name", ["", "club", "club example", "x.1", "-a.example", "a..example", "a" * 250 + ".example"]
)
def test_only_domains_are_taken(tenant: Any, name: str) -> None:
    with pytest.raises(Invalid):
        sending_domains.add(tenant_id=tenant.id, name=name, actor=ACTOR)


def test_a_domain_is_there_once_and_goes_when_nobody_sends_from_it(tenant: Any, domain: SendingDomain) -> None:
    with pytest.raises(Invalid, match="already"):
        sending_domains.add(tenant_id=tenant.id, name=" NEWS.club.example. ", actor=ACTOR)
    sender = sending_domains.set_sender(
        tenant_id=tenant.id, name="The club", address=f"hello@{DOMAIN}", club_id=None, actor=ACTOR
    )
    with pytest.raises(sending_domains.HasSenders):
        sending_domains.remove(tenant_id=tenant.id, domain_id=domain.id, actor=ACTOR)
    sending_domains.remove_sender(tenant_id=tenant.id, sender_id=sender, actor=ACTOR)
    sending_domains.remove(tenant_id=tenant.id, domain_id=domain.id, actor=ACTOR)
    assert sending_domains.domains(tenant_id=tenant.id) == []


def sent_one(mailer: Mailer, customer: MakeCustomer, sink: Sink, **fields: Any) -> Letter:
    mailer.put(customer(**fields), key=uuid4().hex)
    mailer.send()
    return sink.letters[-1]


def test_letters_are_from_the_sender_of_the_club_once_its_domain_is_proven(
    names: Names, tenant: Any, domain: SendingDomain, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    with transaction(tenant.id) as session:
        club = session.execute(
            text(
                "INSERT INTO club (tenant_id, name, country, timezone, locale, currency)"
                " VALUES (:t, 'Bay Links', 'ZA', 'Africa/Johannesburg', 'en-ZA', 'ZAR') RETURNING id"
            ),
            {"t": tenant.id},
        ).scalar_one()
    for name, of in (("All Clubs", None), ("Zoë of “Bay Links”", club)):
        sending_domains.set_sender(tenant_id=tenant.id, name=name, address=f"news@{DOMAIN}", club_id=of, actor=ACTOR)
    before = sent_one(mailer, customer, sink)
    assert before.mail["From"].addresses[0].addr_spec == "no-reply@fairway.example"
    assert before.mail["DKIM-Signature"] is None
    publish(names, domain)
    sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    ours = sent_one(mailer, customer, sink)
    theirs = sent_one(mailer, customer, sink, club_id=club)
    assert str(ours.mail["From"]) == f"All Clubs <news@{DOMAIN}>"
    assert theirs.mail["From"].addresses[0].display_name == "Zoë of “Bay Links”"
    for letter in (ours, theirs):
        assert holds(letter.body, domain.public_key)
        assert holds(refolded(letter.body), domain.public_key)
        covered = re.search(r"h=([^;]+);", letter.mail["DKIM-Signature"])[1]  # type: ignore[index]
        assert {"from", "list-unsubscribe", "list-unsubscribe-post"} <= set(re.sub(r"\s", "", covered).split(":"))


SAID_OF_LEAVING = {
    "List-Unsubscribe": b"<https://evil.example/u>",
    "List-Unsubscribe-Post": b"List-Unsubscribe=Two-Clicks",
    "List-Id": b"<other.example>",
    "Reply-To": b"evil@evil.example",
    "Subject": b"Another",
    "To": b"other@example.com",
    "Date": b"Fri, 20 Nov 2020 12:00:00 +0000",
}


def test_a_relay_may_fold_a_letter_and_nobody_may_change_how_one_leaves_it(
    names: Names,
    tenant: Any,
    domain: SendingDomain,
    mailer: Mailer,
    customer: MakeCustomer,
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INBOUND_DOMAIN", "in.fairway.example")
    config.load.cache_clear()
    publish(names, domain)
    sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    sending_domains.set_sender(
        tenant_id=tenant.id, name="The club", address=f"news@{DOMAIN}", club_id=None, actor=ACTOR
    )
    letter = sent_one(mailer, customer, sink, first_name="Zoë " * 60)
    assert "mailto:" in letter.mail["List-Unsubscribe"]
    relayed = refolded(letter.body)
    assert relayed.partition(b"\r\n\r\n")[0].count(b"\r\n\t ") > 3
    for raw in (letter.body, relayed, refolded(relayed)):
        assert holds(raw, domain.public_key)
    listed = re.search(r"h=([^;]+);", letter.mail["DKIM-Signature"])
    assert listed
    covered = set(re.sub(r"\s", "", listed[1]).split(":"))
    assert {name.lower() for name in (*SAID_OF_LEAVING, "From", "Message-ID", "Content-Type")} <= covered
    for name, other in SAID_OF_LEAVING.items():
        field = re.compile(rb"(?m)^%b: ?(?:.+|\r\n[ \t])+?\r\n(?![ \t])" % name.encode())
        assert len(field.findall(letter.body)) == 1, name
        assert not holds(field.sub(b"%b: %b\r\n" % (name.encode(), other), letter.body), domain.public_key), name
        assert not holds(field.sub(b"", letter.body), domain.public_key), name
    for name in ("From", "To", "Subject", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert not holds(b"%b: x@evil.example\r\n" % name.encode() + letter.body, domain.public_key), name


LETTERS = [
    b"From: a@club.example\r\nSubject: x\r\n\r\n",
    b"From: a@club.example\r\nSubject: x\r\n\r\n\r\n\r\n",
    b"From: a@club.example\r\nSubject: x\r\n\r\nHello\r\n.\r\n..\r\n\r\n\r\n",
    b"From: A  B <a@club.example>\r\nSubject: =?utf-8?B?eA==?=\r\n =?utf-8?B?eQ==?=\r\nTo:b@example.com\r\n"
    b"\r\n \t a  b \r\n",
    b"From: a@club.example\r\nList-Unsubscribe: <https://club.example/u/"
    + b"x" * 300
    + b">\r\n\r\nlast line is blank\r\n \r\n",
]


@pytest.mark.parametrize("raw", LETTERS)
def test_every_signature_holds_and_breaks_with_the_letter(raw: bytes, key: tuple[UUID, str, str]) -> None:
    tenant_id, sealed, public = key
    made = dkim.signed(raw, dkim.Signing(tenant_id, "club.example", "fw1", sealed), 1_795_262_400)
    assert holds(made, public)
    assert made.endswith(raw)
    assert max(map(len, made.partition(b"\r\nFrom")[0].split(b"\r\n"))) <= 78 + len("club.example")
    assert holds(made.replace(b"From: ", b"from:  ", 1), public)
    assert not holds(made.replace(b"a@club", b"z@club", 1), public)
    assert not holds(made + b"more\r\n", public)
    assert not holds(b"Subject: another\r\n" + made, public)
    assert not holds(b"From: other@club.example\r\n" + made, public)
    assert message_from_bytes(made, policy=policy.SMTP)["From"].addresses[0].addr_spec == "a@club.example"


def test_a_key_that_can_not_be_read_keeps_letters_back(
    names: Names, tenant: Any, domain: SendingDomain, mailer: Mailer, customer: MakeCustomer, sink: Sink
) -> None:
    publish(names, domain)
    sending_domains.check(tenant_id=tenant.id, domain_id=domain.id, now=NOON)
    sending_domains.set_sender(
        tenant_id=tenant.id, name="The club", address=f"hello@{DOMAIN}", club_id=None, actor=ACTOR
    )
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE sending_domain SET sealed_key = 'a.b.c.d.e'"))
    [message] = mailer.put(customer())
    mailer.send()
    assert mailer.fate(message) == ("queued", "temporary_failure")
    assert "ENCRYPTION_KEYS" in mailer.row(message).response
    assert sink.letters == []


def test_staff_add_a_domain_see_its_records_and_have_them_checked(
    client: PageClient, sign_in: Any, names: Names, tenant: Any
) -> None:
    sign_in()
    page = client.get("/settings/sending")
    assert "No sending domain yet" in page.text
    refused = client.post("/settings/sending/new", data={"domain": "not a domain"})
    assert refused.status_code == 422
    assert "Write a domain of yours" in refused.text
    assert "not a domain" in refused.text
    shown = client.post("/settings/sending/new", data={"domain": DOMAIN}, follow_redirects=True)
    [one] = sending_domains.domains(tenant_id=tenant.id)
    for wanted in (
        f"{one.selector}._domainkey.{DOMAIN}",
        one.public_key,
        "v=spf1 a:localhost ~all",
        "v=DMARC1; p=none",
    ):
        assert wanted in shown.text
    publish(names, one)
    checked = client.post(f"/settings/sending/{one.id}/check", follow_redirects=True)
    assert "The key is there." in checked.text
    added = client.post(
        "/settings/sending/senders",
        data={"name": "Bay Links", "address": f"news@{DOMAIN}", "club_id": ""},
        follow_redirects=True,
    )
    assert f"news@{DOMAIN}" in added.text
    wrong = client.post("/settings/sending/senders", data={"name": "", "address": "a@other.example", "club_id": ""})
    assert wrong.status_code == 422
    assert "other.example is not among your sending domains" in wrong.text
    kept = client.post(f"/settings/sending/{one.id}/remove", follow_redirects=True)
    assert "Remove them first" in kept.text


def test_sending_domains_over_the_api(api: ApiClient, names: Names) -> None:
    made = api.post("/sending-domains", json={"domain": DOMAIN})
    assert made.status_code == 201
    body = made.json
    assert [one["kind"] for one in body["records"]] == ["dkim", "spf", "dmarc"]
    assert "sealed_key" not in made.text
    for record in body["records"]:
        names.put(record["name"], record["type"], record["value"])
    checked = api.post(f"/sending-domains/{body['id']}/check").json
    assert checked["proven_at"]
    assert {one["state"] for one in checked["records"]} == {"right"}
    sender = api.post("/senders", json={"name": "Bay", "address": f"a@{DOMAIN}"})
    assert sender.status_code == 201
    assert api.get("/senders").json["items"][0]["address"] == f"a@{DOMAIN}"
    assert api.delete(f"/sending-domains/{body['id']}").status_code == 409
    assert api.delete(f"/senders/{sender.json['id']}").status_code == 204
    assert api.delete(f"/sending-domains/{body['id']}").status_code == 204
    assert api.get("/sending-domains").json["items"] == []
