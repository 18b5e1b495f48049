"""Exporting a person: all of it, in one stable shape, readable by people and programs, and not for ever."""

import io
import zipfile
from datetime import timedelta
from typing import Any

import html5lib
import orjson
import pytest
from sqlalchemy import text

from app.infra import clock
from app.infra.db import transaction
from app.infra.errors import Conflict
from app.privacy import exporting, queries, service
from app.privacy.registry import TABLES
from tests.privacy import somebody
from tests.privacy.somebody import Somebody, make, rows, run


@pytest.fixture
def her(tenant: Any) -> Somebody:
    return make(tenant)


def exported(tenant: Any, her: Somebody, **options: Any) -> zipfile.ZipFile:
    request_id = service.export(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}", **options)
    run(tenant)
    found = service.file(
        tenant_id=tenant.id,
        request_id=request_id,
        actor=f"user:{her.owner}",
        sees_private=options.get("with_private", False),
    )
    assert "quaggamoor" not in found.name.lower()
    return zipfile.ZipFile(io.BytesIO(found.data))


def test_all_of_her_is_in_it(tenant: Any, her: Somebody) -> None:
    archive = exported(tenant, her, with_private=True)
    assert sorted(archive.namelist()) == ["person.html", "person.json"]
    document = orjson.loads(archive.read("person.json"))
    assert document["format"] == "fairway-person/1"
    assert document["customer_id"] == str(her.id)
    assert document["merged_ids"] == [str(her.merged)]
    assert list(document["sections"]) == [one.section for one in TABLES if one.section]
    sections = document["sections"]
    assert {one["id"] for one in sections["profiles"]} == {str(her.id), str(her.merged)}
    assert {one["value"] for one in sections["external_ids"]} == {"QZX-88112", "QZX-99001", "TEE-ZQ-5"}
    assert {one["body"] for one in sections["notes"]} == {"Allergic to zucchini and to geese", "unspeakable secret"}
    assert {one["wording"] for one in sections["consent_changes"]} >= {"Zephyrine said no"}
    assert len(sections["events"]) == len(rows(tenant, "SELECT FROM inbound_event WHERE customer_id = :id", id=her.id))
    assert sections["journeys"][0]["trigger_data"] == {"name": "Zephyrine"}
    assert "Welcome" in document["names"]["journey"].values()
    # Nothing that is only ours, and nobody else's.
    assert all("tenant_id" not in row for rows_ in sections.values() for row in rows_)
    assert "Bob" not in orjson.dumps(sections).decode()


def test_the_page_is_readable_and_harmless(tenant: Any, her: Somebody) -> None:
    with transaction(tenant.id) as session:
        session.execute(
            text("UPDATE customer SET first_name = '<script>alert(1)</script>' WHERE id = :id"), {"id": her.id}
        )
    page = exported(tenant, her).read("person.html").decode()
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree = parser.parse(page)
    assert parser.errors == []
    assert not list(tree.iter("script"))
    assert not [one for one in tree.iter() if one.get("src") or (one.get("href") or "#")[0] != "#"]
    words = " ".join("".join(tree.find("body").itertext()).split())
    for said in ("<script>alert(1)</script> Quaggamoor", "Cape Links", "QZX-88112", "Notes", "Proofs of consent"):
        assert said in words


def test_private_notes_are_for_those_who_may_read_them(tenant: Any, her: Somebody) -> None:
    document = orjson.loads(exported(tenant, her).read("person.json"))
    assert document["private_notes_left_out"] == 1
    texts = [one["body"] for one in document["sections"]["notes"]]
    assert texts == ["Allergic to zucchini and to geese"]
    told = [one for one in document["sections"]["activities"] if one["category"] == "NOTE"]
    assert "secret" not in orjson.dumps(told).decode()
    whole = service.export(tenant_id=tenant.id, customer_id=her.id, actor="system:test", with_private=True)
    run(tenant)
    with pytest.raises(service.HasPrivateNotes):
        service.file(tenant_id=tenant.id, request_id=whole, actor="system:test", sees_private=False)


def test_the_file_is_deleted_after_its_days(tenant: Any, her: Somebody) -> None:
    request_id = service.export(tenant_id=tenant.id, customer_id=her.id, actor="system:test")
    run(tenant)
    found = queries.request(tenant_id=tenant.id, request_id=request_id)
    assert found.due_at == found.expires_at
    run(tenant, now=clock.now() + exporting.KEPT - timedelta(hours=1))
    assert rows(tenant, "SELECT part FROM privacy_file") == [("zip",)]
    run(tenant, now=clock.now() + exporting.KEPT + timedelta(hours=1))
    assert rows(tenant, "SELECT FROM privacy_file") == []
    assert queries.request(tenant_id=tenant.id, request_id=request_id).status == "EXPIRED"
    with pytest.raises(service.NoFile):
        service.file(tenant_id=tenant.id, request_id=request_id, actor="system:test", sees_private=True)


