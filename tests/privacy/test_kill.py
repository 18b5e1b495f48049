"""A worker that is killed (SIGKILL) in the middle of an erasure or export: another one goes on, nothing is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.privacy import queries, service
from tests.conftest import make_tenant
from tests.privacy import somebody
from tests.privacy.somebody import make, run, where_marks_are

ROOT = Path(__file__).parents[2]
# Says after each step that it is done, so that the test knows when it is in the middle of the next one.
WORKER = """
import sys
from uuid import UUID
from app.factory import create_app
from app.infra import clock
from app.privacy import work
with create_app().app_context():
    while work.run_batch(tenant_id=UUID(sys.argv[1]), now=clock.now()):
        print("step", flush=True)
"""


def work_and_die(url: str, tenant_id: UUID, steps: int) -> str:
    """Let a process of its own work, and kill it once it has done so many steps; return its log."""
    command = [sys.executable, "-c", WORKER, str(tenant_id)]
    environment = os.environ | {"DATABASE_URL": url}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(steps):
        assert process.stdout.readline() == "step\n"
    process.send_signal(signal.SIGKILL)
    _, logged = process.communicate()
    return logged


@pytest.mark.committed
def test_an_erasure_outlives_its_workers(real_db: str) -> None:
    tenant: Any = make_tenant()
    her = make(tenant)
    request_id = service.erase(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    logs = [work_and_die(real_db, tenant.id, steps) for steps in (4, 12)]
    found = queries.request(tenant_id=tenant.id, request_id=request_id)
    assert found.status == "RUNNING"
    assert found.step >= 16
    run(tenant)
    assert queries.request(tenant_id=tenant.id, request_id=request_id).status == "COMPLETED"
    assert where_marks_are(tenant) == {}
    assert not [one for one in somebody.MARKS if one in "".join(logs).lower()]


@pytest.mark.committed
def test_an_export_outlives_its_workers(real_db: str) -> None:
    tenant: Any = make_tenant()
    her = make(tenant)
    request_id = service.export(tenant_id=tenant.id, customer_id=her.id, actor=f"user:{her.owner}")
    work_and_die(real_db, tenant.id, 5)
    run(tenant)
    found = service.file(tenant_id=tenant.id, request_id=request_id, actor="system:test", sees_private=False)
    assert found.data[:2] == b"PK"
    assert queries.request(tenant_id=tenant.id, request_id=request_id).report["rows"]["customer"] == 2
