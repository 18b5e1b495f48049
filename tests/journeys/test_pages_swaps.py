"""What an edit answers: only what is different from what the page has, and after it the page is as a fresh one is."""

import re
from random import Random
from typing import Any
from xml.etree import ElementTree

import html5lib
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app.blueprints.journeys import presenters
from app.journeys import comments, queries, service
from app.journeys.models import Journey
from tests.journeys.helpers import asks, step, wait
from tests.page_client import make_user

FORK = [
    step("trigger", "TRIGGER", "c", {"event_type": "MANUAL"}),
    asks("c", "a", "b"),
    wait("a", "e", "1 day"),
    wait("b", "e", "2 days"),
    step("e", "WAIT", "f", {"duration": "3 days"}),
    step("f", "END"),
]
LIVE = ("is-new", "is-selected")


@pytest.fixture
def journey(tenant: Any) -> Journey:
    on = {"tenant_id": tenant.id, "actor": "system"}
    made = service.create(**on, name="Forked")
    return service.put_steps(**on, journey_id=made.id, steps=FORK)


@pytest.fixture
def marketer(client: Any, sign_in: Any) -> Any:
    sign_in("marketer")
    return client


class Shown:
    """The canvas as a page shows it: its parts by id and in their order, each with its place and as it was drawn."""

    def __init__(self, client: Any, journey: Journey) -> None:
        self.client, self.there = client, f"/journeys/{journey.id}"
        text = client.get(self.there).text
        self.head = attributes(text, "canvas")
        self.parts = {id: (at, drawn) for id, at, drawn in parts_of(text, "canvas")}
        self.marks = {id: mark_of(drawn) for id, (_, drawn) in self.parts.items()}

    def act(self, name: str, **form: str) -> str:
        """Do an edit and take what its answer brings; return the answer."""
        told = {"has": " ".join(self.marks.values()), "plan": self.head["data-plan"], **form}
        answer = self.client.post(f"{self.there}/{name}", {"revision": self.head["data-revision"], **told}, htmx=True)
        assert 'id="canvas-news"' in answer.text
        self._take(answer.text)
        return str(answer.text)

    def _take(self, text: str) -> None:
        news = attributes(text, "canvas-news")
        brought = {id: drawn for id, _, drawn in parts_of(text, "canvas-news")}
        assert not {mark_of(drawn) for drawn in brought.values()} & set(self.marks.values())
        known = {id: drawn for id, (_, drawn) in self.parts.items()} | brought
        places = {id: at for id, (at, _) in self.parts.items()}
        if "data-places" in news:
            lines = [line.split(" ", 1) for line in news["data-places"].split("\n")]
            places = {id: at.strip() for id, at in lines}
        self.parts = {id: (at, known[id]) for id, at in places.items()}
        self.marks = {id: mark_of(drawn) for id, (_, drawn) in self.parts.items()}
        self.head = {
            **self.head,
            **{name: news[name] for name in ("data-revision", "data-plan", "data-width", "data-height")},
        }


def tree_of(text: str, id: str) -> Any:
    found = html5lib.parse(text, namespaceHTMLElements=False)
    return next(one for one in found.iter() if one.get("id") == id)


def attributes(text: str, id: str) -> dict[str, str]:
    return dict(tree_of(text, id).items())


def parts_of(text: str, id: str) -> list[tuple[str, str, str]]:
    """Return (id, place, markup without the place and what the page's scripts see to) of each part, edges last."""
    found = []
    for one in tree_of(text, id).iter():
        if one.get("data-mark") is None:
            continue
        at = one.attrib.pop("data-at", "")
        kept = [name for name in one.get("class", "").split() if name not in (*LIVE, *at.split())]
        one.set("class", " ".join(kept))
        one.tail = None
        for inner in one.iter():
            inner.attrib.pop("aria-current", None)
        found.append((one.get("id"), at.strip(), ElementTree.tostring(one, encoding="unicode")))
    edges = [one for one in found if one[0].startswith("edge-")]
    return [one for one in found if one not in edges] + edges


def mark_of(drawn: str) -> str:
    return re.search(r'data-mark="([^"]+)"', drawn)[1]  # type: ignore[index]


def test_an_edit_brings_what_is_different_and_nothing_else(marketer: Any, journey: Journey) -> None:
    page = Shown(marketer, journey)
    answer = page.act("notes", text="Ask Lindiwe", step="a", colour="blue")
    assert [id for id, _, _ in parts_of(answer, "canvas-news")] == [next(id for id in page.parts if "note-" in id)]
    answer = page.act("steps", type="WAIT", after="e")
    brought = {id for id, _, _ in parts_of(answer, "canvas-news")}
    assert {"step-wait_4", "slot-wait_4-next"} <= brought
    assert not brought & {"step-a", "step-b", "step-c", "slot-trigger-next", "exit-c-yes"}
    assert page.parts == Shown(marketer, journey).parts
    assert list(page.parts) == list(Shown(marketer, journey).parts)


