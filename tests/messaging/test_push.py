"""Web Push: encrypted for one browser, signed by us, to a push service that decrypts what it got with its own code."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import text

from app.content import service as content
from app.customers import contact_points
from app.infra.db import transaction
from app.infra.errors import Invalid
from app.infra.ids import new_id
from app.mailbox import queries as mailbox
from app.messaging import accounts, devices, suppression, web_push
from app.messaging.links import preferences_url
from app.messaging.tokens import PreferencesLink, read_click
from app.messaging.web_push import BadSubscription, Subscription, decoded, encoded
from tests.messaging.conftest import NOON, Mailer, MakeCustomer
from tests.page_client import PageClient
from tests.segments.receiver import Receiver, Told, receiving

# RFC 8291, section 5.
WORDS = b"When I grow up, I want to be a watermelon"
THEIR_PRIVATE = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
THEIR_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SECRET = "BTBZMqHH6r4Tts7J_aSIgg"
OUR_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
SEALED = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
    "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def given(endpoint: str, key: str, secret: str = SECRET) -> str:
    return json.dumps({"endpoint": endpoint, "keys": {"p256dh": key, "auth": secret}})


def test_it_encrypts_as_the_rfc_does() -> None:
    to = Subscription("https://push.example/x", THEIR_PUBLIC, SECRET)
    assert encoded(web_push.encrypt(WORDS, to, salt=decoded(SALT), private=OUR_PRIVATE)) == SEALED


class Browser:
    """A browser: its keys, and its own reading of what comes."""

    def __init__(self, endpoint: str) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        self.public = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
        self.secret = b"0123456789abcdef"
        self.endpoint = endpoint

    @property
    def subscription(self) -> str:
        keys = {"p256dh": encoded(self.public), "auth": encoded(self.secret)}
        return json.dumps({"endpoint": self.endpoint, "expirationTime": None, "keys": keys})

    def read(self, body: bytes) -> Any:
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        assert len(body) - 21 - length <= size
        point, sealed = body[21 : 21 + length], body[21 + length :]
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)

        def derive(secret: bytes, salt: bytes, about: bytes, length: int) -> bytes:
            return HKDF(hashes.SHA256(), length, salt, about).derive(secret)

        shared = self.private.exchange(ec.ECDH(), theirs)
        secret = derive(shared, self.secret, b"WebPush: info\x00" + self.public + point, 32)
        key = derive(secret, salt, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = derive(secret, salt, b"Content-Encoding: nonce\x00", 12)
        plain = AESGCM(key).decrypt(nonce, sealed, None)
        assert plain.endswith(b"\x02")
        return json.loads(plain[:-1])

    def can_read(self, body: bytes) -> bool:
        try:
            self.read(body)
        except InvalidTag:
            return False
        return True


def signed_by(told: Told, origin: str) -> str:
    """Return the public key by which a request is signed for this origin."""
    scheme, _, rest = told.headers["authorization"].partition(" ")
    parts = dict(one.strip().split("=", 1) for one in rest.split(","))
    assert scheme == "vapid"
    raw = decoded(parts["k"])
    key = ECKey.import_key(
        {"kty": "EC", "crv": "P-256", "x": encoded(raw[1:33]), "y": encoded(raw[33:])}  # type: ignore[dict-item]
    )
    claims = jwt.decode(parts["t"], key, algorithms=["ES256"]).claims
    assert (claims["aud"], claims["sub"]) == (origin, "mailto:desk@club.example")
    return parts["k"]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tenant: Any) -> Iterator[Receiver]:
    """A push service that Fairway may reach, and the channel switched on."""
    with receiving(monkeypatch) as found:
        switch_on(tenant.id)
        yield found


def switch_on(tenant_id: UUID, carrier: str = "provider") -> None:
    settings = {"contact": "desk@club.example"}
    accounts.save(tenant_id=tenant_id, channel_name="PUSH", carrier=carrier, settings=settings, actor="system")


@pytest.fixture
def pusher(tenant: Any) -> Mailer:
    made = content.create(
        tenant_id=tenant.id,
        name="Tee",
        channel="PUSH",
        subject="Tee off, {{ customer.first_name }}",
        text="At nine ⛳",
        parameters={"url": "https://club.example/t/{{ customer.first_name }}", "icon": "https://club.example/i.png"},
    )
    return Mailer(tenant.id, made.id)


def give(tenant_id: UUID, customer_id: UUID, browser: Browser) -> None:
    devices.add(link=PreferencesLink(tenant_id, customer_id, new_id()), given=browser.subscription)


def put(pusher: Mailer, *people: UUID, **more: Any) -> list[UUID]:
    return pusher.put(*people, channel_name="PUSH", **more)


LATER = timedelta(days=3650)
"""The yes is given by the clock of now, the messages are put by that of the tests."""


def test_a_device_gets_what_only_it_can_read(
    pusher: Mailer, customer: MakeCustomer, tenant: Any, service: Receiver
) -> None:
    ann = customer(email_opt_in=False)
    browser = Browser(f"{service.origin}/send/1")
    give(tenant.id, ann, browser)
    service.answer(201)
    [message] = put(pusher, ann)
    pusher.send(LATER)
    assert pusher.fate(message) == ("sent", None)
    [told] = service.told
    shown = browser.read(told.body)
    assert (shown["title"], shown["body"], shown["icon"]) == (
        "Tee off, Ann",
        "At nine ⛳",
        "https://club.example/i.png",
    )
    clicked = read_click(shown["url"].rpartition("/")[2])
    assert (clicked.message_id, clicked.url) == (message, "https://club.example/t/Ann")
    assert signed_by(told, service.origin) == devices.key_for_browsers(tenant_id=tenant.id)
    assert told.headers["content-encoding"] == "aes128gcm"
    assert int(told.headers["ttl"]) > 0
    with transaction(tenant.id) as session:
        proof = session.execute(text("SELECT channel, opted_in, how, wording FROM consent_change")).one()
    assert tuple(proof) == ("PUSH", True, "preference_page", "Get notifications on this device")


@pytest.mark.parametrize(
    ("status", "fate", "dead"),
    [
        (201, ("sent", None), False),
        (404, ("failed", "refused"), True),
        (410, ("failed", "refused"), True),
        (413, ("failed", "refused"), False),
        (429, ("queued", "temporary_failure"), False),
        (403, ("queued", "temporary_failure"), False),
        (500, ("unknown", "no_answer"), False),
    ],
)
def test_what_an_answer_comes_to(
    pusher: Mailer,
    customer: MakeCustomer,
    tenant: Any,
    service: Receiver,
    status: int,
    fate: tuple[str, str | None],
    dead: bool,
) -> None:
    ann = customer(email_opt_in=False)
    old = Browser(f"{service.origin}/old")
    give(tenant.id, ann, old)
    give(tenant.id, ann, Browser(f"{service.origin}/new"))
    service.answer(status, body=b"because")
    [message] = put(pusher, ann)
    pusher.send(LATER)
    assert pusher.fate(message) == fate
    assert len(suppression.page(tenant_id=tenant.id, channel_name="PUSH").items) == dead
    # One that is gone is not asked again; the other still is.
    service.answers.clear()
    before = len(service.told)
    [second] = put(pusher, ann, key="second")
    pusher.send(LATER + timedelta(hours=2))
    assert pusher.fate(second) == ("sent", None)
    assert old.can_read(service.told[before].body) is dead


def test_a_device_is_given_on_the_page_every_message_leads_to(
    app: Flask, client: PageClient, customer: MakeCustomer, tenant: Any, service: Receiver
) -> None:
    ann = customer()
    path = "/" + preferences_url(tenant.id, ann, new_id()).partition("://")[2].partition("/")[2]
    page = app.test_client().get(path).text
    assert "Get notifications on this device" in page
    assert (devices.key_for_browsers(tenant_id=tenant.id) or "-") in page
    form = {"subscription": Browser(f"{service.origin}/send/1").subscription}
    for _ in range(2):
        assert app.test_client().post(f"{path}/device", data=form).status_code == 204
    with transaction(tenant.id) as session:
        points = session.execute(text("SELECT kind, source, verified_how FROM contact_point")).all()
        yes = session.execute(text("SELECT push_opt_in FROM customer WHERE id = :id"), {"id": ann}).scalar_one()
    assert [tuple(one) for one in points] == [("push", "customer", "confirmed")]
    assert yes is True
    assert 'value="PUSH" checked' in app.test_client().get(path).text
    worker = app.test_client().get("/p/worker.js")
    assert worker.status_code == 200
    assert "javascript" in worker.headers["Content-Type"]
    assert app.test_client().post("/p/abc.def/device", data=form).status_code == 404


def test_the_oldest_device_goes_when_there_are_too_many(customer: MakeCustomer, tenant: Any, service: Receiver) -> None:
    ann, ben = customer(), customer()
    browsers = [Browser(f"{service.origin}/send/{number}") for number in range(devices.MAX_DEVICES + 2)]
    with transaction(tenant.id) as session:
        contact_points.add(session, tenant.id, ann, kind="push", value="an-app-s-token", actor="system", now=NOON)
    give(tenant.id, ben, browsers[0])
    for browser in browsers[:-2]:
        give(tenant.id, ann, browser)
    # The first is given again: the second is the one heard of longest ago.
    for browser in (browsers[0], *browsers[-2:]):
        give(tenant.id, ann, browser)
    left = contact_points.points(tenant_id=tenant.id, customer_id=ann)
    kept = [one.value.partition("|")[0] for one in left if one.source == devices.BY_READER]
    assert set(kept) == {one.endpoint for one in (browsers[0], *browsers[3:])}
    assert len(left) == len(kept) + 1 == devices.MAX_DEVICES + 1
    assert len(contact_points.points(tenant_id=tenant.id, customer_id=ben)) == 1


@pytest.mark.parametrize(
    "said",
    [
        "",
        "null",
        "[]",
        "{",
        '{"endpoint": "https://push.example/x"}',
        '{"endpoint": "https://push.example/x", "keys": {"p256dh": "AA", "auth": "AA"}}',
        '{"endpoint": 5, "keys": {"p256dh": 1, "auth": []}}',
        given("https://127.0.0.1/x", THEIR_PUBLIC),
        given("http://push.example/x", THEIR_PUBLIC),
        given("https://push.example/a|b", THEIR_PUBLIC),
        given("https://push.example/x", "B" + "A" * 86),
    ],
)
def test_what_is_no_subscription_is_refused(customer: MakeCustomer, tenant: Any, service: Receiver, said: str) -> None:
    with pytest.raises(Invalid):
        devices.add(link=PreferencesLink(tenant.id, customer(), new_id()), given=said)


def test_a_token_of_another_kind_is_no_address(pusher: Mailer, customer: MakeCustomer, tenant: Any) -> None:
    for wrong in ("fcm-token-4711", "a|b|c", f"https://push.example|{THEIR_PUBLIC}|short", ""):
        with pytest.raises(BadSubscription):
            web_push.read(wrong)


def test_without_a_provider_no_button_and_messages_are_kept(
    app: Flask, pusher: Mailer, customer: MakeCustomer, tenant: Any, service: Receiver
) -> None:
    ann = customer(email_opt_in=False)
    give(tenant.id, ann, Browser(f"{service.origin}/send/1"))
    switch_on(tenant.id, "mailbox")
    put(pusher, ann)
    pusher.send(LATER)
    assert not service.told
    [kept] = mailbox.list_mails(tenant_id=tenant.id, channel="PUSH").items
    assert kept.subject == "Tee off, Ann"
    said = mailbox.get(tenant_id=tenant.id, mail_id=kept.id).letter.text or ""
    assert "At nine" in said
    assert "/t/c/" in said
    switch_on(tenant.id, "none")
    path = "/" + preferences_url(tenant.id, ann, new_id()).partition("://")[2].partition("/")[2]
    assert "on this device" not in app.test_client().get(path).text


def test_the_key_stays_when_the_settings_change(tenant: Any, service: Receiver) -> None:
    before = devices.key_for_browsers(tenant_id=tenant.id)
    switch_on(tenant.id)
    assert before is not None
    assert devices.key_for_browsers(tenant_id=tenant.id) == before


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 121}, "subject"),
        ({"text": ""}, "text"),
        ({"text": "x" * 501}, "text"),
        ({"parameters": {"url": "http://club.example"}}, "parameters.url"),
        ({"parameters": {"icon": "javascript:alert(1)"}}, "parameters.icon"),
        ({"parameters": {"sound": "ping"}}, "parameters"),
        ({"parameters": {"url": "{{ customer.first_name | shout }}"}}, "parameters.url"),
    ],
)
def test_mistakes_are_told_by_field(tenant: Any, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        content.create(tenant_id=tenant.id, name="Wrong", channel="PUSH", **{"subject": "Hi", "text": "Ho"} | wrong)
    assert field in refused.value.errors


def test_it_is_written_on_a_page(client: PageClient, sign_in: Any, tenant: Any) -> None:
    sign_in("owner")
    typed = {"channel": "PUSH", "name": "Tee", "subject": "Tee off", "text": "At nine", "parameters_url": ""}
    saved = client.post("/templates/new", typed, status=302)
    assert "As a device shows it" in client.get(saved.headers["Location"]).text
    chosen = {"carrier": "provider", "contact": "desk@club.example"}
    assert "Write it" in client.post("/settings/channels/PUSH", chosen | {"contact": ""}, status=422).text
    client.post("/settings/channels/PUSH", chosen, status=302)
    shown = client.get("/settings/channels/PUSH").text
    assert "private_key" not in shown
    assert (accounts.of(tenant_id=tenant.id, channel_name="PUSH").secret or "-") not in shown
