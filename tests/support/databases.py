"""A database of one's own on the server that tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """Its address; it is without any table. At the end nobody may be connected to it any more."""
    name = f"own_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
