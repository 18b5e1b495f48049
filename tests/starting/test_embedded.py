"""The embedded PostgreSQL and Redis over what killed runs leave behind."""

import os
import socket
from pathlib import Path

import psycopg
import pytest

from app.infra.embedded import EmbeddedError, Postgres, Redis, servers_for_tests


def version(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    return str(row[0]).partition(".")[0]


@pytest.mark.parametrize("wanted", ["16", "18"])
def test_both_versions_start_again_over_stale_files(wanted: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRWAY_PG", wanted)
    postgres = Postgres(home, for_tests=True)
    url = postgres.start()
    assert version(url) == wanted
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT lower('É') AS letter")
    postgres.stop()
    assert not postgres.is_ready()

    # A recycled process id in the pid file, and sockets nobody listens on.
    (postgres.data / "postmaster.pid").write_text(f"{os.getpid()}\n{postgres.data}\n1\n5432\n\n\n\n\n")
    (postgres.socket_folder / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    (postgres.socket_folder / ".s.PGSQL.5432").touch()

    with psycopg.connect(Postgres(home, for_tests=True).start()) as connection:
        assert connection.execute("SELECT letter FROM kept").fetchone() == ("é",)
    assert Postgres(home, for_tests=True).start() == url
    with psycopg.connect(url) as connection:
        query = "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(query).fetchone() == (False, False, True)
    postgres.stop()


def test_a_half_made_cluster_is_set_aside_and_made_anew(home: Path) -> None:
    postgres = Postgres(home, for_tests=True)
    half, unfinished = postgres.data, postgres.folder / f"{postgres.version}.new"
    for folder in (half, unfinished):
        folder.mkdir()
        (folder / "PG_VERSION").write_text(f"{postgres.version}\n")
    assert version(postgres.start()) == postgres.version
    postgres.stop()
    assert not unfinished.exists()
    assert [path.name.partition("-")[0] for path in postgres.folder.glob("*.broken-*")] == [
        f"{postgres.version}.broken"
    ]


def test_a_deep_folder_gets_a_short_socket(home: Path) -> None:
    deep = home / ("deep" * 25)
    deep.mkdir(parents=True)
    postgres, redis = Postgres(deep, for_tests=True), Redis(deep)
    try:
        assert version(postgres.start()) == postgres.version
        redis.start()
        assert redis.is_ready()
    finally:
        postgres.stop()
        redis.stop()
        postgres.socket_folder.rmdir()
        redis.socket.parent.rmdir()


def test_redis_starts_over_a_stale_socket_and_keeps_its_data(home: Path) -> None:
    redis = Redis(home)
    redis.prepare()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(redis.socket))
    redis.start()
    with redis.client() as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    redis.stop()
    redis.start()
    with redis.client() as client:
        assert client.get("kept") == b"yes"
    redis.stop()


def test_test_runs_share_a_postgres_that_the_last_one_stops(home: Path) -> None:
    with servers_for_tests(home) as (database, redis):
        with servers_for_tests(home) as (other_database, other_redis):
            assert other_database == database
            assert other_redis != redis
        assert Postgres(home).is_ready()
    assert not Postgres(home).is_ready()


def test_an_unknown_version_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRWAY_PG", "9")
    with pytest.raises(EmbeddedError, match="FAIRWAY_PG is 9; set it to 16 or 18"):
        Postgres(home)
