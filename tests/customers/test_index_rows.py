"""What customers are found by: the rows of words and tags say what the customers say, whatever was done to them.

No foreign key holds them to it; triggers do (docs/adr/0008). FAIRWAY_INDEX_SEEDS says how many ways things are done in.
"""

import os
import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.capture import contacts, desk, merging
from app.capture.desk import Entry
from app.capture.imports import service as imports
from app.customers import contact_points, mass_update, queries, tags
from app.customers.models import Customer
from app.customers.records import hint_words
from app.infra.errors import UserError
from app.privacy import service as privacy
from tests.capture.people import NOW, STAFF, event, member, post, query
from tests.capture.test_imports import finish
from tests.privacy import somebody

FIRST, LAST = ("Anna", "Ben", "Zoë", "Anna-Mae", "C.J."), ("Botha", "van der Merwe", "O'Brien", "Ærø", "Botha 2")
TAGS = ("VIP", "vip", "Ladies", "Juniors, no", "Émile", "A b c")
# What the columns say each row must say, and nothing else.
ASTRAY = {
    "words": """
        WITH said AS (
            SELECT DISTINCT c.id, r.word, r.words FROM customer c CROSS JOIN LATERAL customer_word_rows(c.words) AS r
        ), kept AS (SELECT customer_id, word, words FROM customer_word)
        (SELECT 'missing' AS what, * FROM (TABLE said EXCEPT ALL TABLE kept) AS one)
        UNION ALL (SELECT 'too many', * FROM (TABLE kept EXCEPT ALL TABLE said) AS other)
    """,
    "tags": """
        WITH said AS (
            SELECT DISTINCT c.id, t.tag, c.sort_name FROM customer c CROSS JOIN LATERAL unnest(c.tags) AS t(tag)
        ), kept AS (SELECT customer_id, tag, sort_name FROM customer_tag)
        (SELECT 'missing' AS what, * FROM (TABLE said EXCEPT ALL TABLE kept) AS one)
        UNION ALL (SELECT 'too many', * FROM (TABLE kept EXCEPT ALL TABLE said) AS other)
    """,
    "words of columns": """
        SELECT id, words FROM customer WHERE words IS DISTINCT FROM customer_words(
            concat_ws(' ', last_name, first_name, email, ltrim(phone, '+'), search_extra))
    """,
    "tags that no list has": """
        SELECT DISTINCT t.tag FROM customer c CROSS JOIN LATERAL unnest(c.tags) AS t(tag)
        WHERE NOT EXISTS (SELECT FROM tag WHERE tag.tenant_id = c.tenant_id AND tag.name = t.tag)
    """,
}


