"""A journey as a file and as a picture."""

import io
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from app.accounts.models import Tenant
from app.infra.errors import Invalid
from app.journeys import files, queries, service
from app.journeys.graph import Note
from app.journeys.kinds import check_graph
from app.journeys.models import Journey
from tests.conftest import make_tenant
from tests.journeys.helpers import JOINED, journey, send, step, template, wait


def made(tenant: Tenant) -> Journey:
    sent = template(tenant.id, "Welcome")
    steps = [wait("w", "s", "2 days"), send("s", "e", sent), step("e", "END")]
    found = journey(tenant.id, steps, active=False, trigger_type=JOINED, max_enrollments=7)
    note = Note("n", "<Ask> Lindiwe", "blue", "w", 150, 0)
    return service.put_note(tenant_id=tenant.id, journey_id=found.id, actor="system", note=note)


def written(tenant: Tenant, found: Journey) -> str:
    known = queries.known(tenant_id=tenant.id)
    return json.dumps(files.written(found, queries.draft(found), known), default=str)


def test_a_file_comes_in_again_as_it_went_out(tenant: Tenant) -> None:
    found = made(tenant)
    copy, missing = files.bring(tenant_id=tenant.id, actor="system", file=written(tenant, found))
    assert missing == []
    assert (copy.name, copy.max_enrollments, copy.trigger_type) == ("Welcome (2)", 7, JOINED)
    assert queries.draft(copy) == queries.draft(found)
    assert queries.draft(copy).notes == queries.draft(found).notes
    assert queries.draft_history(tenant_id=tenant.id, journey=copy).undo is None


def test_what_has_the_same_name_elsewhere_is_found_and_the_rest_flagged(tenant: Tenant) -> None:
    file, other = written(tenant, made(tenant)), make_tenant()
    lacking, missing = files.bring(tenant_id=other.id, actor="system", file=file, name="Taken over")
    assert (lacking.name, missing) == ("Taken over", ["the template “Welcome”"])
    graph = queries.draft(lacking)
    assert graph.steps["s"].config["template_id"]
    problems = check_graph(graph, queries.known(tenant_id=other.id))
    assert [(one.step_key, one.field) for one in problems] == [("s", "template_id")]
    here = template(other.id, "Welcome")
    whole, missing = files.bring(tenant_id=other.id, actor="system", file=file)
    assert missing == []
    assert queries.draft(whole).steps["s"].config["template_id"] == str(here)


@pytest.mark.parametrize(
    "file",
    ["", "hello", "[]", "{}", '{"steps": [{"key": 1}]}', '{"steps": [], "settings": {"timezone": "Mars"}}',
     '{"steps": [], "settings": {"max_enrollments": "x"}}', '{"steps": [], "notes": 3}',
     '{"steps": [], "settings": {"description": 5}}', '{"steps": [], "settings": {"description": "a\\u0000"}}',
     '{"steps": [], "name": "a\\u0000"}', '{"steps": [], "name": "a\\ud800"}',
     '{"steps": [], "notes": [{"id": "n", "text": "a", "colour": "blue", "step": "\\u0000", "x": 0, "y": 0}]}'],
)  # fmt: skip
def test_what_is_no_journey_makes_none(tenant: Tenant, file: str) -> None:
    with pytest.raises(Invalid) as refused:
        files.bring(tenant_id=tenant.id, actor="system", file=file)
    assert list(refused.value.errors) == ["file"]
    assert queries.journeys(tenant_id=tenant.id).items == []


def test_file_and_picture_on_their_pages(client: Any, sign_in: Any, tenant: Tenant) -> None:
    found = made(tenant)
    sign_in("marketer")
    file = client.get(f"/journeys/{found.id}/file")
    assert "Welcome.json" in file.headers["Content-Disposition"]
    sent = {"file": (io.BytesIO(file.data), "Welcome.json"), "name": "Again"}
    answer = client.post("/journeys/import", sent, status=302)
    assert re.search(r"/journeys/[0-9a-f-]+$", answer.location)
    wrong = client.post("/journeys/import", {"file": (io.BytesIO(b"no"), "a.json"), "name": "Mine"}, status=422)
    assert "holds no journey" in wrong.text
    assert 'value="Mine"' in wrong.text
    picture = client.get(f"/journeys/{found.id}/picture")
    assert picture.content_type.startswith("image/svg+xml")
    root = ElementTree.fromstring(picture.data)
    told = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Wait 2 days", "<Ask> Lindiwe", "End"} <= set(told)
    assert "Wait" not in told, "said once, as on the card"


def test_one_that_counts_up_a_field_that_is_not_here_can_be_opened(client: Any, sign_in: Any, tenant: Tenant) -> None:
    sign_in("marketer")
    counting = {"updates": [{"field": "custom.visits", "operation": "add", "value": 1}]}
    steps = [step("t", "TRIGGER", "u", {"event_type": JOINED}), step("u", "UPDATE", None, counting)]
    found, _ = files.bring(tenant_id=tenant.id, actor="system", file=json.dumps({"steps": steps}))
    for page in ("", "/steps/u", "/publish", "/picture"):
        client.get(f"/journeys/{found.id}{page}", status=200)
    assert "Nothing can be added to this field; set it." in client.get(f"/journeys/{found.id}/steps/u").text
