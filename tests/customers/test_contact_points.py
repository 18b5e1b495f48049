"""Contact points: preferred, verified, dead, shared; added and taken away by hand, kept through merges."""

from typing import Any
from uuid import UUID

import pytest

from app.capture import contacts, merging
from app.customers import consents, contact_points, queries
from app.customers.consents import Proof, State, Word
from app.customers.contact_points import AnothersId, HasAlready, Point
from app.infra.errors import Invalid
from app.messaging import double_opt_in, suppression
from app.messaging.suppression import SuppressedBecause
from app.messaging.tokens import ConfirmLink
from tests.capture.people import NOW, STAFF, event, member, owner, post, query
from tests.capture.test_unmerge import everything

LATER = NOW.replace(hour=15)


@pytest.fixture
def ann(tenant: Any) -> UUID:
    """A member with an address and a number of South Africa."""
    post(tenant, member(1, "Ann", "M1", email="ann@example.com", phone_number="082 111 1111"))
    return owner(tenant, 1)


def points(tenant: Any, customer_id: UUID) -> dict[str, Point]:
    found = contact_points.points(tenant_id=tenant.id, customer_id=customer_id)
    return {one.key: one for one in found}


def add(tenant: Any, customer_id: UUID, kind: str, value: str, **more: Any) -> UUID:
    return contacts.add(
        tenant_id=tenant.id, customer_id=customer_id, kind=kind, value=value, actor=STAFF, **({"now": NOW} | more)
    )


def remove(tenant: Any, customer_id: UUID, key: str) -> contacts.Gone:
    point = points(tenant, customer_id)[key]
    return contacts.remove(tenant_id=tenant.id, customer_id=customer_id, point_id=point.id, actor=STAFF, now=LATER)


def preferred(tenant: Any, customer_id: UUID) -> set[str]:
    return {one.key for one in points(tenant, customer_id).values() if one.preferred}


def found_by(tenant: Any, words: str) -> list[UUID]:
    return [one.id for one in queries.customers(tenant_id=tenant.id, q=words).items]


class TestAdding:
    def test_another_address_is_known_by_and_preferred_only_if_said(self, tenant: Any, ann: UUID) -> None:
        add(tenant, ann, "email", " Ann@Work.example ")
        assert preferred(tenant, ann) == {"ann@example.com", "+27821111111"}
        assert found_by(tenant, "ann@work.example") == [ann]
        post(tenant, event(2, email="ann@work.example"))
        assert owner(tenant, 2) == ann
        add(tenant, ann, "email", "ann@home.example", preferred=True, now=LATER)
        assert preferred(tenant, ann) == {"ann@home.example", "+27821111111"}
        assert queries.customer(tenant_id=tenant.id, customer_id=ann).email == "ann@home.example"
        post(tenant, event(3, email="ann@example.com", scl_member_id="M1"))
        assert "ann@home.example" in preferred(tenant, ann)

    def test_whatsapp_and_tokens_are_rows_too_the_newest_preferred(self, tenant: Any, ann: UUID) -> None:
        add(tenant, ann, "whatsapp", "082 222 2222", verified=True)
        first = add(tenant, ann, "push", "tok:1")
        add(tenant, ann, "push", "tok:2", now=LATER)
        assert preferred(tenant, ann) >= {"+27822222222", "tok:2"}
        contact_points.prefer(tenant_id=tenant.id, customer_id=ann, point_id=first, actor=STAFF, now=LATER)
        assert "tok:1" in preferred(tenant, ann)
        assert "tok:2" not in preferred(tenant, ann)
        assert points(tenant, ann)["+27822222222"].verified_how == "staff"
        assert found_by(tenant, "0822222222") == [ann]
        assert found_by(tenant, "tok:1") == []

    @pytest.mark.parametrize(
        ("kind", "value", "field"),
        [("email", "nobody", "value"), ("phone", "12", "value"), ("push", "a b", "value"), ("fax", "1", "kind")],
    )
    def test_what_is_none_is_refused(self, tenant: Any, ann: UUID, kind: str, value: str, field: str) -> None:
        with pytest.raises(Invalid) as refused:
            add(tenant, ann, kind, value)
        assert list(refused.value.errors) == [field]
        with pytest.raises(HasAlready):
            add(tenant, ann, "email", "ANN@example.com")

    def test_who_has_it_too_is_named_and_may_be_suggested(self, tenant: Any, ann: UUID) -> None:
        post(tenant, member(2, "Ann", "M2", email="ann@work.example"))
        other = owner(tenant, 2)
        add(tenant, ann, "email", "ann@work.example")
        assert points(tenant, ann)["ann@work.example"].others == ((other, "Ann Botha"),)
        pairs = query(tenant, "SELECT one_id, other_id FROM merge_suggestion WHERE status = 'open'")
        assert [{row.one_id, row.other_id} for row in pairs] == [{ann, other}]

    def test_an_id_names_one_person(self, tenant: Any, ann: UUID) -> None:
        post(tenant, member(2, "Ben", "M2", email="ben@example.com"))
        ids = {"tenant_id": tenant.id, "customer_id": ann, "actor": STAFF}
        with pytest.raises(AnothersId, match="Ben Botha’s"):
            contacts.add_id(**ids, kind="scl_member_id", value="M2")
        with pytest.raises(HasAlready):
            contacts.add_id(**ids, kind="scl_member_id", value=" M1 ")
        with pytest.raises(Invalid):
            contacts.add_id(**ids, kind="7 cards", value="")
        made = contacts.add_id(**ids, kind="loyalty_card", value="L-77")
        assert found_by(tenant, "L-77") == [ann]
        post(tenant, event(3, external_ids={"loyalty_card": "L-77"}))
        assert owner(tenant, 3) == ann
        gone = contacts.remove_id(**ids, id_=made)
        assert found_by(tenant, "L-77") == []
        contacts.give_back(**ids, gone=gone)
        assert found_by(tenant, "L-77") == [ann]