class Club:
    """A club in which all sorts of things are done at random."""

    def __init__(self, tenant: Any, seed: int) -> None:
        self.tenant, self.chance = tenant, random.Random(seed)
        self.number = 0
        self.by = {"tenant_id": tenant.id, "actor": STAFF, "now": NOW}
        self.runs: list[UUID] = []

    def somebody(self) -> Customer:
        ids = [row.id for row in query(self.tenant, "SELECT id FROM customer WHERE status = 'ACTIVE' ORDER BY id")]
        return queries.customer(tenant_id=self.tenant.id, customer_id=self.chance.choice(ids))

    def a_tag(self) -> tuple[UUID, str]:
        rows = query(self.tenant, "SELECT id, name FROM tag WHERE deleted_at IS NULL ORDER BY name")
        row = self.chance.choice(rows)
        return row.id, row.name

    def next(self) -> int:
        self.number += 1
        return self.number

    def some_tags(self) -> list[str]:
        return self.chance.sample([one for one in TAGS if "," not in one], self.chance.randrange(3))

    def event(self) -> None:
        number = self.next()
        shared = {"email": f"p{number // 2}@example.com"} if number % 3 else {"phone_number": f"08245510{number:02}"}
        name = {"first_name": self.chance.choice(FIRST), "last_name": self.chance.choice(LAST)}
        post(self.tenant, member(number, f"M{number // 3}", scl=f"M{number // 3}", **shared) | {"payload": name})
        post(self.tenant, event(1000 + number, teetime_player_id=f"T{number}", scl_member_id=f"M{number // 3}"))

    def enter(self) -> None:
        number = self.next()
        profile = {"tags": self.some_tags()}
        entry = Entry(self.chance.choice(FIRST), self.chance.choice(LAST), f"d{number}@example.com", profile=profile)
        desk.enter(**self.by, entry=entry, actor_name="Desk")

    def edit(self) -> None:
        changes = {
            "first_name": self.chance.choice((*FIRST, None)),
            "last_name": self.chance.choice(LAST),
            "email": f"New.{self.next()}@example.com",
            "tags": self.some_tags(),
        }
        some = dict(self.chance.sample(sorted(changes.items()), 2))
        contacts.change(**self.by, customer_id=self.somebody().id, changes=some)

    def contact(self) -> None:
        who = self.somebody().id
        points = contact_points.points(tenant_id=self.tenant.id, customer_id=who)
        if points and self.chance.random() < 0.5:
            gone = contacts.remove(**self.by, customer_id=who, point_id=self.chance.choice(points).id)
            if self.chance.random() < 0.5:
                contacts.give_back(**self.by, customer_id=who, gone=gone)
        else:
            kind = self.chance.choice(("email", "phone", "whatsapp"))
            value = f"extra{self.next()}@example.com" if kind == "email" else f"+2782551{self.next():04}"
            contacts.add(**self.by, customer_id=who, kind=kind, value=value)

    def many(self) -> None:
        ids = sorted({self.somebody().id for _ in range(4)})
        mass_update.change_all(
            tenant_id=self.tenant.id,
            customer_ids=ids,
            set_fields={"last_name": self.chance.choice(LAST)},
            add_tags=self.some_tags(),
            remove_tags=self.some_tags(),
            now=NOW,
        )

    def rename_tag(self) -> None:
        tags.change(**self.by, tag_id=self.a_tag()[0], name=f"Renamed {self.next()}")

    def merge_tags(self) -> None:
        tags.merge(**self.by, tag_id=self.a_tag()[0], into_id=self.a_tag()[0])

    def delete_tag(self) -> None:
        gone = self.a_tag()[0]
        tags.delete(**self.by, tag_id=gone)
        if self.chance.random() < 0.5:
            tags.restore(**self.by, tag_id=gone)

    def merge(self) -> None:
        merging.merge_customers(**self.by, winner_id=self.somebody().id, loser_id=self.somebody().id)

    def unmerge(self) -> None:
        rows = query(self.tenant, "SELECT id FROM customer_merge WHERE undone_at IS NULL ORDER BY merged_at DESC, id")
        merging.undo(**self.by, merge_id=self.chance.choice(rows).id)

    def erase(self) -> None:
        privacy.erase(tenant_id=self.tenant.id, customer_id=self.somebody().id, actor=STAFF)
        somebody.run(self.tenant)

    def bring(self) -> None:
        lines = ["first_name,last_name,email,member_number,tag"]
        for _ in range(4):
            number = self.next()
            known = f"p{number // 4}@example.com" if number % 2 else f"i{number}@example.com"
            names = f"{self.chance.choice(FIRST)},{self.chance.choice(LAST)}"
            lines.append(f"{names},{known},I{number},{self.chance.choice(TAGS[:3])}")
        run = somebody.import_file(
            self.tenant, "\n".join(lines) + "\n", on_match=self.chance.choice(("update", "fill"))
        )
        self.runs.append(run.id)

    def undo_import(self) -> None:
        run_id = self.runs.pop()
        imports.undo(tenant_id=self.tenant.id, run_id=run_id, actor=STAFF)
        finish(self.tenant, run_id)


ACTS: dict[Callable[[Club], None], int] = {
    Club.event: 6,
    Club.enter: 3,
    Club.edit: 6,
    Club.contact: 6,
    Club.many: 3,
    Club.rename_tag: 3,
    Club.merge_tags: 2,
    Club.delete_tag: 3,
    Club.merge: 4,
    Club.unmerge: 3,
    Club.erase: 2,
    Club.bring: 3,
    Club.undo_import: 2,
}


def astray(tenant: Any) -> dict[str, list[Any]]:
    """Return what is not as the customers say, by what it is about."""
    found = {what: query(tenant, statement) for what, statement in ASTRAY.items()}
    hints = query(
        tenant,
        """
        SELECT c.id, c.search_extra, (SELECT array_agg(ARRAY[h.kind, h.value]) FROM (
            SELECT kind, key AS value FROM contact_point p WHERE p.customer_id = c.id
            UNION ALL SELECT kind, value FROM external_id e WHERE e.customer_id = c.id
        ) AS h) AS hints FROM customer c WHERE status = 'ACTIVE'
        """,
    )
    found["words of addresses and ids"] = [
        (row.id, said ^ known)
        for row in hints
        if (said := set((row.search_extra or "").split())) != (known := hint_words(map(tuple, row.hints or ())))
    ]
    return {what: rows for what, rows in found.items() if rows}


@pytest.mark.parametrize("seed", range(int(os.environ.get("FAIRWAY_INDEX_SEEDS", "2"))))
def test_rows_of_words_and_tags_say_what_the_customers_say(tenant: Any, seed: int) -> None:
    club = Club(tenant, seed)
    for _ in range(4):
        club.event()
        club.enter()
    club.many()
    done: dict[str, int] = {}
    for act in club.chance.choices(list(ACTS), list(ACTS.values()), k=60):
        try:
            act(club)
        except (UserError, IndexError):
            # Two who can't be merged, a tag that is there already, nothing left to undo.
            continue
        done[act.__name__] = done.get(act.__name__, 0) + 1
        assert astray(tenant) == {}, (act.__name__, done)
    assert len(done) >= len(ACTS) - 2, done
