"""Whoever pushes a segment is killed (-9) in the middle, again and again; the receiver counts whom it was told of."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest

from app.infra import clock
from tests.conftest import make_tenant
from tests.segments.pushing import a_segment, let_in, people, put, sync_of
from tests.segments.receiver import Told, receiving

PEOPLE, PAGE = 40, 14
PUSHING = """
import sys
from datetime import datetime
from uuid import UUID
from app.factory import create_app
from app.segments.sync import work

work.BATCH = int(sys.argv[3])
with create_app().app_context():
    while work.push_one(tenant_id=UUID(sys.argv[1]), now=datetime.fromisoformat(sys.argv[2])):
        pass
"""


@pytest.mark.committed
def test_nobody_is_missed_and_what_is_told_twice_can_be_told_by_its_id(
    real_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant: Any = make_tenant()
    segment = a_segment(tenant)
    members = people(tenant, PEOPLE)
    let_in(tenant, segment, *members)
    now = clock.now()
    with receiving(monkeypatch) as receiver:
        put(tenant, segment, receiver, now=now)
        workers: list[subprocess.Popen[bytes]] = []

        def kill_some(told: Told) -> None:
            """Kill the worker while it waits for the answer to every second request."""
            if len(receiver.told) % 2 == 0:
                workers[-1].send_signal(signal.SIGKILL)
                workers[-1].wait()

        receiver.on_told = kill_some
        for turn in range(PEOPLE):
            at = now + timedelta(minutes=turn)
            given = [str(tenant.id), at.isoformat(), str(PAGE)]
            workers.append(subprocess.Popen([sys.executable, "-c", PUSHING, *given], env=os.environ.copy()))
            if workers[-1].wait() == 0:
                break
        assert [one.returncode for one in workers] == [-signal.SIGKILL] * (len(workers) - 1) + [0]
        assert len(workers) > 2, "somebody was killed"
        told: dict[str, list[str]] = {}
        for one in receiver.told:
            ids = [contact["externalId"] for contact in one.json["contacts"]]
            assert told.setdefault(one.id, ids) == ids, "what has one id says one thing"
        assert [id_ for ids in told.values() for id_ in ids] == [str(one) for one in members]
        assert len(receiver.told) > len(told), "some was told twice"
    assert sync_of(tenant, segment).status == "LIVE"
