"""`make run`: everything Fairway needs, on this machine, in one go.

Starts PostgreSQL and Redis unless DATABASE_URL and REDIS_URL name others, brings the database up to date, fills
in the demo club, and keeps the processes of the Procfile running until it is told to stop.
"""

import argparse
import base64
import fcntl
import hashlib
import http.client
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import redis

from app.cli.supervisor import Service, StartError, Supervisor
from app.infra import processes, session_lock
from app.infra.embedded import EmbeddedError, Postgres, Redis, Server

ROOT = Path(__file__).resolve().parents[2]
MARK = "FAIRWAY_SUPERVISED"
COUNTS = {"worker": int(os.environ.get("FAIRWAY_WORKERS") or 2)}
MIGRATION_LOCK = 0x66616972
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """The person at the screen, or the system, asked for the end."""


def say(text: str = "") -> None:
    """Show `text` on the screen; a screen that has gone away is no reason to stop."""
    with suppress(OSError):
        print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.cli.run", description=__doc__)
    parser.add_argument("--stop", action="store_true", help="stop what runs in FAIRWAY_HOME")
    parser.add_argument("--end-with-parent", action="store_true", help="stop when the process that started this ends")
    parser.add_argument("--exec", nargs=argparse.REMAINDER, metavar="COMMAND", help="run one command beside it")
    options = parser.parse_args(arguments)
    home = Path(os.environ.get("FAIRWAY_HOME") or ROOT / "var").absolute()
    try:
        if options.stop:
            return stop(home)
        if options.exec:
            return execute(home, options.exec)
        return Run(home, end_with_parent=options.end_with_parent).run()
    except (StartError, EmbeddedError) as error:
        print(f"Fairway did not start: {error}", file=sys.stderr)
    except OSError as error:
        place = error.filename or home
        print(
            f"Fairway did not start: it cannot write to {place} ({error.strerror}). "
            "Change the owner of that folder, or set FAIRWAY_HOME to a folder of your own.",
            file=sys.stderr,
        )
    return 1


def stop(home: Path) -> int:
    """Stop the run in `home`, or what a killed one left behind."""
    pid = _running(home)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        while _running(home) is not None:
            time.sleep(0.1)
    _stop_leftovers(home)
    if home.exists():
        Redis(home).stop()
        Postgres(home).stop()
    say("Fairway is stopped." if pid else "Fairway was not running.")
    return 0


def execute(home: Path, command: list[str]) -> int:
    """Run `command` in the surroundings `make run` gives its processes; start the databases for it if need be."""
    settings = Settings(home, port=_port())
    started: list[Server] = []
    for server in settings.embedded():
        if not server.is_ready():
            started.append(server)
        server.start()
    try:
        return subprocess.run(command, cwd=ROOT, env=settings.environment(), check=False).returncode
    finally:
        for server in started:
            server.stop()


