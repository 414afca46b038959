"""Statements on endpoints in back-off, roles, and the offices' keys."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, or_, select, update

from gateway.journal.query import Query, inserting, names
from gateway.journal.tables import api_key, endpoint, role

_id: BindParameter[Any] = bindparam("id")
_now: BindParameter[Any] = bindparam("now")
_limit: BindParameter[Any] = bindparam("limit")

ENDPOINT = Query(
    select(endpoint.c.failures, endpoint.c.failing_since, endpoint.c.next_try_at).where(
        endpoint.c.name == bindparam("of")
    )
)
PUT_ENDPOINT = Query(
    lambda new: (stmt := new(endpoint)).on_conflict_do_update(
        index_elements=("name",), set_={name: stmt.excluded[name] for name in ("failures", "next_try_at")}
    ),
    *names(endpoint),
)
FORGIVE = Query(delete(endpoint).where(endpoint.c.name == bindparam("of")))
ENDPOINTS = Query(select(*endpoint.columns).order_by(endpoint.c.name))

TAKE_ROLE = Query(
    lambda new: (stmt := new(role)).on_conflict_do_update(
        index_elements=("name",),
        set_={"holder": stmt.excluded.holder, "until": stmt.excluded.until},
        where=or_(role.c.holder == stmt.excluded.holder, role.c.until <= _now),
    ),
    *names(role),
)
RELEASE_ROLE = Query(delete(role).where(role.c.name == bindparam("of"), role.c.holder == bindparam("by")))

ADD_KEY = inserting(api_key)
REVOKE_KEY = Query(
    update(api_key).where(api_key.c.key_id == _id, api_key.c.revoked_at.is_(None)).values(revoked_at=_now)
)
OFFICE_OF_KEY = Query(
    select(api_key.c.office).where(api_key.c.hash == bindparam("hashed"), api_key.c.revoked_at.is_(None))
)
KEYS = Query(
    select(api_key.c.key_id, api_key.c.office, api_key.c.label, api_key.c.added_at, api_key.c.revoked_at).order_by(
        api_key.c.added_at, api_key.c.key_id
    )
)
