"""Creating and upgrading the schema: each step once, with its record, in one transaction."""

from __future__ import annotations

from swarm_shared.domain.errors import DatabaseError
from swarm_shared.store import sql
from swarm_shared.store.engine.connection import APPLICATION_ID, Connection

SCHEMA_VERSION = 16


def prepare(connection: Connection) -> None:
    """Make the file hold the present schema, whether it is empty, older or present.

    Safe to call from several processes at once: one works, the others wait and find it done.

    Raises:
        DatabaseError: Not a file of this suite, or of a newer one.
    """
    if _version(connection) == SCHEMA_VERSION:
        return
    connection.use_wal()
    # Checked again inside the transaction: another process may have been quicker.
    with connection.transaction():
        version = _version(connection)
        if version == 0:
            connection.script(sql.schema())
            _stamp(connection, SCHEMA_VERSION)
            return
        for reached, script in sql.migrations():
            if reached > version:
                connection.script(script)
                _stamp(connection, reached)


def check(connection: Connection, *, may_upgrade: bool) -> None:
    """Refuse a file that these programs cannot read as it is.

    Args:
        may_upgrade: Whether `prepare` comes next; then an older schema is no trouble.

    Raises:
        DatabaseError: Not a file of this suite, of a newer one, or of an older one that is only to be read.
    """
    version = _version(connection)
    if version == 0:
        raise DatabaseError(
            f"{connection.path} contains no tasks yet", hint="import some: amplifier-swarm import-tasks FILE"
        )
    if version < SCHEMA_VERSION and not may_upgrade:
        raise DatabaseError(
            f"{connection.path} was written by an older version (schema {version}, this one reads {SCHEMA_VERSION})",
            hint="start the swarm: it upgrades the file and keeps everything in it",
        )


def _version(connection: Connection) -> int:
    application = connection.value("PRAGMA application_id")
    version = int(connection.value("PRAGMA user_version"))
    if application != APPLICATION_ID and connection.value("SELECT count(*) FROM sqlite_schema"):
        raise DatabaseError(
            f"{connection.path} is a database of another program",
            hint="choose another file with --db; nothing was changed",
        )
    if version > SCHEMA_VERSION:
        raise DatabaseError(
            f"{connection.path} was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="upgrade: pip install --upgrade amplifier-swarm",
        )
    return version


def _stamp(connection: Connection, version: int) -> None:
    connection.script(f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={version}")