def test_any_edits_leave_the_page_as_a_fresh_one(marketer: Any, journey: Journey) -> None:
    draw = Random(12)
    page = Shown(marketer, journey)
    for turn in range(40):
        graph = queries.draft(queries.journey(tenant_id=journey.tenant_id, journey_id=journey.id))
        ways = [(one.key, exit) for one in graph for exit in one.exits]
        after, exit = draw.choice(ways)
        key = draw.choice([one.key for one in graph if one.key != "trigger"] or ["trigger"])
        kind = draw.choice(["SEND", "WAIT", "CONDITION", "SPLIT", "END", "JUMP"])
        acts: list[tuple[str, dict[str, str]]] = [
            ("steps", {"type": kind, "after": after, "exit": exit}),
            ("steps", {"type": "WAIT", "after": after, "exit": exit}),
            ("move", {"key": key, "after": after, "exit": exit}),
            ("remove", {"key": key}),
            ("undo", {}),
            ("redo", {}),
            ("connect", {"source": after, "exit": exit, "target": key}),
            ("notes", {"id": f"n{draw.randint(1, 3)}", "text": str(turn), "step": key, "x": "200"}),
        ]
        name, form = draw.choice(acts)
        if draw.random() < 0.2:
            marketer.http.set_cookie("fold", draw.choice(["c", "c.condition_2", ""]), path=page.there)
        if draw.random() < 0.2:
            form |= {"revision": "1"}  # somebody else was faster
        page.act(name, **form)
        page.act("canvas", open="")  # branches that what was done unfolded fold again
        fresh = Shown(marketer, journey)
        assert list(page.parts.items()) == list(fresh.parts.items()), (turn, name, form)
        assert page.head == fresh.head


def test_a_larger_journey_asks_the_database_no_more_often(marketer: Any, journey: Journey) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    def act(name: str, **form: str) -> list[str]:
        page = Shown(marketer, journey)
        asked.clear()
        event.listen(Engine, "before_cursor_execute", note)
        try:
            page.act(name, **form)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return [" ".join(one.split()) for one in asked if "SAVEPOINT" not in one]

    few = {name: act(name, **form) for name, form in (("steps", {"type": "WAIT", "after": "e"}), ("undo", {}))}
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id, "actor": "system"}
    for _ in range(40):
        service.insert_step(**on, type="WAIT", after="b")
    many = {name: act(name, **form) for name, form in (("steps", {"type": "WAIT", "after": "e"}), ("undo", {}))}
    assert {name: len(each) for name, each in many.items()} == {name: len(each) for name, each in few.items()}
    for each in many.values():
        read = [one for one in each if one.startswith(("SELECT", "WITH"))]
        assert sorted(set(read)) == sorted(read), "something is asked twice"


def test_a_page_that_tells_nothing_gets_everything(marketer: Any, journey: Journey) -> None:
    answer = marketer.post(f"/journeys/{journey.id}/canvas", {}, htmx=True, status=200)
    assert 'id="canvas"' in answer.text
    assert 'id="step-a"' in answer.text
    assert "canvas-news" not in answer.text


def test_a_panel_comes_again_where_it_is_another_one(marketer: Any, journey: Journey) -> None:
    page = Shown(marketer, journey)
    panel = marketer.get(f"{page.there}/steps/a", htmx=True).text
    mark = re.search(r'data-sheet="a" data-mark="([^"]+)"', panel)[1]  # type: ignore[index]
    assert 'id="step-form"' not in page.act("steps", type="WAIT", after="f", exit="next", open="a", panel=mark)
    assert 'id="step-form"' not in page.act("notes", text="x", step="b", open="a", panel=mark)
    # Its path no longer meets the other one.
    assert 'id="step-form"' in page.act("connect", source="b", exit="next", target="f", open="a", panel=mark)


def test_comments_of_others_come_with_the_next_edit(marketer: Any, journey: Journey) -> None:
    page = Shown(marketer, journey)
    on = {"tenant_id": journey.tenant_id, "journey_id": journey.id}
    by = {"author_id": make_user(journey.tenant_id, "marketer"), "author_name": "Lindiwe"}
    comments.add(**on, step_key="a", body="Why?", **by)
    answer = page.act("steps", type="WAIT", after="e")
    assert "step-a" in {id for id, _, _ in parts_of(answer, "canvas-news")}


def test_cards_say_where_they_can_go(marketer: Any, journey: Journey) -> None:
    text = marketer.get(f"/journeys/{journey.id}").text
    fork, end, line = (attributes(text, f"step-{key}") for key in "cfa")
    assert fork["data-block"] == "a b c"
    assert "data-closed" in end
    assert not {"data-block", "data-stuck", "data-closed"} & line.keys()
    assert re.search(r'class="palette-item" data-kind="END"[^>]* data-closed', text)


def test_a_mark_is_the_same_in_every_process() -> None:
    assert presenters.marked("a", 1) == "DYqkQngM"
    assert presenters.marked("\ud800") != presenters.marked("\ud801")
