"""What a round of LinkedIn takes in: notifications, and single things that are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from connectors.errors import CredentialsRejected, SetupRejected, shape_of
from connectors.linkedin.line import COMMENTS, POSTS, Gone, Line, elements_of, is_whole
from connectors.linkedin.nouns import (
    COMMENT,
    DAMAGED,
    URN,
    actor_of,
    author_of,
    comment_link,
    comment_urn,
    encoded,
    link_to,
    moment_of,
    ms_of,
    plain_text,
    read_comment,
    read_post,
    table_of,
    text_of,
    thread_of,
    urn_of,
    wording,
)
from connectors.linkedin.place import Place
from connectors.model import Batch, Coverage, Kind, Mention


class Eye:
    """Turns LinkedIn's nouns into ours and looks single ones up."""

    def __init__(self, api: Line, own: str, take: Take, place: Place | None = None) -> None:
        self._api = api
        self._own = own
        self._take = take
        self._place = place or Place(0)
        self._first_look = place is not None

    def notification(self, item: Mapping[str, Any], at: int) -> None:
        """Take in one notification (``at`` is its time); raises one of ``DAMAGED`` where it cannot be read."""
        action = str(item["action"])
        decorated = table_of(item.get("decoratedGeneratedActivity"))
        comment, share = table_of(decorated.get("comment")), table_of(decorated.get("share"))
        if action == "LIKE":
            return
        self._note_source(item)
        if action in {"COMMENT", "COMMENT_EDIT", "COMMENT_DELETE", "ADMIN_COMMENT"} or (comment and not share):
            self._comment(item, action, comment, at)
        elif action in {"SHARE", "SHARE_MENTION"} or share:
            self._share(item, action, share, at)
        else:
            raise ValueError("an action that we do not know")

    def _note_source(self, item: Mapping[str, Any]) -> None:
        """Learn which activity belongs to which of our posts."""
        source, entity = item.get("sourcePost"), table_of(item.get("decoratedSourcePost")).get("entity")
        if isinstance(source, str) and isinstance(entity, str) and entity in self._place.watch:
            self._place.watch[entity][3] = source if ":activity:" in source and URN.fullmatch(source) else ""

    def _comment(self, item: Mapping[str, Any], action: str, comment: Mapping[str, Any], at: int) -> None:
        place, take = self._place, self._take
        source = urn_of(item["sourcePost"]) if item.get("sourcePost") else ""
        key = comment_urn(comment.get("entity")) or comment_urn(item.get("generatedActivity"))
        if key is None:
            key = urn_of(item.get("generatedActivity") or comment.get("entity"))
        known = place.words.get(key, 0)
        if known > at or (known == at and action != "COMMENT_EDIT"):  # a later wording, or the deletion, is known
            take.date_back(key, moment_of(at))
            return
        if action == "COMMENT_DELETE":
            place.words[key] = at
            place.todo.pop(key, None)
            take.forget(key)
            return
        if action == "COMMENT_EDIT":
            place.words[key] = at
        thread = urn_of(comment["object"]) if comment.get("object") else thread_of(key) or source
        text = text_of(comment.get("text"))
        owner = actor_of(comment.get("owner"))
        own = action == "ADMIN_COMMENT" or owner == self._own
        if text is None or own:
            place.todo[key] = at  # its text; and of an answer by us, what it answers
        if text is None and action == "COMMENT_EDIT":
            return
        take.add(
            Mention(
                platform="linkedin",
                external_id=key,
                kind=Kind.OWN_POST if own else Kind.COMMENT,
                text=text,
                url=comment_link(thread, key),
                posted_at=moment_of(at),
                author=author_of(owner or (self._own if own else None)),
                edited_at=moment_of(at) if action == "COMMENT_EDIT" else None,
                parent=place.post_of(thread),
                thread=thread,
            )
        )

    def _share(self, item: Mapping[str, Any], action: str, share: Mapping[str, Any], at: int) -> None:
        place = self._place
        key = urn_of(share.get("entity") or item.get("generatedActivity") or item.get("sourcePost"))
        text = text_of(share.get("text"))
        if action == "SHARE" and share and text is None:
            return  # our post passed on without a word
        if not share:
            place.todo[key] = at
        owner = actor_of(share.get("owner"))
        source = urn_of(item["sourcePost"]) if item.get("sourcePost") else ""
        self._take.add(
            Mention(
                platform="linkedin",
                external_id=key,
                # a post that tags us names us; one passed on, or without words, is about us by its place
                kind=Kind.MENTION if action == "SHARE_MENTION" and text else Kind.TAG,
                text=plain_text(text) if text else None,
                url=link_to(key),
                posted_at=moment_of(at),
                author=author_of(owner),
                parent=place.post_of(source) if action == "SHARE" and source != key else None,
                names_us=True,  # LinkedIn tells us of it as of something that tags us or passes our post on
            )
        )

    def present(self, mention: Mention) -> None:
        """Take in the present form of a comment that was read whole, and remember how new the wording is."""
        if mention.edited_at is not None:
            words = self._place.words
            words[mention.external_id] = max(words.get(mention.external_id, 0), ms_of(mention.edited_at))
        if mention.parent == mention.thread:
            mention = replace(mention, parent=self._place.post_of(mention.thread or ""))
        self._take.add(mention, whole=True)

    def look_at(self, ids: tuple[str, ...], *, about: dict[str, int] | None = None) -> None:
        """Look up posts and comments, several of one thread in one call. Takes those that are settled out of ``about``.

        Ends quietly where the allowance does; raises what concerns the whole stream.
        """
        about = about if about is not None else {}
        threads: dict[str, list[str]] = {}
        for key in ids:
            threads.setdefault(thread_of(key) or "", []).append(key)
        for key in threads.pop("", []):
            self._look_at_post(key, about)
        for thread, keys in threads.items():
            if len(keys) > 1 and self._api.can(COMMENTS):
                self._look_at_thread(thread, keys, about)
            for key in keys:
                if key not in self._take.looked:
                    self._look_at_comment(key, about)

    def _look_at_thread(self, thread: str, keys: list[str], about: dict[str, int]) -> None:
        try:
            page = self._api.comments(thread, 0)
        except Gone:
            return
        wanted = set(keys)
        for item in elements_of(page):
            try:
                mention = read_comment(item, self._own, thread)
            except DAMAGED:
                self._take.odd(item)
                continue
            if mention.external_id in wanted:
                self._settle(mention, about)

    def _look_at_comment(self, key: str, about: dict[str, int]) -> None:
        parts = COMMENT.fullmatch(key)
        if parts is None or not self._api.can(COMMENTS):
            return
        thread = f"urn:li:{parts[1]}:{parts[2]}"
        try:
            item = self._api.get(COMMENTS, f"socialActions/{encoded(thread)}/comments/{encoded(parts[3])}")
            self._settle(replace(read_comment(item, self._own, thread), external_id=key), about)
        except Gone:
            about.pop(key, None)
            self._take.forget(key)
        except DAMAGED:
            about.pop(key, None)
            self._take.odd(item)

    def _look_at_post(self, key: str, about: dict[str, int]) -> None:
        if not self._api.can(POSTS) or not URN.fullmatch(key):
            return
        try:
            item = self._api.get(POSTS, f"posts/{encoded(key)}")
        except (Gone, CredentialsRejected, SetupRejected) as error:
            if is_whole(error):
                raise
            about.pop(key, None)
            # at the first look, a member's post that we may not read: the link is what we have (platform facts, 4.2)
            if isinstance(error, Gone) and not self._first_look:
                self._take.forget(key)
            return
        about.pop(key, None)
        try:
            mention = replace(read_post(item, self._place.activity_of(key), self._own), external_id=key)
            self._take.add(mention, whole=True)
        except DAMAGED:
            self._take.odd(item)

    def _settle(self, mention: Mention, about: dict[str, int]) -> None:
        about.pop(mention.external_id, None)
        self.present(mention)


