"""Erasing a person: nothing of them is left in any corner, and nothing brings them back."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from app.customers import notes
from app.customers.notes import Draft, Reader
from app.infra import clock
from app.messaging import suppression
from app.privacy import queries, service
from tests.privacy import somebody
from tests.privacy.somebody import Somebody, event, import_file, make, rows, run, take, where_marks_are, write


@pytest.fixture
def her(tenant: Any) -> Somebody:
    return make(tenant)


def erase(tenant: Any, her: Somebody) -> Any:
    request_id = service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    run(tenant)
    return queries.request(tenant_id=tenant.id, request_id=request_id)


def test_nothing_of_her_is_left_anywhere(tenant: Any, her: Somebody, caplog: pytest.LogCaptureFixture) -> None:
    service.export(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}", with_private=True)
    run(tenant)
    before = where_marks_are(tenant)
    # Without these the scan would prove little.
    assert set(before) >= {
        "customer", "contact_point", "external_id", "customer_merge", "activity", "note",
        "note_change", "consent_change", "inbound_event", "message", "mailbox_mail", "suppression",
        "journey_enrollment", "import_run", "import_chunk", "import_refusal", "import_change", "merge_suggestion",
    }  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        done = erase(tenant, her)
    assert (done.status, done.error) == ("COMPLETED", None)
    assert where_marks_are(tenant) == {}
    assert not [one for one in somebody.MARKS if one in caplog.text.lower()]
    gone = rows(tenant, "SELECT FROM customer WHERE id = ANY(:ids)", ids=[her.id, her.merged])
    assert gone == []
    assert done.work == {}


def test_the_waiting_event_is_not_applied_afterwards(tenant: Any, her: Somebody) -> None:
    """Even one that comes in once she is gone, of the time before."""
    erase(tenant, her)
    take(tenant, event(30, "pos.purchase", {"note": "unspeakable secret"}, scl_member_id="QZX-99001"))
    take(tenant, event(31, "scl.member.updated", {"first_name": "Zephyrine"}, email="ZQ.First@mail.example"))
    assert where_marks_are(tenant) == {}
    late = rows(tenant, "SELECT status, reason, customer_id FROM inbound_event WHERE status = 'erased'")
    assert len(late) >= 3
    assert {one.customer_id for one in late} == {None}
    assert "before" in late[0].reason


def test_what_others_have_stays(tenant: Any, her: Somebody) -> None:
    erase(tenant, her)
    (bob,) = rows(tenant, "SELECT first_name, email FROM customer WHERE id = :id", id=her.spouse)
    assert tuple(bob) == ("Bob", somebody.SHARED)
    (note,) = rows(tenant, "SELECT body FROM note WHERE customer_id = :id", id=her.stranger)
    assert note.body == "Plays with [erased] ([erased], [erased], [erased]), who is her friend"
    (event,) = rows(tenant, "SELECT payload FROM inbound_event WHERE event_id = 'z7'")
    assert event.payload == {"players": ["[erased]", {"email": "[erased]"}]}
    assert [one.subject for one in rows(tenant, "SELECT subject FROM mailbox_mail")] == ["Hello Carla"]
    (tag,) = rows(tenant, "SELECT taken_from FROM tag WHERE name = 'old'")
    assert tag.taken_from == [her.stranger]
    dora = rows(tenant, "SELECT FROM customer WHERE first_name = 'Dora'")
    assert len(dora) == 1


def test_reports_still_add_up(tenant: Any, her: Somebody) -> None:
    erase(tenant, her)
    sent = rows(tenant, "SELECT status, reason, customer_id, to_address FROM message WHERE journey_id IS NOT NULL")
    assert sorted(tuple(one) for one in sent) == [("sent", None, None, None), ("skipped", "erased", None, None)]
    (journey,) = rows(tenant, "SELECT total_enrolled, total_exited FROM journey")
    assert tuple(journey) == (2, 1)
    counts = {one.step_key: one.active for one in rows(tenant, "SELECT step_key, active FROM journey_step_count")}
    assert sum(counts.values()) == 1


def test_her_addresses_stay_suppressed_as_hashes(tenant: Any, her: Somebody) -> None:
    erase(tenant, her)
    keys = ["zq.first@mail.example", "zq.second@mail.example", "zq.older@mail.example", somebody.SHARED]
    held = suppression.held(tenant_id=tenant.id, addresses=[("EMAIL", key) for key in keys])
    assert {key: one.reason for (_, key), one in held.items()} == {
        "zq.first@mail.example": "erased",
        "zq.second@mail.example": "hard_bounce",
        "zq.older@mail.example": "erased",
    }
    (found,) = suppression.page(tenant_id=tenant.id, q="ZQ.second@mail.example").items
    assert found.address_key.startswith("erased:")
    with pytest.raises(suppression.AlreadySuppressed):
        suppression.add(
            tenant_id=tenant.id,
            address="zq.first@mail.example",
            because=suppression.SuppressedBecause.MANUAL,
            actor="system:test",
        )


def test_an_import_does_not_bring_her_back(tenant: Any, her: Somebody) -> None:
    """Nor does the list of refused rows keep what the file said of her, in rows that can't be read either."""
    erase(tenant, her)
    again = import_file(tenant, somebody.FILE.replace("dora@example.com", "edna@example.com").replace("DORA", "EDNA"))
    assert (again.created, again.refused) == (1, 2)
    other = import_file(tenant, f"{somebody.HEADER}\nnew@example.com,Z,Q,QZX-99001,,\n,Z,Q,,082 555 0142,\n")
    assert (other.created, other.refused) == (0, 2)
    assert where_marks_are(tenant) == {}
    refused = rows(tenant, "SELECT reason, cells FROM import_refusal WHERE run_id = :id", id=other.id)
    assert all("erased" in one.reason and one.cells == [] for one in refused)