class TestTakingAway:
    def test_the_next_best_takes_its_place_and_undo_puts_it_back(self, tenant: Any, ann: UUID) -> None:
        add(tenant, ann, "email", "old@example.com", verified=True)
        add(tenant, ann, "email", "new@example.com", now=LATER)
        gone = remove(tenant, ann, "ann@example.com")
        assert "old@example.com" in preferred(tenant, ann)
        assert found_by(tenant, "ann@example.com") == []
        contacts.give_back(tenant_id=tenant.id, customer_id=ann, gone=gone, actor=STAFF, now=LATER)
        assert "ann@example.com" in preferred(tenant, ann)
        assert points(tenant, ann)["ann@example.com"].source == "event"
        contacts.give_back(tenant_id=tenant.id, customer_id=ann, gone=gone, actor=STAFF, now=LATER)

    def test_after_the_last_one_the_next_that_comes_is_preferred(self, tenant: Any, ann: UUID) -> None:
        remove(tenant, ann, "ann@example.com")
        assert queries.customer(tenant_id=tenant.id, customer_id=ann).email is None
        post(tenant, event(2, email="ann@new.example", scl_member_id="M1"))
        assert "ann@new.example" in preferred(tenant, ann)

    def test_words_that_something_else_is_found_by_stay(self, tenant: Any, ann: UUID) -> None:
        add(tenant, ann, "whatsapp", "082 111 1111")
        known = contact_points.points(tenant_id=tenant.id, customer_id=ann)
        phone = next(one for one in known if one.kind == "phone")
        contacts.remove(tenant_id=tenant.id, customer_id=ann, point_id=phone.id, actor=STAFF)
        assert found_by(tenant, "0821111111") == [ann]


def test_who_confirms_from_a_mailbox_has_verified_it(tenant: Any, ann: UUID) -> None:
    add(tenant, ann, "email", "ann@work.example")
    asked = Proof("staff", "in_person", actor=STAFF, wording="News?")
    words = [Word("EMAIL", State.PENDING)]
    consents.record(tenant_id=tenant.id, customer_id=ann, words=words, proof=asked, now=NOW)
    link = ConfirmLink(tenant.id, ann, "Ann@example.com")
    assert double_opt_in.confirm(link=link, now=LATER)
    known = points(tenant, ann)
    assert (known["ann@example.com"].verified_at, known["ann@example.com"].verified_how) == (LATER, "confirmed")
    assert known["ann@work.example"].verified_at is None


