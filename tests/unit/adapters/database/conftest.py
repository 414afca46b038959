import datetime as dt

import pytest
from sqlalchemy import insert, select

from adapters.office import database as adapter
from gateway.ports import OfficeContext
from tests.unit.adapters.database import servers

NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)


class Stand:
    """An office with its database, and the gateway's adapter to it."""

    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        (folder / "url").write_text(database.url + "\n")
        self.options = {"url_file": str(folder / "url"), "interval_seconds": 0.02, "lease_seconds": 1}
        self.now = lambda: dt.datetime.now(dt.UTC)

    def connect(self, **options):
        return adapter.connect(self.options | options, OfficeContext("so-noi-vu", self.folder, {}, self.now))

    def rows(self, table, **where):
        statement = select(table).where(*(table.c[name] == value for name, value in where.items()))
        with self.database.engine.begin() as connection:
            return [row._asdict() for row in connection.execute(statement.order_by(*table.primary_key.columns))]

    def write(self, table, *rows):
        with self.database.engine.begin() as connection:
            for row in rows:
                connection.execute(insert(table), row)

    def sql(self, statement):
        with self.database.engine.begin() as connection:
            return connection.exec_driver_sql(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
def stand(request, tmp_path):
    with servers.database(request.param, tmp_path) as database:
        yield Stand(database, tmp_path)