def test_asking_twice_is_once_and_a_dead_worker_is_gone_on_with(tenant: Any, her: Somebody) -> None:
    from app.privacy import work

    ask = {"tenant_id": tenant.id, "actor": "system:test"}
    request_id = service.export(customer_id=her.id, **ask)
    for _ in range(4):
        work.run_batch(tenant_id=tenant.id, now=clock.now())
    assert 0 < queries.progress(queries.request(tenant_id=tenant.id, request_id=request_id)) < 1
    assert service.export(customer_id=her.merged, **ask) == request_id
    with pytest.raises(service.UnderWay):
        service.export(customer_id=her.id, with_private=True, **ask)
    run(tenant)
    assert service.export(customer_id=her.id, **ask) != request_id


def test_a_merge_meanwhile_stops_it(tenant: Any, her: Somebody) -> None:
    """Half of a person is no answer to somebody who asked for all that is known of them."""
    from app.capture import merging
    from app.privacy import work

    request_id = service.export(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    for _ in range(4):
        work.run_batch(tenant_id=tenant.id, now=clock.now())
    merging.merge_customers(tenant_id=tenant.id, winner_id=her.stranger, loser_id=her.id, actor=f"user:{her.owner}")
    run(tenant)
    found = queries.request(tenant_id=tenant.id, request_id=request_id)
    assert found.status == "FAILED"
    assert "Export that one" in (found.error or "")
    assert rows(tenant, "SELECT FROM privacy_file") == []


def test_a_step_that_fails_is_tried_again_and_then_waits(
    tenant: Any, her: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the words of what failed name nobody."""
    from app.privacy import work
    from app.privacy.erasing import Step

    def fail(*_: Any) -> Any:
        raise RuntimeError("zq.first@mail.example is odd")

    with monkeypatch.context() as broken:
        broken.setattr(exporting, "STEPS", (Step("Failing", fail),))
        request_id = service.export(tenant_id=tenant.id, customer_id=her.id, actor="system:test")
        now = clock.now()
        for _ in range(work.ATTEMPTS + 2):
            run(tenant, now=now)
            now += timedelta(hours=1)
    found = queries.request(tenant_id=tenant.id, request_id=request_id)
    assert (found.status, found.attempts) == ("FAILED", work.ATTEMPTS)
    assert "RuntimeError" in (found.error or "")
    assert "mail.example" not in (found.error or "")
    service.retry(tenant_id=tenant.id, request_id=request_id, actor="system:test")
    run(tenant)
    assert queries.request(tenant_id=tenant.id, request_id=request_id).status == "COMPLETED"
    with pytest.raises(Conflict):
        service.retry(tenant_id=tenant.id, request_id=request_id, actor="system:test")


def test_her_exports_go_with_her(tenant: Any, her: Somebody) -> None:
    request_id = service.export(tenant_id=tenant.id, customer_id=her.id, actor="system:test")
    run(tenant)
    service.erase(tenant_id=tenant.id, customer_id=her.id, actor="system:test")
    run(tenant)
    assert rows(tenant, "SELECT FROM privacy_file") == []
    assert queries.request(tenant_id=tenant.id, request_id=request_id).status == "EXPIRED"
    assert somebody.where_marks_are(tenant) == {}


def test_what_is_kept_for_a_while_goes_though_nobody_comes_by(tenant: Any) -> None:
    from app.accounts import answers
    from app.accounts.answers import Answer
    from app.capture.imports import service as imports
    from app.capture.imports.service import Options
    from app.infra import queue
    from app.infra.queue import Work
    from app.tasks import work as tasks

    long_ago = clock.now() - timedelta(days=8)
    answer = Answer(200, "text/plain", "Zephyrine")
    answers.once(tenant_id=tenant.id, actor="user:1", key="k", fingerprint="f", act=lambda: answer, now=long_ago)
    answers.once(tenant_id=tenant.id, actor="user:1", key="new", fingerprint="f", act=lambda: answer)
    file = io.BytesIO(b"first_name,last_name,email\nZephyrine,Quaggamoor,z@example.com\n")
    options = Options(preset="fairway-csv", dry_run=True)
    imports.start(tenant_id=tenant.id, file=file, file_name="a.csv", options=options, actor="system:test", now=long_ago)
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE import_run SET status = 'COMPLETED', finished_at = :at"), {"at": long_ago})
    tasks.tick()
    assert queue.waiting()[Work.PRIVACY_JOBS] == 1
    tasks.privacy_jobs(str(tenant.id))
    assert rows(tenant, "SELECT key FROM kept_answer") == [("new",)]
    assert rows(tenant, "SELECT FROM import_chunk") == []
    assert len(rows(tenant, "SELECT FROM import_run")) == 1
    queue.queue(Work.PRIVACY_JOBS).empty()
    tasks.tick()
    assert queue.waiting()[Work.PRIVACY_JOBS] == 0