def test_staff_say_what_is_verified_and_take_it_back(tenant: Any, ann: UUID) -> None:
    point = points(tenant, ann)["ann@example.com"]
    assert point.verified_at is None
    contact_points.verify(tenant_id=tenant.id, customer_id=ann, point_id=point.id, actor=STAFF, now=NOW)
    assert points(tenant, ann)["ann@example.com"].verified_at == NOW
    contact_points.verify(tenant_id=tenant.id, customer_id=ann, point_id=point.id, verified=False, actor=STAFF)
    assert points(tenant, ann)["ann@example.com"].verified_how is None


class TestMerging:
    def test_what_either_knew_of_a_shared_address_is_known_and_comes_apart_again(self, tenant: Any, ann: UUID) -> None:
        post(tenant, member(2, "Ben", "M2", email="ben@example.com"))
        ben = owner(tenant, 2)
        add(tenant, ann, "whatsapp", "082 222 2222")
        add(tenant, ann, "whatsapp", "082 333 3333", now=LATER)
        shared = add(tenant, ben, "whatsapp", "082 222 2222", verified=True)
        contact_points.prefer(tenant_id=tenant.id, customer_id=ben, point_id=shared, actor=STAFF, now=LATER)
        before = everything(tenant)
        merged = merging.merge_customers(tenant_id=tenant.id, winner_id=ann, loser_id=ben, actor=STAFF, now=LATER)
        point = points(tenant, ann)["+27822222222"]
        assert (point.verified_at, point.preferred) == (NOW, True)
        merging.undo(tenant_id=tenant.id, merge_id=merged, actor=STAFF, now=LATER)
        after = everything(tenant)
        assert before["contact_point"] == after["contact_point"]
        assert before["customer"] == after["customer"]

    def test_what_was_verified_since_stays(self, tenant: Any, ann: UUID) -> None:
        post(tenant, member(2, "Ben", "M2", email="ben@example.com"))
        ben = owner(tenant, 2)
        add(tenant, ann, "push", "tok")
        add(tenant, ben, "push", "tok", verified=True)
        merged = merging.merge_customers(tenant_id=tenant.id, winner_id=ann, loser_id=ben, actor=STAFF, now=NOW)
        mine = points(tenant, ann)["tok"].id
        for yes in (False, True):
            contact_points.verify(
                tenant_id=tenant.id, customer_id=ann, point_id=mine, verified=yes, actor=STAFF, now=LATER
            )
        merging.undo(tenant_id=tenant.id, merge_id=merged, actor=STAFF, now=LATER)
        assert points(tenant, ann)["tok"].verified_at == LATER
        assert points(tenant, ben)["tok"].verified_at == NOW


def bounce(tenant: Any, address: str) -> None:
    suppression.suppress(
        tenant_id=tenant.id,
        addresses=[address],
        because=SuppressedBecause.HARD_BOUNCE,
        details=["550 5.1.1 <no such> user"],
    )