def test_the_shared_mailbox_does_not_bring_her_back_either(tenant: Any, her: Somebody) -> None:
    erase(tenant, her)
    run_ = import_file(
        tenant, f"{somebody.HEADER}\n{somebody.SHARED},Zephyrine,Q,,,\n{somebody.SHARED},Bob,Quince,BOB-1,,\n"
    )
    assert (run_.refused, run_.created) == (1, 0)


def test_nor_does_a_number_nobody_knew(tenant: Any, her: Somebody) -> None:
    """People entered twice: the other entry has her name and birth date, and nothing else of hers."""
    erase(tenant, her)
    header = "first_name,last_name,date_of_birth,member_number"
    found = import_file(
        tenant, f"{header}\nZephyrine,QUAGGAMOOR,1971-03-04,NEW-77\nZephyrine,Quaggamoor,1991-01-01,NEW-78\n"
    )
    assert (found.refused, found.created) == (1, 1)


def test_undoing_an_import_does_not_bring_her_back(tenant: Any, her: Somebody) -> None:
    from app.capture.imports import service as imports
    from app.capture.imports import work as import_work

    erase(tenant, her)
    for row in rows(tenant, "SELECT id FROM import_run WHERE NOT dry_run"):
        imports.undo(tenant_id=tenant.id, run_id=row.id, actor="system:test")
    while import_work.run_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    assert where_marks_are(tenant) == {}


def test_new_evidence_makes_somebody_new(tenant: Any, her: Somebody) -> None:
    """Whoever plays at the club again is a person again, without their past; no news goes to the old address."""
    erase(tenant, her)
    visit = event(40, "pos.purchase", {}, email="zq.first@mail.example")
    visit["timestamp"] = (clock.now() + timedelta(seconds=30)).isoformat()
    take(tenant, visit)
    (new,) = rows(tenant, "SELECT id, first_name, email FROM customer WHERE email = 'zq.first@mail.example'")
    assert new.first_name is None
    assert new.id not in (her.id, her.merged)
    assert rows(tenant, "SELECT count(*) FROM activity WHERE customer_id = :id", id=new.id)[0][0] == 1
    (held,) = suppression.held(tenant_id=tenant.id, addresses=[("EMAIL", new.email)]).values()
    assert held.reason == "erased"
    # She is a member again: now an import may speak of her.
    assert import_file(tenant, f"{somebody.HEADER}\nzq.first@mail.example,Zephyrine,,,,\n").updated == 1


