# SPDX-License-Identifier: Apache-2.0
"""The two kinds of databases that Nova is tried on, as their administrator sees them."""

from __future__ import annotations

import abc
import itertools
import re
from typing import Any

from build_scripts.cloud.module import Cloud
from build_scripts.cloud.modules import mariadb, postgresql
from build_scripts.cloud.node import Node

#: Nova's databases: its API's, and one for each cell.
API, CELL0, CELL1 = "nova_api", "nova_cell0", "nova"
ALL = (API, CELL0, CELL1)


class Database(abc.ABC):
    """A server with databases for Nova."""

    name: str

    def __init__(self, modules: dict[str, Any]) -> None:
        self.state = modules["mariadb"].state

    @abc.abstractmethod
    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL by which Nova comes."""

    @abc.abstractmethod
    def query(self, database: str, statement: str) -> list[list[str]]:
        """Return the rows of a query, each a list of the columns' texts; NULL is an empty one or `NULL`."""

    @abc.abstractmethod
    def recreate(self, database: str) -> None:
        """Make an empty database in the place of whatever is there."""

    @abc.abstractmethod
    def schema(self, database: str) -> str:
        """Return the definitions of all tables, without rows, as the server's own dump has them.

        The order of a table's indexes is left out.
        """

    def columns(self, database: str) -> set[tuple[str, str, str]]:
        """Return (table, column, is_nullable) of each column that is ours by its name."""
        rows = self.query(
            database,
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns"
            f" WHERE {self._here(database)} AND column_name LIKE 'fpga%'",
        )
        return {(row[0], row[1], row[2]) for row in rows}

    def tables(self, database: str) -> set[str]:
        """Return the names of the tables."""
        where = self._here(database)
        rows = self.query(database, f"SELECT table_name FROM information_schema.tables WHERE {where}")
        return {row[0] for row in rows}

    #: Why an unpatched Nova cannot archive deleted servers there, as its error names it; None where it can.
    cannot_archive: str | None = None

    @abc.abstractmethod
    def mend(self, database: str) -> None:
        """Mend what keeps Nova from archiving deleted servers."""

    @abc.abstractmethod
    def _here(self, database: str) -> str:
        """Return the condition on information_schema for the tables of a database."""


class MariaDB(Database):
    """MariaDB of the controller."""

    name = "mariadb"

    def __init__(self, modules: dict[str, Any]) -> None:
        super().__init__(modules)
        self._node: Node = modules["mariadb"].node
        self._cloud: Cloud = modules["mariadb"].cloud

    def url(self, database: str) -> str:
        """See the base class."""
        return self._cloud.database_url(database, "nova")

    def query(self, database: str, statement: str) -> list[list[str]]:
        """See the base class."""
        output = self._client("mariadb", "--batch", "--skip-column-names", database, text=statement)
        return [line.split("\t") for line in output.splitlines()]

    def recreate(self, database: str) -> None:
        """See the base class."""
        self._client("mariadb", text=f"DROP DATABASE IF EXISTS {database}")
        mariadb.make_databases(self._cloud, self._node)
        # The scratch databases are none of the cloud's.
        self._client(
            "mariadb",
            text=f"CREATE DATABASE IF NOT EXISTS {database}; GRANT ALL ON {database}.* TO 'nova'@'127.0.0.1'",
        )

    def schema(self, database: str) -> str:
        """See the base class."""
        dump = self._client("mariadb-dump", "--no-data", "--skip-comments", database)
        # Nova's migrations make a table's indexes in the order of a set, another one each time.
        lines = [line.rstrip(",") for line in re.sub(r" AUTO_INCREMENT=\d+", "", dump).splitlines()]
        runs = itertools.groupby(lines, key=lambda line: line.startswith(("  KEY ", "  UNIQUE KEY ")))
        return "\n".join(line for index, run in runs for line in (sorted(run) if index else run))

    def mend(self, database: str) -> None:
        """See the base class; nothing does."""

    def _here(self, database: str) -> str:
        return f"table_schema = '{database}'"

    def _client(self, program: str, *arguments: str, text: str = "") -> str:
        # Root comes in by the socket, without a password.
        options = ("--no-defaults", "--socket=/run/mysqld/mysqld.sock")
        return self._node.run([program, *options, *arguments], text=text)


class PostgreSQL(Database):
    """PostgreSQL of the controller."""

    name = "postgresql"
    # Nova's migrations give each ENUM column of a shadow table a type of its own, which PostgreSQL takes for another.
    cannot_archive = "DatatypeMismatch"

    def __init__(self, modules: dict[str, Any]) -> None:
        super().__init__(modules)
        self._server: postgresql.PostgreSQL = modules["postgresql"]

    def url(self, database: str) -> str:
        """See the base class."""
        port, password = self.state.port("postgresql"), self.state.secret("nova-database")
        return f"postgresql+psycopg2://nova:{password}@127.0.0.1:{port}/{database}"

    def query(self, database: str, statement: str) -> list[list[str]]:
        """See the base class."""
        output = self._psql(statement, f"--dbname={database}")
        return [line.split("\t") for line in output.splitlines()]

    def recreate(self, database: str) -> None:
        """See the base class."""
        if not self._psql("SELECT 1 FROM pg_roles WHERE rolname = 'nova'"):
            self._psql(f"CREATE ROLE nova LOGIN PASSWORD '{self.state.secret('nova-database')}'")
        self._psql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self._psql(f"CREATE DATABASE {database} OWNER nova")

    def schema(self, database: str) -> str:
        """See the base class."""
        dump = self._server.client("pg_dump", "--schema-only", database)
        # Newer versions put a random word into each dump.
        return re.sub(r"(?m)^\\(un)?restrict .*\n", "", dump)

    def mend(self, database: str) -> None:
        """Give the columns of shadow tables the types of those that they are the shadows of."""
        rows = self.query(
            database,
            "SELECT shadow.table_name, shadow.column_name, base.udt_name FROM information_schema.columns AS shadow"
            " JOIN information_schema.columns AS base ON shadow.table_name = 'shadow_' || base.table_name"
            " AND shadow.column_name = base.column_name AND shadow.table_schema = base.table_schema"
            f" WHERE shadow.{self._here(database)} AND shadow.udt_name <> base.udt_name",
        )
        for table, column, kind in rows:
            self._psql(
                f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind} USING {column}::text::{kind}",
                f"--dbname={database}",
            )

    def _here(self, database: str) -> str:
        return "table_schema = 'public'"

    def _psql(self, statement: str, *arguments: str) -> str:
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t")
        return self._server.client("psql", *options, "--set=ON_ERROR_STOP=1", *arguments, text=statement)


KINDS = {kind.name: kind for kind in (MariaDB, PostgreSQL)}
