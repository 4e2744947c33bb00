"""One invented world that all five stand-ins show: who posted what, where and when, on a movable clock."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connectors.model import Author, Kind

NewId = Callable[["World", "Post"], str]
"""How a platform names a new post; registered by each stand-in in ``World.namers``."""


@dataclass(frozen=True, slots=True)
class Version:
    """One wording of a post. ``id`` differs from the post's own only where edits are new posts (X)."""

    text: str | None
    at: datetime
    id: str = ""


@dataclass(slots=True)
class Post:
    """Something said in the world. ``parent`` and ``thread`` are ids of other posts on the same platform.

    ``visible_at`` may lie after ``posted_at``: a late arrival. ``extra`` is for what one platform alone knows.
    """

    platform: str
    id: str
    kind: Kind
    author: Author
    posted_at: datetime
    versions: list[Version]
    parent: str | None = None
    thread: str | None = None
    visible_at: datetime | None = None
    likes: int = 0
    shares: int = 0
    replies: int = 0
    deleted_at: datetime | None = None
    hidden: bool = False
    changed_at: datetime | None = None
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str | None:
        """The newest wording."""
        return self.versions[-1].text

    @property
    def edited(self) -> bool:
        """Whether there is more than one wording."""
        return len(self.versions) > 1


class World:
    """Posts on five platforms and a clock that tests and the demo may move. Safe to use from many threads."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self._real_now = now or (lambda: datetime.now(UTC))
        self._offset = timedelta()
        self.lock = threading.RLock()
        self.namers: dict[str, NewId] = {}
        self.count = itertools.count(1)
        self._posts: dict[tuple[str, str], Post] = {}
        self.own: dict[str, Author] = {}

    def now(self) -> datetime:
        """The world's time, aware UTC, to the millisecond."""
        now = self._real_now() + self._offset
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def move(self, by: timedelta) -> None:
        """Move the clock."""
        self._offset += by

    def say(
        self,
        platform: str,
        kind: Kind | str,
        text: str | None,
        *,
        author: Author | None = None,
        parent: Post | None = None,
        at: datetime | None = None,
        visible_at: datetime | None = None,
        likes: int = 0,
        shares: int = 0,
        replies: int = 0,
        **extra: object,
    ) -> Post:
        """Let somebody post. An ``own_post`` is by the organisation's account (``own``) unless told otherwise."""
        kind = Kind(kind)
        with self.lock:
            posted_at = at or self.now()
            if author is None:
                author = (
                    self.own.get(platform, Author(name="We", handle="we", id="1"))
                    if kind is Kind.OWN_POST
                    else (Author(name="Sam Example", handle="sam_example", id="777"))
                )
            post = Post(
                platform,
                "",
                kind,
                author,
                posted_at,
                [Version(text, posted_at)],
                parent=parent.id if parent else None,
                thread=(parent.thread or parent.id) if parent else None,
                visible_at=visible_at,
                likes=likes,
                shares=shares,
                replies=replies,
                changed_at=posted_at,
                extra=dict(extra),
            )
            post.id = self.namers[platform](self, post)
            post.versions[0] = replace(post.versions[0], id=post.id)
            self._posts[platform, post.id] = post
            while parent is not None:
                parent.replies += 1
                parent.changed_at = posted_at
                parent = self._posts.get((platform, parent.parent)) if parent.parent else None
            return post

    def edit(self, post: Post, text: str, *, at: datetime | None = None) -> None:
        """Change the wording of ``post``."""
        with self.lock:
            moment = at or self.now()
            new = replace(post, id="", posted_at=moment)
            post.versions.append(Version(text, moment, self.namers[post.platform](self, new)))
            post.changed_at = moment

    def delete(self, post: Post) -> None:
        """Take ``post`` down; its replies stay."""
        with self.lock:
            post.deleted_at = self.now()

    def get(self, platform: str, post_id: str) -> Post | None:
        """The post with this id, deleted or not."""
        with self.lock:
            return self._posts.get((platform, post_id))

    def posts(self, platform: str) -> Iterator[Post]:
        """All posts of a platform that can be seen now, oldest first."""
        with self.lock:
            now = self.now()
            found = [
                post
                for (where, _), post in self._posts.items()
                if where == platform and post.deleted_at is None and (post.visible_at or post.posted_at) <= now
            ]
        yield from sorted(found, key=lambda post: (post.posted_at, post.id))
