"""A second look at YouTube posts that were delivered before: what they are now, and which are gone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from connectors.model import Allowance, Batch, Mention
from connectors.youtube import Settings
from connectors.youtube.line import Api, Meter, batches, by_id
from connectors.youtube.posts import checked_id, dicts, read_comment, read_thread, read_video, readable, text_of


class Recheck:
    """The present form of mentions that were delivered before."""

    def __init__(self, api: Api, settings: Settings, allowance: Allowance, meter: Meter) -> None:
        self._api = api
        self._ours = settings.channel_id
        self._now = allowance.now
        self._meter = meter
        self._found: dict[str, Mention] = {}
        self._videos: dict[str, tuple[str, str]] = {}

    def run(self, ids: tuple[str, ...]) -> Batch:
        """A batch without a cursor; an id that the allowance does not reach is left open."""
        asked = list(dict.fromkeys(ids))
        missing_videos = self._look_at_videos([i for i in asked if may_be_video(i)])
        comments = [i for i in asked if not is_video(i) and (not may_be_video(i) or i in missing_videos)]
        gone = {i for i in missing_videos if is_video(i)} | self._look_at_comments(comments)
        if gone and not self._found and not self._is_sighted():
            gone = set()
        wanted = {i: self._found[i] for i in asked if i in self._found}
        return Batch(
            tuple(wanted.values()),
            gone=tuple(i for i in asked if i in gone and i not in wanted),
            spent=dict(self._meter.spent),
        )

    def _look_at_videos(self, ids: Sequence[str]) -> set[str]:
        missing: set[str] = set()
        for batch in batches(ids):
            if not self._meter.can():
                break
            items, lost = by_id(self._api, "videos", self._meter, self._now, batch, "snippet,statistics")
            missing |= lost
            self._keep(readable(dicts(items), lambda item: read_video(item, self._ours)))
        return missing

    def _look_at_comments(self, ids: Sequence[str]) -> set[str]:
        """Threads first, for they alone say which video they are under; then what is left, comment by comment."""
        self._look_at_threads(list(dict.fromkeys(i.split(".")[0] for i in ids)))
        left = [i for i in ids if i not in self._found]
        missing: set[str] = set()
        for batch in batches(left):
            if not self._meter.can():
                break
            items, lost = by_id(self._api, "comments", self._meter, self._now, batch, "snippet")
            missing |= lost
            raw = dicts(items)
            parents = {_parent_of(item) for item in raw} - self._videos.keys() - {""}
            self._look_at_threads([parent for parent in parents if parent not in ids])
            self._keep(readable(raw, self._read_comment))
        return missing

    def _look_at_threads(self, ids: Sequence[str]) -> None:
        for batch in batches(ids):
            if not self._meter.can():
                return
            items, _ = by_id(self._api, "commentThreads", self._meter, self._now, batch, "snippet,replies")
            for thread in readable(dicts(items), lambda item: read_thread(item, self._ours)):
                self._videos[thread.id] = (thread.video, thread.channel)
                self._keep((thread.mention, *thread.embedded))

    def _read_comment(self, item: Mapping[str, Any]) -> Mention:
        comment_id = checked_id(item["id"])
        thread = _parent_of(item) or comment_id
        video, channel = self._videos.get(thread, ("", ""))
        return read_comment(item, self._ours, thread=thread, video=video, channel=channel)

    def _keep(self, mentions: Iterable[Mention]) -> None:
        self._found |= {mention.external_id: mention for mention in mentions}

    def _is_sighted(self) -> bool:
        """Whether the service shows us anything at all: before we believe that everything is gone."""
        if not self._meter.can():
            return False
        page = self._api.list("channels", self._meter, self._now, part="snippet", id=self._ours)
        return bool(page.get("items"))


def _parent_of(item: Mapping[str, Any]) -> str:
    snippet = item.get("snippet")
    found = text_of(snippet, "parentId") if isinstance(snippet, dict) else ""
    return found or (str(item.get("id")).partition(".")[0] if "." in str(item.get("id")) else "")


def is_video(external_id: str) -> bool:
    """Whether this is surely the id of a video: eleven characters, where a comment's has 26 and more."""
    return re.fullmatch(r"[\w-]{11}", external_id) is not None


def may_be_video(external_id: str) -> bool:
    """Whether this could be the id of a video."""
    return is_video(external_id) or not (external_id.startswith("Ug") or "." in external_id)