def test_the_audit_names_who_did_it_and_nothing_of_her(tenant: Any, her: Somebody) -> None:
    done = erase(tenant, her)
    entries = rows(
        tenant,
        "SELECT actor, action, object_id, detail FROM audit_entry WHERE action LIKE 'customer.erase%' ORDER BY at",
    )
    assert [(one.actor, one.action, one.object_id) for one in entries] == [
        (f"user:{her.owner}", "customer.erase_asked", str(her.id)),
        (f"user:{her.owner}", "customer.erased", str(her.id)),
    ]
    assert entries[1].detail["deleted"]["customer"] == 2
    assert done.report["deleted"]["activity"] > 3


def test_erasing_twice_is_once(tenant: Any, her: Somebody) -> None:
    ask = {"tenant_id": tenant.id, "actor": f"user:{her.owner}"}
    first = service.erase(customer_id=her.id, **ask)
    assert service.erase(customer_id=her.merged, **ask) == first
    run(tenant)
    assert service.erase(customer_id=her.id, **ask) == first
    assert run(tenant) is None


@pytest.mark.parametrize("died_at", range(0, 32, 3))
def test_a_worker_that_dies_is_gone_on_with(tenant: Any, her: Somebody, died_at: int) -> None:
    """Each step's transaction is all or nothing, and the next worker goes on at the place it left."""
    from app.infra.db import transaction
    from app.privacy import work

    request_id = service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    for _ in range(died_at):
        work.run_batch(tenant_id=tenant.id, now=clock.now())

    class Killed(BaseException):
        pass

    def die() -> None:
        with transaction(tenant.id):
            work.run_batch(tenant_id=tenant.id, now=clock.now())
            raise Killed

    with pytest.raises(Killed):
        die()
    run(tenant)
    assert queries.request(tenant_id=tenant.id, request_id=request_id).status == "COMPLETED"
    assert where_marks_are(tenant) == {}


def test_a_letter_in_the_air_is_waited_for(tenant: Any, her: Somebody) -> None:
    write(tenant, "UPDATE message SET status = 'sending', sending_at = now() WHERE subject = 'Hello Zephyrine'")
    request_id = service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    run(tenant)
    assert queries.request(tenant_id=tenant.id, request_id=request_id).status == "RUNNING"
    write(tenant, "UPDATE message SET status = 'sent' WHERE status = 'sending'")
    run(tenant, now=clock.now() + timedelta(seconds=5))
    assert queries.request(tenant_id=tenant.id, request_id=request_id).status == "COMPLETED"
    assert where_marks_are(tenant) == {}


@pytest.mark.parametrize("after", [0, 3, 9])
def test_whoever_is_being_erased_is_merged_with_nobody(tenant: Any, her: Somebody, after: int) -> None:
    """Nobody confirmed that the other profile should go, and the erasure comes to its end."""
    from app.capture import merging
    from app.customers.merge import BeingErased
    from app.customers.unmerge import CannotUndo
    from app.privacy import work

    (merge,) = rows(tenant, "SELECT id FROM customer_merge WHERE loser_id = :id", id=her.merged)
    request_id = service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    for _ in range(after):
        work.run_batch(tenant_id=tenant.id, now=clock.now())
    if rows(tenant, "SELECT FROM customer WHERE id = :id", id=her.id):
        for pair in ((her.stranger, her.id), (her.id, her.stranger)):
            with pytest.raises(BeingErased, match="is being erased"):
                merging.merge_customers(
                    tenant_id=tenant.id, winner_id=pair[0], loser_id=pair[1], actor=f"user:{her.owner}"
                )
        with pytest.raises(CannotUndo, match="is being erased"):
            merging.undo(tenant_id=tenant.id, merge_id=merge.id, actor=f"user:{her.owner}")
    # Nor do events merge, which do it by themselves: these two name nobody, and prove to be one.
    take(
        tenant,
        event(50, "pos.purchase", {}, teetime_player_id="TEE-ZQ-5", messaging_contact_id="new-1"),
        event(51, "pos.purchase", {}, messaging_contact_id="other-2"),
        event(52, "pos.purchase", {}, scl_member_id="QZX-88112", messaging_contact_id="other-2"),
    )
    run(tenant)
    found = queries.request(tenant_id=tenant.id, request_id=request_id)
    assert (found.status, found.report["deleted"]["customer"]) == ("COMPLETED", 2)
    assert where_marks_are(tenant) == {}


