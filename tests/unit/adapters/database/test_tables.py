import pytest
from sqlalchemy import inspect

from adapters.office import database as adapter
from adapters.office.database import tables
from gateway.errors import NeedsOperator
from tests.unit.adapters.database.servers import DDL


def test_the_shipped_ddl_makes_exactly_the_tables_that_the_adapter_knows(stand):
    found = inspect(stand.database.engine)
    assert set(found.get_table_names()) == set(tables.metadata.tables)
    for table in tables.metadata.sorted_tables:
        made = {column["name"]: column for column in found.get_columns(table.name)}
        assert list(made) == [column.name for column in table.columns]
        for column in table.columns:
            there = made[column.name]
            assert there["nullable"] == column.nullable, column
            assert getattr(there["type"], "length", None) == getattr(column.type, "length", None), column
            assert isinstance(there["type"], column.type._type_affinity), column
        key = found.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key.columns]


def test_the_two_scripts_differ_only_in_types():
    def bare(dialect):
        text = (DDL / f"{dialect}.sql").read_text(encoding="utf-8").splitlines()[2:]
        for theirs, common in (("BYTEA", "BLOB"), ("BIGINT", "INTEGER")):
            text = [line.replace(theirs, common) for line in text]
        return [" ".join(line.split()) for line in text]

    assert bare("sqlite") == bare("postgresql")


async def test_everything_that_is_missing_is_said_at_once(stand):
    stand.sql("DROP TABLE lt_handed")
    stand.sql("ALTER TABLE lt_in_message DROP COLUMN about")
    office = stand.connect()
    with pytest.raises(NeedsOperator, match=r"lt_handed, lt_in_message.about|lt_in_message.about, lt_handed"):
        await office._database.check()
    await office.close()


async def test_the_tables_may_be_in_a_schema_of_their_own(stand):
    if stand.database.name == "sqlite":
        pytest.skip("SQLite has no schemas")
    stand.sql("ALTER SCHEMA public RENAME TO esb")
    office = stand.connect(schema_name="esb")
    await office._database.check()
    await office.close()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "url_file"),
        ({"url_file": "/nowhere/url"}, "url_file"),
        ({"url_env": "LT_NO_SUCH_VARIABLE"}, "url_env"),
        ({"url_file": "/nowhere/url", "url_env": "BOTH"}, "url_file"),
        ({"url_file": "{good}", "files": "/nowhere"}, "files"),
        ({"url_file": "{good}", "piece_bytes": 1}, "piece_bytes"),
    ],
)
def test_wrong_options_are_named(tmp_path, options, field):
    (tmp_path / "url").write_text("sqlite:////nowhere/office.sqlite")
    filled = {name: str(tmp_path / "url") if value == "{good}" else value for name, value in options.items()}
    assert [problem.field for problem in adapter.check(filled)] == [field]


@pytest.mark.parametrize("url", ["no url, but pa55word", "sqlite:///relative.sqlite", "sqlite://"])
def test_a_url_that_cannot_be_used_is_never_repeated(tmp_path, url):
    (tmp_path / "url").write_text(url)
    (problem,) = adapter.check({"url_file": str(tmp_path / "url")})
    assert problem.code == "database-url-unfit"
    assert "pa55word" not in problem.message
