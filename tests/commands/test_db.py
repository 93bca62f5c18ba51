"""`revsaga db`: where the tables stand, and bringing them up to date."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from activities.store.migrate import migrate
from tests.activities.postgres import Postgres
from tests.builders.embedded import revsaga_later


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncIterator[str]:
    name = await postgres.create(empty=True)
    yield postgres.server.uri(name)
    await postgres.drop(name)


async def test_status_migrate_status(empty: str) -> None:
    environment = {"REVSAGA_DATABASE_URL": empty}
    before = await revsaga_later("db", "status", environment=environment)
    assert before.code == 1
    assert "0001" in before.out
    assert "fix: revsaga db migrate" in before.out
    done = await revsaga_later("db", "migrate", "--json", environment=environment)
    assert done.code == 0
    assert done.json["done"][0].startswith("0001")
    after = await revsaga_later("db", "status", "--json", environment=environment)
    assert after.code == 0
    assert after.json["up_to_date"] is True
    again = await revsaga_later("db", "migrate", "--json", environment=environment)
    assert (again.code, again.json["done"]) == (0, [])


async def test_a_part_of_the_way_is_named(empty: str) -> None:
    await migrate(empty)
    await migrate(empty, "0003")
    found = await revsaga_later("db", "status", "--json", environment={"REVSAGA_DATABASE_URL": empty})
    assert found.code == 1
    assert found.json["current"] == "0003"
    assert found.json["pending"][0].startswith("0004")


async def test_a_newer_database_is_left_alone(postgres: Postgres, database_url: str) -> None:
    import asyncpg

    from activities.store.database import without_driver

    connection = await asyncpg.connect(without_driver(database_url))
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    environment = {"REVSAGA_DATABASE_URL": database_url}
    found = await revsaga_later("db", "status", environment=environment)
    assert found.code == 1
    assert "newer" in found.out
    done = await revsaga_later("db", "migrate", environment=environment)
    assert done.code == 3
    assert "fix: install the newer version" in done.err


async def test_no_database_is_exit_4_with_a_fix(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://revsaga@/revsaga?host={tmp_path}"
    down = await revsaga_later("db", "status", environment={"REVSAGA_DATABASE_URL": url})
    assert down.code == 4
    assert "fix: " in down.err
    unnamed = await revsaga_later("db", "status", "--json", environment={})
    assert unnamed.code == 4
    assert unnamed.json["error"]["code"] == "store-not-named"


async def test_a_secret_may_be_a_file_in_the_folder_of_secrets(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "revsaga_database_url").write_text(database_url + "\n", encoding="utf-8")
    found = await revsaga_later("db", "status", environment={"REVSAGA_SECRETS_DIR": str(tmp_path)})
    assert found.code == 0
    absent = await revsaga_later("db", "status", environment={"REVSAGA_SECRETS_DIR": str(tmp_path / "none")})
    assert absent.code == 4
    assert "REVSAGA_SECRETS_DIR" in absent.err