def test_what_failed_halfway_is_merged_with_nobody_until_it_is_tried_again(tenant: Any, her: Somebody) -> None:
    from app.capture import merging
    from app.customers.merge import BeingErased

    service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    write(tenant, "UPDATE privacy_request SET status = 'FAILED', step = 2, due_at = NULL")
    ask = {"tenant_id": tenant.id, "winner_id": her.stranger, "loser_id": her.id, "actor": f"user:{her.owner}"}
    with pytest.raises(BeingErased):
        merging.merge_customers(**ask)
    write(tenant, "UPDATE privacy_request SET step = 0")
    assert merging.merge_customers(**ask)


def test_a_merge_that_came_first_stops_it(tenant: Any, her: Somebody) -> None:
    """Nobody confirmed that the other profile should go."""
    from app.capture import merging

    request_id = service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    # As if the merge had begun before it was asked for, and had not been seen yet.
    write(tenant, "UPDATE privacy_request SET kind = 'export'")
    merging.merge_customers(tenant_id=tenant.id, winner_id=her.stranger, loser_id=her.id, actor=f"user:{her.owner}")
    write(tenant, "UPDATE privacy_request SET kind = 'erase'")
    run(tenant)
    found = queries.request(tenant_id=tenant.id, request_id=request_id)
    assert (found.status, found.work) == ("FAILED", {})
    assert "merged" in (found.error or "")
    assert rows(tenant, "SELECT FROM customer WHERE id = :id", id=her.stranger)


def test_the_confirmation_is_her_name(tenant: Any, her: Somebody) -> None:
    from app.infra.errors import Invalid

    ask = {"tenant_id": tenant.id, "customer_id": her.id, "actor": "system:test", "name": "Zephyrine Quaggamoor"}
    for typed in (None, "", "Zephyrine"):
        with pytest.raises(Invalid):
            service.erase(typed=typed, **ask)
    assert service.erase(typed=" zephyrine  quaggamoor", **ask)


def test_whoever_signs_in_keeps_the_account(tenant: Any, her: Somebody) -> None:
    write(tenant, "UPDATE users SET email_key = 'zq.first@mail.example' WHERE id = :id", id=her.owner)
    plan = queries.plan(tenant_id=tenant.id, customer_id=her.id)
    assert [one.because for one in plan.stays if one.holds == "Accounts"]


def test_the_plan_says_what_goes_and_what_stays(tenant: Any, her: Somebody) -> None:
    plan = queries.plan(tenant_id=tenant.id, customer_id=her.id)
    goes = {one.holds: one.rows for one in plan.goes}
    assert goes["Profile"] == plan.profiles == 2
    assert goes["Notes"] == 2
    assert {one.holds: one.rows for one in plan.blanked} == {"Messages": 2}
    assert plan.sharers == [(her.spouse, "Bob Quince")]
    assert all(one.because for one in plan.stays)


def test_an_address_she_gave_up_is_hers_too(tenant: Any, her: Somebody) -> None:
    """Nothing but events knows it any more when erasing begins, and they go before the rest does."""
    write(tenant, "DELETE FROM contact_point WHERE key = 'zq.older@mail.example'")
    note = Draft("Was at zq.older@mail.example once")
    notes.add(tenant_id=tenant.id, customer_id=her.stranger, author=Reader(her.owner, "Owner", True), draft=note)
    assert erase(tenant, her).work == {}
    assert where_marks_are(tenant) == {}
    again = import_file(tenant, f"{somebody.HEADER}\nzq.older@mail.example,Zoe,Q,,,\n")
    assert (again.created, again.refused) == (0, 1)