@dataclass(slots=True)
class Take:
    """What one fetch gathered: each id once, with its newest wording."""

    mentions: dict[str, Mention] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    looked: set[str] = field(default_factory=set)
    dropped: int = 0
    shapes: list[str] = field(default_factory=list)
    suspect: str | None = None
    gap: str | None = None

    def add(self, mention: Mention, *, whole: bool = False) -> None:
        """Add ``mention`` unless a newer wording, or the same read ``whole``, is there."""
        key = mention.external_id
        known = self.mentions.get(key)
        if key in self.gone or (known is not None and not whole and self._is_poorer(mention, known)):
            return
        if whole:
            self.looked.add(key)
        elif known is not None:
            mention = replace(mention, posted_at=min(known.posted_at, mention.posted_at))
        self.mentions[key] = mention

    def _is_poorer(self, mention: Mention, known: Mention) -> bool:
        if known.external_id in self.looked or (mention.text is None and known.text is not None):
            return True
        return known.text is not None and wording(known) > wording(mention)

    def date_back(self, key: str, posted_at: datetime) -> None:
        """An edited comment turns out to have been written earlier."""
        known = self.mentions.get(key)
        if known is not None and posted_at < known.posted_at and key not in self.looked:
            self.mentions[key] = replace(known, posted_at=posted_at)

    def forget(self, key: str) -> None:
        """``key`` was deleted."""
        self.mentions.pop(key, None)
        self.gone[key] = None

    def odd(self, item: object) -> None:
        """An entry that cannot be read is counted by its shape; the rest of its page goes on."""
        self.dropped += 1
        if len(self.shapes) < 10:
            self.shapes.append(shape_of(item))

    def batch(self, cursor: str | None, spent: Mapping[str, int], coverage: Coverage, *, more: bool) -> Batch:
        """All of it as the daemon takes it, oldest first."""
        mentions = sorted(self.mentions.values(), key=lambda m: (m.posted_at, m.external_id))
        return Batch(
            tuple(mentions),
            gone=tuple(self.gone),
            cursor=cursor,
            more=more,
            spent=dict(spent),
            coverage=coverage,
            dropped=self.dropped,
            shapes=tuple(self.shapes),
        )
