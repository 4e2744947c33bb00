"""Full-text search over mentions that forgets with them.

SQLite keeps an FTS5 table beside the mentions; PostgreSQL searches the text itself. Whoever clears a mention's words
calls ``forget`` in the same transaction; ``index`` is called when words are stored.
"""

from __future__ import annotations

import re

from sqlalchemy import text
from sqlalchemy.orm import Session


def index(session: Session, mention_id: int, words: str | None) -> None:
    """Make a mention findable by its words, in the caller's transaction."""
    if not _is_sqlite(session):
        return
    forget(session, mention_id)
    if words:
        session.execute(
            text("INSERT INTO mention_search(rowid, words) VALUES (:id, :words)"), {"id": mention_id, "words": words}
        )


def forget(session: Session, mention_id: int) -> None:
    """Take a mention out of the index, in the caller's transaction."""
    if _is_sqlite(session):
        session.execute(text("DELETE FROM mention_search WHERE rowid = :id"), {"id": mention_id})


def find(session: Session, query: str, limit: int = 200) -> list[int]:
    """Ids of mentions whose words match all words of ``query``, newest first. Signs of a query language are taken
    literally."""
    words = re.findall(r"\w+", query)[:12]
    if not words:
        return []
    if _is_sqlite(session):
        matched = " AND ".join(f'"{word}"' for word in words)
        found = session.execute(
            text(
                "SELECT m.id FROM mention_search s JOIN mention m ON m.id = s.rowid "
                "WHERE mention_search MATCH :query AND m.text IS NOT NULL ORDER BY m.posted_at DESC LIMIT :limit"
            ),
            {"query": matched, "limit": limit},
        )
    else:
        found = session.execute(
            text(
                "SELECT id FROM mention WHERE to_tsvector('simple', coalesce(text, '')) @@ "
                "plainto_tsquery('simple', :query) ORDER BY posted_at DESC LIMIT :limit"
            ),
            {"query": " ".join(words), "limit": limit},
        )
    return [row[0] for row in found]


def purge(session: Session) -> None:
    """Rewrite the index so that nothing of what was taken out stays in its pages (reliability notes, 0.10)."""
    if _is_sqlite(session):
        session.execute(text("INSERT INTO mention_search(mention_search) VALUES ('optimize')"))


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
