"""`flask events load`."""

import json
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import text

from app.infra.db import transaction


def test_a_file_is_loaded_line_by_line(app: Flask, tenant: Any, tmp_path: Path) -> None:
    sound = {
        "id": "a",
        "type": "pos.purchase",
        "timestamp": "2026-10-20T10:00:00Z",
        "identity": {"email": "ann@example.com"},
    }
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join([json.dumps(sound), "", "{nonsense", json.dumps(sound), "[]"]))
    result = app.test_cli_runner().invoke(args=["events", "load", str(file), "--tenant", str(tenant.id)])
    assert result.exit_code == 0, result.output
    assert "1 accepted, 1 duplicate, 2 rejected" in result.output
    assert "not JSON" in result.output
    with transaction(tenant.id) as session:
        assert session.scalar(text("SELECT count(*) FROM inbound_event")) == 1


def test_the_organisation_must_be_clear(app: Flask, tenant: Any, other_tenant: Any, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("")
    result = app.test_cli_runner().invoke(args=["events", "load", str(file), "--tenant", "Nowhere"])
    assert result.exit_code == 1
    assert "--tenant" in result.output