class Settings:
    """Where things are in this run: given by the environment, else made up for this machine and kept in `home`."""

    def __init__(self, home: Path, port: int) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.port = port
        self.host = os.environ.get("HOST") or "127.0.0.1"
        self.postgres = None if os.environ.get("DATABASE_URL") else Postgres(home)
        self.redis = None if os.environ.get("REDIS_URL") else Redis(home)
        self.mailbox_port = None if os.environ.get("SMTP_URL") else _free_port()

    def embedded(self) -> list[Server]:
        """Return the servers that have to be started here."""
        return [server for server in (self.postgres, self.redis) if server is not None]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of Fairway's processes."""
        made = {
            "FAIRWAY_ENV": "development",
            "PUBLIC_URL": f"http://localhost:{self.port}",
            "SMTP_URL": f"smtp://127.0.0.1:{self.mailbox_port}",
            "HOST": self.host,
            **self._secrets(),
        }
        if self.mailbox_port is not None:
            # The mailbox takes mail to these addresses too, and passes it on.
            made["INBOUND_DOMAIN"] = "localhost"
            made["BUILTIN_MAILBOX"] = "1"
        if self.postgres is not None:
            made["DATABASE_URL"] = self.postgres.url
        if self.redis is not None:
            made["REDIS_URL"] = self.redis.url
        given = {name: value for name, value in os.environ.items() if value}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        fixed = {"PATH": path, "PORT": str(self.port), "FAIRWAY_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        return made | given | fixed

    def _secrets(self) -> dict[str, str]:
        """Return this machine's own keys, made on the first start: with others nobody could stay signed in."""
        path = self.home / "secrets.env"
        if not path.exists():
            made = {
                "SECRET_KEY": secrets.token_urlsafe(48),
                "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            }
            making = path.with_name(f"secrets.env.{os.getpid()}")
            with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.writelines(f"{name}={value}\n" for name, value in made.items())
            making.replace(path)
        lines = path.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


class Run:
    """One run, from the lock on its folder to the end of its last process."""

    def __init__(self, home: Path, *, end_with_parent: bool) -> None:
        self.home = home
        self.parent = os.getppid() if end_with_parent else None
        self.supervisor = Supervisor(say)

    def run(self) -> int:
        """Start everything, show one screen, and keep it running until a signal comes."""
        for number in STOP_SIGNALS:
            signal.signal(number, _raise_stopped)
        try:
            port = _port()
            (self.home / "log").mkdir(parents=True, exist_ok=True)
            with _alone(self.home) as tell:
                self._run(port, tell)
        except Stopped:
            pass
        say("Fairway is stopped.")
        return 0

    def _run(self, port: int, tell: Callable[[str], None]) -> None:
        settings = None
        try:
            _stop_leftovers(self.home)
            settings = Settings(self.home, port)
            _check_port(settings.host, settings.port)
            self._start(settings)
            self.supervisor.keep(self._goes_on)
        except Stopped:
            say("\nStopping Fairway ...")
        finally:
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            tell("stopping")
            self._stop(settings)

    def _goes_on(self) -> bool:
        if self.parent is not None and os.getppid() != self.parent:
            raise Stopped
        return True

    def _start(self, settings: Settings) -> None:
        say("Starting Fairway ...")
        for server in settings.embedded():
            self._start_server(server)
        environment = settings.environment() | {MARK: str(self.home)}
        _check_database(environment["DATABASE_URL"])
        _check_redis(environment["REDIS_URL"])
        sign_ins = self._prepare_database(settings, environment)
        commands = procfile()
        if settings.mailbox_port is None:
            del commands["mailbox"]
        for kind in ("mailbox", "web", "worker", "scheduler"):
            for number in range(COUNTS.get(kind, 1)):
                name = f"{kind}-{number + 1}" if kind in COUNTS else kind
                if kind in commands:
                    self._start_kind(name, commands[kind], environment)
        web = next(service for service in self.supervisor.services if service.name == "web")
        self.supervisor.wait(web, lambda: _answers(settings.host, settings.port))
        if settings.mailbox_port is not None:
            mailbox = next(service for service in self.supervisor.services if service.name == "mailbox")
            self.supervisor.wait(mailbox, lambda: _accepts("127.0.0.1", settings.mailbox_port or 0))
        self.supervisor.check()
        self._show(settings, environment, sign_ins)

    def _start_server(self, server: Server) -> None:
        def before(failures: int) -> None:
            if isinstance(server, Redis) and failures > 2:
                server.set_aside()
            server.prepare()

        service = Service(server.name, server.command, server.spawn_options(), server.log, before)
        self.supervisor.add(service)
        self.supervisor.wait(service, server.is_ready)
        server.finish()

    def _start_kind(self, name: str, command: str, environment: dict[str, str]) -> None:
        words = ["sh", "-c", f"exec {command}"]
        options: dict[str, Any] = {"cwd": ROOT, "env": environment}
        self.supervisor.add(Service(name, lambda: words, options, self.home / "log" / f"{name}.log"))

    def _prepare_database(self, settings: Settings, environment: dict[str, str]) -> str:
        """Bring the database up to date and fill in the demo; return the demo's sign-ins as lines to show.

        A database of the user's own gets the demo only if it was empty, or with FAIRWAY_DEMO=1.
        """
        url = _plain(environment["DATABASE_URL"])
        note = self.home / "demo"
        mark = hashlib.sha256(url.encode()).hexdigest()
        # Two starts may share a database; an advisory lock lets one of them migrate at a time.
        with psycopg.connect(url, autocommit=True) as connection:
            session_lock.take(connection, MIGRATION_LOCK)
            found = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
            was_empty = found is None or found[0] is None
            self._command(["flask", "--app", "wsgi", "db", "upgrade"], "migrate", environment)
            wanted = os.environ.get("FAIRWAY_DEMO") or ("1" if settings.postgres or was_empty else "0")
            if not (ROOT / "app" / "cli" / "demo.py").exists():
                return ""
            if wanted == "0" and not (note.exists() and note.read_text() == mark):
                return ""
            lines = self._command(["flask", "--app", "wsgi", "demo", "seed"], "demo", environment)
            note.write_text(mark)
        return lines

    def _command(self, command: list[str], name: str, environment: dict[str, str]) -> str:
        """Run one command to its end and return what it printed; StartError with the end of its log if it fails."""
        log = self.home / "log" / f"{name}.log"
        with log.open("w") as errors:
            ended = subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
                check=False,
            )
        if ended.returncode != 0:
            end = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-12:])
            raise StartError(f"`{shlex.join(command)}` failed. The end of its log, {log}:\n{end}")
        return ended.stdout

    def _show(self, settings: Settings, environment: dict[str, str], sign_ins: str) -> None:
        say()
        say(f"Fairway is ready at {environment['PUBLIC_URL']}")
        if settings.host not in ("127.0.0.1", "localhost", "::1"):
            say(f"It listens on {settings.host}: others on your network can reach it too.")
        if sign_ins.strip():
            say("\n" + sign_ins.strip("\n") + "\n")
        if settings.mailbox_port is not None:
            say("Mails go to the built-in mailbox, not to anybody: open Mailbox in the app.")
        if settings.postgres is not None and settings.postgres.note:
            say(settings.postgres.note)
        say(f"Data and logs: {self.home}")
        say("Stop with Ctrl-C." if sys.stdin and sys.stdin.isatty() else "Stop with Ctrl-C, or `make stop`.")

    def _stop(self, settings: Settings | None) -> None:
        names = {service.name for service in self.supervisor.services}
        databases = [server for server in settings.embedded() if server.name in names] if settings else []
        self.supervisor.stop(names - {server.name for server in databases}, grace=10.0)
        _stop_leftovers(self.home)
        for server in reversed(databases):
            server.stop()


