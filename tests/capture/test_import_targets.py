"""What columns can become: tags, notes, ids of other systems, consent by topic, a tenant's own fields."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.capture import contacts
from app.capture.imports import mappings, queries, service, targets
from app.capture.imports.models import ImportRun
from app.capture.imports.service import NoSuchImport, NotNow, Options
from app.customers import custom_fields, mass_update, topics
from app.infra.db import transaction
from app.infra.errors import Invalid
from tests.capture.people import NOW, member, owner, post, query
from tests.capture.test_imports import counts, finish, refused, snapshot
from tests.conftest import make_tenant

MAPPING = {
    "First": "first_name",
    "Mail": "email",
    "Locker": "external_id:locker",
    "Groups": "tag",
    "Also": "tag",
    "Remark": "note",
    "Shoe": "custom.shoe_size",
    "Since": "custom.since",
    "News": "consent:news:EMAIL",
    "Junk": "ignore",
}
HEADER = ",".join(MAPPING)
ANNA = '"Anna",anna@example.com,L-14,"Juniors; Ladies",VIP,"=Locker 14",39,03/04/2020,yes,x'


@pytest.fixture(autouse=True)
def own(tenant: Any) -> None:
    custom_fields.add(tenant_id=tenant.id, key="shoe_size", label="Shoe size", kind="NUMBER", actor="system:test")
    custom_fields.add(tenant_id=tenant.id, key="since", label="Since", kind="DATE", actor="system:test")
    topics.create(tenant_id=tenant.id, name="News", actor="system:test")


def take(tenant: Any, *lines: str, header: str = HEADER, **options: Any) -> ImportRun:
    run_id = service.start(
        tenant_id=tenant.id,
        file=io.BytesIO("\n".join((header, *lines, "")).encode()),
        file_name="people.csv",
        options=Options(**{"mapping": MAPPING, **options}),
        actor="system:test",
        now=NOW,
    )
    return finish(tenant, run_id)


def lines(run: ImportRun, kind: str) -> list[dict[str, Any]]:
    return queries.lines(tenant_id=run.tenant_id, run_id=run.id, kind=kind).items


def changes(line: dict[str, Any]) -> dict[str, Any]:
    return {one["field"]: (one["old"], one["new"]) for one in line["changes"]}


def test_each_column_becomes_what_it_is_mapped_to_and_undo_takes_it_all_back(tenant: Any) -> None:
    before = snapshot(tenant)
    run = take(tenant, ANNA, write_consent=True, formats={"date_order": "mdy"})
    assert counts(run) == (1, 0, 0, 0)
    (person,) = query(tenant, "SELECT * FROM customer")
    assert person.tags == ["Juniors", "Ladies", "VIP"]
    assert person.custom == {"shoe_size": 39, "since": "2020-03-04"}
    (note,) = query(tenant, "SELECT * FROM note")
    assert (note.body, note.author_name) == ("=Locker 14", "Import of people.csv")
    assert query(tenant, "SELECT FROM activity WHERE type = 'note.general'")
    assert [(one.kind, one.value) for one in query(tenant, "SELECT * FROM external_id")] == [("locker", "L-14")]
    (said,) = query(tenant, "SELECT * FROM consent")
    assert (said.channel, said.state, said.address) == ("EMAIL", "subscribed", "anna@example.com")
    (proof,) = query(tenant, "SELECT * FROM consent_change")
    assert (proof.source, proof.how, proof.actor) == ("import", "import", "system:test")
    service.undo(tenant_id=tenant.id, run_id=run.id, actor="system:test")
    assert finish(tenant, run.id).status == "UNDONE"
    assert snapshot(tenant) == before


def test_undo_leaves_what_was_given_since_and_finds_nobody_by_what_is_gone(tenant: Any) -> None:
    post(tenant, member(1, "Anna", "M1", email="anna@example.com"), member(2, "Ben", "M2"))
    anna, ben = owner(tenant, 1), owner(tenant, 2)
    give = {"tenant_id": tenant.id, "now": NOW}
    mass_update.change_all(**give, customer_ids=[anna], add_tags=["Early"])
    run = take(tenant, ANNA)
    mass_update.change_all(**give, customer_ids=[ben], add_tags=["VIP"])
    mass_update.change_all(**give, customer_ids=[anna], add_tags=["Late"])
    contacts.add(
        tenant_id=tenant.id, customer_id=anna, kind="email", value="a.b@example.com", actor="system:test", now=NOW
    )
    service.undo(tenant_id=tenant.id, run_id=run.id, actor="system:test")
    assert finish(tenant, run.id).status == "UNDONE"
    assert [one.name for one in query(tenant, "SELECT name FROM tag ORDER BY name")] == ["Early", "Late", "VIP"]
    (row,) = query(tenant, "SELECT search_extra, tags FROM customer WHERE id = :id", id=anna)
    assert row.search_extra == "a.b@example.com anna@example.com m1"
    # What she had and what she was given since stays; what the file gave her is gone.
    assert row.tags == ["Early", "Late"]


def test_the_same_file_twice_changes_nothing_and_a_second_one_only_what_is_new(tenant: Any) -> None:
    take(tenant, ANNA, write_consent=True)
    before = snapshot(tenant)
    assert counts(take(tenant, ANNA, write_consent=True)) == (0, 0, 1, 0)
    assert snapshot(tenant) == before
    run = take(tenant, ANNA.replace("Ladies", "Seniors"), write_consent=True)
    assert counts(run) == (0, 1, 0, 0)
    assert changes(lines(run, "updated")[0]) == {"tags": (None, "Seniors")}
    assert len(query(tenant, "SELECT FROM note")) == 1


def test_a_dry_run_tells_of_tags_notes_fields_and_consent_and_keeps_none(tenant: Any) -> None:
    take(tenant, "Anna,anna@example.com,,,,,38,,,")
    before = snapshot(tenant)
    run = take(tenant, ANNA, write_consent=True, dry_run=True)
    (line,) = lines(run, "updated")
    told = changes(line)
    assert told["tags"] == (None, "Juniors, Ladies, VIP")
    assert told["note"] == (None, "=Locker 14")
    assert told["custom.shoe_size"] == ("38", "39")
    assert told["locker"] == (None, "L-14")
    assert changes(lines(run, "consent")[0]) == {"news · EMAIL": (None, "subscribed")}
    assert run.report["people"] == {"consent": 1}
    assert snapshot(tenant) == before


def test_a_yes_to_a_topic_that_is_confirmed_by_mail_waits_for_it_and_nobody_is_written_to(tenant: Any) -> None:
    (news,) = (one for one in topics.topics(tenant_id=tenant.id) if one.key == "news")
    topics.update(tenant_id=tenant.id, topic_id=news.id, changes={"double_opt_in": True}, actor="system:test")
    run = take(tenant, ANNA, write_consent=True, start_journeys=True)
    assert changes(lines(run, "consent")[0]) == {"news · EMAIL": (None, "pending")}
    assert query(tenant, "SELECT state FROM consent")[0].state == "pending"
    assert query(tenant, "SELECT state, opted_in FROM consent_change")[0] == ("pending", False)
    assert not query(tenant, "SELECT FROM message")
    # What they confirmed since is not asked again.
    with transaction(tenant.id) as session:
        session.execute(text("UPDATE consent SET state = 'subscribed'"))
    take(tenant, ANNA.replace("Ladies", "Seniors"), write_consent=True)
    assert query(tenant, "SELECT state FROM consent")[0].state == "subscribed"


def test_consent_by_topic_is_written_only_when_ticked_and_a_yes_never_undoes_a_no(tenant: Any) -> None:
    yes, no = "Anna,anna@example.com,,,,,,,yes,", "Anna,anna@example.com,,,,,,,no,"
    take(tenant, yes)
    assert not query(tenant, "SELECT FROM consent")
    take(tenant, yes, write_consent=True)
    assert query(tenant, "SELECT state FROM consent")[0].state == "subscribed"
    take(tenant, no, write_consent=True)
    assert query(tenant, "SELECT state FROM consent")[0].state == "unsubscribed"
    take(tenant, yes.replace("Anna", "Annah"), write_consent=True)
    assert query(tenant, "SELECT state FROM consent")[0].state == "unsubscribed"


def test_an_id_that_everybody_has_joins_nobody(tenant: Any) -> None:
    run = take(tenant, "Anna,,n/a,,,,,,,", "Ben,,0,,,,,,,", "Cleo,,L-1,,,,,,,", "Cleo,,L-1,,,,,,,")
    assert counts(run) == (1, 0, 1, 2)
    assert "locker is no id" in refused(tenant, run)[2]


def test_what_a_column_cannot_become_is_told_beside_it(tenant: Any) -> None:
    with pytest.raises(Invalid) as caught:
        take(tenant, ANNA, mapping={"First": "shoe", "Mail": "email", "Locker": "email", "Groups": "external_id:"})
    assert {name.removeprefix("mapping.") for name in caught.value.errors} == {"mapping", "First", "Locker", "Groups"}
    with pytest.raises(Invalid) as caught:
        take(tenant, ANNA, mapping={"First": "first_name"})
    assert "file" in caught.value.errors
    with pytest.raises(Invalid) as caught:
        take(tenant, ANNA, formats={"country": "XX", "date_order": "ydm", "currency": "EURO"})
    assert set(caught.value.errors) == {"country", "date_order", "currency"}


def test_the_list_of_targets_is_the_tenants(tenant: Any) -> None:
    found = {one.name: one for one in targets.targets(tenant_id=tenant.id, kind="members")}
    assert found["custom.shoe_size"].label == "Shoe size"
    assert found["consent:news:SMS"].is_consent
    assert "visit_id" not in found


def draft(tenant: Any, text: str = f"{HEADER}\n{ANNA}\n", **more: Any) -> UUID:
    file = io.BytesIO(text.encode())
    return service.draft(tenant_id=tenant.id, file=file, file_name="p.csv", actor="system:test", now=NOW, **more)


def test_a_draft_is_mapped_looked_at_twice_and_run(tenant: Any) -> None:
    run_id = draft(tenant)
    assert not finish_none(tenant)
    with pytest.raises(NoSuchImport):
        queries.run(tenant_id=tenant.id, run_id=run_id)
    columns = queries.samples(queries.run(tenant_id=tenant.id, run_id=run_id, drafts=True))
    assert (columns[3].name, columns[3].samples) == ("Groups", ("Juniors; Ladies",))
    for mapping in ({"Mail": "email"}, MAPPING):
        service.look(
            tenant_id=tenant.id, run_id=run_id, options=Options(mapping=mapping, dry_run=True), actor="system:test"
        )
        assert finish(tenant, run_id).created == 1
    service.run_after_dry_run(tenant_id=tenant.id, run_id=run_id, actor="system:test")
    assert finish(tenant, run_id).created == 1
    assert len(query(tenant, "SELECT FROM import_line WHERE kind = 'created'")) == 1
    for act in (
        lambda: service.look(tenant_id=tenant.id, run_id=run_id, options=Options(mapping=MAPPING), actor="system:test"),
        lambda: service.discard(tenant_id=tenant.id, run_id=run_id, actor="system:test"),
    ):
        with pytest.raises(NotNow):
            act()


def finish_none(tenant: Any) -> int:
    from app.capture.imports import work

    return work.run_batch(tenant_id=tenant.id, now=NOW)


def test_a_discarded_draft_is_gone_with_its_file(tenant: Any) -> None:
    run_id = draft(tenant)
    service.discard(tenant_id=tenant.id, run_id=run_id, actor="system:test")
    assert not query(tenant, "SELECT FROM import_chunk")


def test_encoding_and_delimiter_can_be_said(tenant: Any) -> None:
    run_id = service.draft(
        tenant_id=tenant.id,
        file=io.BytesIO("a,b;c\nŁucja,x;1\n".encode("cp1250")),
        file_name="p.csv",
        actor="system:test",
        encoding="cp1250",
        delimiter=";",
    )
    columns = queries.samples(queries.run(tenant_id=tenant.id, run_id=run_id, drafts=True))
    assert [(one.name, one.samples) for one in columns] == [("a,b", ("Łucja,x",)), ("c", ("1",))]


UK = ["Member No", "Club Name", "Salutation", "Forename", "Surname", "E-mail", "Mobile", "DOB", "Marketing Email"]


def test_the_mapping_that_fits_is_suggested(tenant: Any) -> None:
    assert mappings.suggest(tenant_id=tenant.id, header=UK).preset == "mca-v1-uk-members"
    guessed = mappings.suggest(tenant_id=tenant.id, header=["First name", "E-mail address", "Zodiac", ""])
    assert guessed.preset is None
    assert guessed.mapping == {"First name": "first_name", "E-mail address": "email", "Zodiac": "ignore", "": "ignore"}
    mine = mappings.save(
        tenant_id=tenant.id,
        name="  Our  list ",
        preset_name=None,
        columns=MAPPING,
        formats={"date_order": "mdy"},
        actor="system:test",
    )
    found = mappings.suggest(tenant_id=tenant.id, header=HEADER.upper().split(","))
    assert (found.saved, found.formats) == (mine, {"date_order": "mdy"})


def test_a_saved_mapping_is_replaced_by_its_name_deleted_and_restored(tenant: Any) -> None:
    for columns in ({"A": "email"}, {"B": "email"}):
        mine = mappings.save(
            tenant_id=tenant.id, name="Ours", preset_name=None, columns=columns, formats={}, actor="system:test"
        )
    assert [one.columns for one in mappings.saved(tenant_id=tenant.id)] == [{"B": "email"}]
    mappings.delete(tenant_id=tenant.id, mapping_id=mine, actor="system:test")
    assert not mappings.saved(tenant_id=tenant.id)
    mappings.restore(tenant_id=tenant.id, mapping_id=mine, actor="system:test")
    assert mappings.one(tenant_id=tenant.id, mapping_id=mine).name == "Ours"
    with pytest.raises(Invalid):
        mappings.save(tenant_id=tenant.id, name=" ", preset_name=None, columns={}, formats={}, actor="system:test")


def test_a_mapping_comes_back_neither_beside_its_namesake_nor_over_the_limit(
    tenant: Any, client: Any, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in()
    monkeypatch.setattr(mappings, "MAX_MAPPINGS", 2)
    by = {"preset_name": None, "columns": {"A": "email"}, "formats": {}, "actor": "system:test"}
    gone = mappings.save(tenant_id=tenant.id, name="Ours", **by)
    mappings.delete(tenant_id=tenant.id, mapping_id=gone, actor="system:test")
    namesake = mappings.save(tenant_id=tenant.id, name="Ours", **by)
    undo = f"/customers/imports/mappings/{gone}/restore"
    assert "There is another mapping called Ours by now." in client.post(undo, follow_redirects=True).text
    mappings.delete(tenant_id=tenant.id, mapping_id=namesake, actor="system:test")
    for name in ("First", "Second"):
        mappings.save(tenant_id=tenant.id, name=name, **by)
    assert "mappings already. Delete one first." in client.post(undo, follow_redirects=True).text
    assert [one.name for one in mappings.saved(tenant_id=tenant.id)] == ["First", "Second"]


@pytest.mark.committed
def test_of_two_namesakes_restored_at_once_one_comes_back(real_db: str, app: Any) -> None:
    tenant: Any = make_tenant()
    by = {"preset_name": None, "columns": {"A": "email"}, "formats": {}, "actor": "system:test"}
    gone = []
    for _ in range(6):
        gone.append(mappings.save(tenant_id=tenant.id, name="Ours", **by))
        mappings.delete(tenant_id=tenant.id, mapping_id=gone[-1], actor="system:test")
    together = threading.Barrier(len(gone))

    def restore(mapping_id: UUID) -> bool:
        with app.app_context():
            together.wait(30)
            try:
                mappings.restore(tenant_id=tenant.id, mapping_id=mapping_id, actor="system:test")
            except mappings.CannotRestore:
                return False
            return True

    with ThreadPoolExecutor(len(gone)) as pool:
        assert sorted(pool.map(restore, gone)) == [False] * 5 + [True]