def test_her_whatsapp_number_is_looked_for_as_any_number(tenant: Any, her: Somebody) -> None:
    write(
        tenant,
        "INSERT INTO contact_point (tenant_id, customer_id, kind, key, value, source)"
        " VALUES (:tenant_id, :id, 'whatsapp', '+27835550199', '+27835550199', 'staff')",
        id=her.id,
    )
    note = Draft("Rings from 083 555 0199")
    notes.add(tenant_id=tenant.id, customer_id=her.stranger, author=Reader(her.owner, "Owner", True), draft=note)
    erase(tenant, her)
    bodies = [row.body for row in rows(tenant, "SELECT body FROM note WHERE customer_id = :id", id=her.stranger)]
    assert "Rings from [erased]" in bodies
    again = import_file(tenant, f"{somebody.HEADER}\n,Zoe,Q,,083 555 0199,\n")
    assert (again.created, again.refused) == (0, 1)


def test_what_only_looks_like_hers_can_still_be_undone(tenant: Any, her: Somebody) -> None:
    """Her member number stands within somebody else's phone number, which an import changed."""
    write(tenant, "UPDATE external_id SET value = '88811' WHERE value = 'QZX-88112'")
    import_file(tenant, f"{somebody.HEADER}\ncarla@example.com,Carla,Stranger,CAR-1,+27828881155,Gold\n")
    erase(tenant, her)
    kept = rows(
        tenant,
        "SELECT FROM import_change WHERE table_name = 'customer' AND row_id = :id AND before IS NOT NULL",
        id=her.stranger,
    )
    assert len(kept) == 1


def test_refused_rows_that_have_her_names_in_two_cells_lose_what_they_say(tenant: Any, her: Somebody) -> None:
    run_ = import_file(tenant, f"{somebody.HEADER}\n,Zephyrine,Quaggamoor,,,\n,Somebody,Else,,,\n")
    assert run_.refused == 2
    erase(tenant, her)
    found = rows(tenant, "SELECT cells FROM import_refusal WHERE run_id = :id ORDER BY record", id=run_.id)
    assert [bool(one.cells) for one in found] == [False, True]


@pytest.mark.parametrize(
    ("name", "is_hers"),
    [
        ("zq.first@mail.example.csv", True),
        ("members_zq.first@mail.example-2026.csv", True),
        ("Zephyrine-Quaggamoor.csv", True),
        ("quaggamoor_zephyrine (1).csv", True),
        ("082-555-0142.csv", True),
        ("report-QZX-88112.csv", True),
        ("report-QZX-881120.csv", False),
        ("members.csv", False),
    ],
)
def test_the_name_of_a_file_is_looked_at_as_people_write_it(name: str, *, is_hers: bool) -> None:
    from app.privacy import file_names, redact

    wanted = redact.needles(
        ids=[],
        emails=["zq.first@mail.example"],
        phones=["+27825550142"],
        external=["QZX-88112"],
        names=[("Zephyrine", "Quaggamoor")],
    )
    assert file_names.names(name, wanted) is is_hers


def test_an_import_under_way_loses_a_name_that_is_hers(tenant: Any, her: Somebody) -> None:
    """Rows it takes in after the erasure came by are given the name no more."""
    import io

    from app.capture.imports import service as imports
    from app.capture.imports import work as import_work
    from app.privacy import work

    imports.start(
        tenant_id=tenant.id,
        file=io.BytesIO(b"email,first_name,note\nedna@example.com,Edna,Hello\n"),
        file_name="Zephyrine_Quaggamoor.csv",
        options=imports.Options(preset="fairway-csv"),
        actor="system:test",
    )
    service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    work.run_batch(tenant_id=tenant.id, now=clock.now())
    while import_work.run_batch(tenant_id=tenant.id, now=clock.now()):
        pass
    run(tenant)
    assert where_marks_are(tenant) == {}
    assert rows(tenant, "SELECT FROM customer WHERE first_name = 'Edna'")