def procfile() -> dict[str, str]:
    """Return the commands of the Procfile by kind: what runs here is what runs in production."""
    lines = (line.partition(":") for line in (ROOT / "Procfile").read_text().splitlines() if line.strip())
    return {kind.strip(): command.strip() for kind, _, command in lines}


def _raise_stopped(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def _stop_leftovers(home: Path) -> None:
    processes.stop(processes.carrying(MARK, str(home)), grace=5.0)


def _running(home: Path) -> int | None:
    """Return the process id of the run that holds `home`, or None."""
    try:
        with (home / "run.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                words = file.read().split()
                return int(words[0]) if words else None
    except FileNotFoundError:
        pass
    return None


@contextmanager
def _alone(home: Path) -> Iterator[Callable[[str], None]]:
    """Hold `home` for this run; yields a function that tells others how far it is. StartError if it is taken."""
    with (home / "run.lock").open("a+") as file:

        def tell(state: str) -> None:
            file.seek(0)
            file.truncate()
            file.write(f"{os.getpid()} {state}\n")
            file.flush()

        patience = time.monotonic() + 2.0
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                pid, _, state = file.read().strip().partition(" ")
                # A run that is about to end (its terminal was closed, say) is worth waiting for.
                if time.monotonic() > patience + (30.0 if state == "stopping" else 0.0):
                    raise StartError(
                        f"it is already running in {home} (process {pid}). Stop that one with Ctrl-C or "
                        "`make stop`, or set FAIRWAY_HOME and PORT to run a second one."
                    ) from None
                time.sleep(0.1)
        tell("running")
        yield tell


def _port() -> int:
    given = os.environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise StartError(f"PORT is {given!r}; set it to a number from 1 to 65535.")
    return int(given)


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise StartError(f"port {port} is reserved for the system; choose another: PORT=8000 make run.") from None
        except OSError as error:
            if isinstance(error, socket.gaierror):
                raise StartError(f"HOST is {host!r}, which is no address of this machine.") from None
            raise StartError(
                f"port {port} is taken by another program. Stop that one, or choose another port: "
                f"PORT={port + 1 if port < 65535 else 8000} make run."
            ) from None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _plain(url: str) -> str:
    """Return a DATABASE_URL in the form psycopg itself reads."""
    return "postgresql://" + url.partition("://")[2]


def _check_database(url: str) -> None:
    try:
        psycopg.connect(_plain(url), connect_timeout=5).close()
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1]
        raise StartError(f"the database that DATABASE_URL names cannot be reached: {reason}") from None


def _check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5.0) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise StartError(f"the Redis that REDIS_URL names cannot be reached: {error}") from None


def _accepts(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=2.0):
        return True
    return False


def _answers(host: str, port: int) -> bool:
    """Return whether the web server serves pages (not merely accepts connections)."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    connection = http.client.HTTPConnection(local, port, timeout=5.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