class TestPages:
    def test_all_is_shown_with_why_and_done_by_hand(self, client: Any, sign_in: Any, tenant: Any, ann: UUID) -> None:
        sign_in("staff")
        bounce(tenant, "ann@example.com")
        at = f"/customers/{ann}/contacts"
        shown = client.get(at).text
        assert "Dead: bounced" in shown
        assert "550 5.1.1 &lt;no such&gt; user" in shown
        profile = client.get(f"/customers/{ann}").text
        assert profile.count("Dead: bounced") == 2
        assert "Manage" in profile
        typed = {"point-kind": "email", "point-value": "<b>"}
        refused = client.post(at, typed, status=422).text
        assert "This is not an e-mail address" in refused
        assert 'value="&lt;b&gt;"' in refused
        client.post(at, {**typed, "point-value": "a@new.example", "point-verified": "y"}, status=302)
        client.post(at, {**typed, "point-value": "a@new.example"}, status=422)
        new = points(tenant, ann)["a@new.example"]
        assert new.verified_at is not None
        client.post(f"{at}/{new.id}/prefer", {}, status=302)
        assert "a@new.example" in preferred(tenant, ann)
        client.post(f"{at}/{new.id}/verify", {"verified": "0"}, status=302)
        assert points(tenant, ann)["a@new.example"].verified_at is None
        client.post(f"{at}/{new.id}/remove", {}, status=302)
        assert "a@new.example was removed" in client.get(at).text
        assert "ann@example.com" in preferred(tenant, ann)
        client.post(f"{at}/give-back", {}, status=302)
        assert "a@new.example" in preferred(tenant, ann)
        client.post(f"{at}/give-back", {}, status=302)
        assert "nothing to take back" in client.get(at).text

    def test_ids_are_added_and_taken_away(self, client: Any, sign_in: Any, tenant: Any, ann: UUID) -> None:
        sign_in("staff")
        post(tenant, member(2, "Ben", "M2", email="ben@example.com"))
        at = f"/customers/{ann}/contacts/ids"
        taken = client.post(at, {"id-kind": "scl_member_id", "id-value": "M2"}, status=422).text
        assert "This id is Ben Botha’s" in taken
        other = {"id-kind": "other", "id-system": "9", "id-value": "L1"}
        assert "Name the system" in client.post(at, other, status=422).text
        client.post(at, {**other, "id-system": "loyalty_card"}, status=302)
        (made,) = (
            one
            for one in contact_points.identifiers(tenant_id=tenant.id, customer_id=ann)
            if one.kind == "loyalty_card"
        )
        client.post(f"{at}/{made.id}/remove", {}, status=302)
        assert "L1 was removed" in client.get(f"/customers/{ann}/contacts").text

    def test_viewers_see_and_change_nothing(self, client: Any, sign_in: Any, ann: UUID) -> None:
        sign_in("viewer")
        assert "Add an address" not in client.get(f"/customers/{ann}/contacts").text
        client.post(f"/customers/{ann}/contacts", {}, status=403)


def test_the_api_does_it_all(api: Any, tenant: Any, ann: UUID) -> None:
    bounce(tenant, "ann@example.com")
    at = f"/customers/{ann}/contact-points"
    first = api.get(at).get_json()["items"][0]
    assert (first["value"], first["preferred"], first["suppressed"]["reason"]) == (
        "ann@example.com",
        True,
        "hard_bounce",
    )
    assert first["suppressed"]["dead"] is True
    made = api.post(at, {"kind": "whatsapp", "value": "+27 82 222 2222"})
    assert (made.status_code, made.get_json()["value"]) == (201, "+27822222222")
    one = f"{at}/{made.get_json()['id']}"
    assert api.patch(one, {"verified": True}).get_json()["verified_how"] == "staff"
    assert api.patch(one, {"preferred": False}).status_code == 422
    assert api.post(at, {"kind": "whatsapp", "value": "082 222 2222"}).status_code == 409
    assert api.delete(one).status_code == 204
    assert api.delete(one).status_code == 404
    ids = f"/customers/{ann}/external-ids"
    row = api.post(ids, {"kind": "loyalty_card", "value": "L1"}).get_json()
    assert {"kind": "loyalty_card", "value": "L1"}.items() <= row.items()
    assert len(api.get(ids).get_json()["items"]) == 2
    assert api.delete(f"{ids}/{row['id']}").status_code == 204


def test_a_token_two_share_makes_them_no_one_person(tenant: Any, ann: UUID) -> None:
    """Who is who goes by e-mail addresses and numbers: a tablet may be a whole family's."""
    post(tenant, event(2, "scl.member.created", {}, email="somebody@example.com"))
    other = owner(tenant, 2)
    for one in (ann, other):
        add(tenant, one, "push", "token-of-the-tablet")
    post(tenant, member(3, "Ann", "M1", email="ann@example.com", teetime_player_id="T-1"))
    assert owner(tenant, 3) == ann
    assert owner(tenant, 2) == other
    assert queries.customer(tenant_id=tenant.id, customer_id=other).merged_into_id is None
