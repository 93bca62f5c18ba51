"""Bring the database to the newest tables. Several processes may try at once: one does it, the others see it done."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from activities.store.database import typed_failures, with_driver
from activities.store.tables import METADATA
from canonical.base import Model

_LOCK = 0x52455653  # "REVS": the advisory lock that migrations take turns with


class MigrationStatus(Model):
    """Where the database stands. `pending` lists what `revsaga db migrate` would do, oldest first."""

    current: str | None
    newest: str
    pending: tuple[str, ...]
    unknown: bool = False

    @property
    def up_to_date(self) -> bool:
        """Nothing is pending, and the database is not newer than this program."""
        return not self.pending and not self.unknown


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _status(connection: Connection) -> MigrationStatus:
    scripts = ScriptDirectory.from_config(_config())
    current = MigrationContext.configure(connection).get_current_revision()
    newest = scripts.get_current_head()
    if newest is None:
        raise RuntimeError("there is no migration")
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        return MigrationStatus(current=current, newest=newest, pending=(), unknown=True)
    steps = [] if current == newest else list(scripts.iterate_revisions(newest, current or "base"))
    pending = tuple(f"{step.revision} {step.doc}" for step in reversed(steps))
    return MigrationStatus(current=current, newest=newest, pending=pending)


def _upgrade(connection: Connection, to: str) -> MigrationStatus:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = _config()
    config.attributes["connection"] = connection
    before = _status(connection)
    if to == "head":
        command.upgrade(config, "head")
    else:
        command.downgrade(config, to)
    return before


async def _run(url: str, work: Any, *args: object) -> Any:
    engine = create_async_engine(with_driver(url), pool_size=1)
    try:
        with typed_failures():
            async with engine.begin() as connection:
                return await connection.run_sync(work, *args)
    finally:
        await engine.dispose()


async def migrate(url: str, to: str = "head") -> tuple[str, ...]:
    """Run what is pending (or go back to the revision `to`) in one transaction; returns what was pending before.

    Raises Transient `store-unavailable` or Misconfigured `store-refused`.
    """
    before: MigrationStatus = await _run(url, _upgrade, to)
    return before.pending


async def status(url: str) -> MigrationStatus:
    """Where the database stands; changes nothing."""
    found: MigrationStatus = await _run(url, _status)
    return found


async def differences(url: str) -> list[str]:
    """What autogenerate would change: empty when migrations and tables agree."""

    def compare(connection: Connection) -> list[str]:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return [repr(difference) for difference in compare_metadata(context, METADATA)]

    found: list[str] = await _run(url, compare)
    return found
