"""The YouTube connector itself: what is loaded only where YouTube is asked, for Google's library is heavy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from connectors.errors import ConnectorError, Unreachable
from connectors.model import Allowance, Batch, Finding, Level, Organisation
from connectors.youtube import Settings
from connectors.youtube.again import Recheck
from connectors.youtube.line import Api, Meter, next_day
from connectors.youtube.poll import Poll
from connectors.youtube.posts import count_of, dicts, read_thread, readable


class YouTubeConnector:
    """Hears one channel, and searches for videos that name its organisation."""

    def __init__(self, settings: Settings, organisation: Organisation) -> None:
        self._settings = settings
        self._organisation = organisation
        self._api = Api(settings.base_url, settings.api_key)

    def fetch(self, cursor: str | None, allowance: Allowance, /) -> Batch:
        """What is new on the channel, in our videos and in search since ``cursor``."""
        meter = Meter(allowance)
        try:
            return Poll(self._api, self._settings, self._organisation, cursor, allowance, meter).run()
        except ConnectorError as error:
            raise meter.settle(error) from None

    def recheck(self, ids: tuple[str, ...], allowance: Allowance, /) -> Batch:
        """The present form of comments, replies and videos, and those that are gone."""
        meter = Meter(allowance)
        try:
            return Recheck(self._api, self._settings, allowance, meter).run(ids)
        except ConnectorError as error:
            raise meter.settle(error) from None

    def examine(self, allowance: Allowance, /) -> tuple[Finding, ...]:
        """Whether the key works, the channel is there, its comments can be read, and what the quota buys."""
        meter = Meter(allowance)
        if not meter.can(leaving=1):
            return (Finding(Level.NOTE, "YouTube was not asked: the allowance is used up."),)
        try:
            findings = [*_examine_channel(self._api, self._settings, meter, allowance.now)]
        except Unreachable as error:
            raise meter.settle(error) from None
        except ConnectorError as error:
            findings = [Finding(Level.BAD, error.what, error.do)]
        return (*findings, *_examine_quota(self._settings, self._organisation, allowance.now))


def _examine_channel(api: Api, settings: Settings, meter: Meter, now: datetime) -> Iterator[Finding]:
    page = api.list("channels", meter, now, part="snippet,statistics,contentDetails", id=settings.channel_id)
    channels = dicts(page.get("items"))
    if not channels:
        yield Finding(
            Level.BAD,
            "There is no YouTube channel with the id of the settings.",
            "Look it up under youtube.com/account_advanced and put it into connectors.youtube.channel_id.",
        )
        return
    statistics = channels[0].get("statistics")
    videos = count_of(statistics.get("videoCount")) if isinstance(statistics, dict) else None
    yield Finding(Level.GOOD, f"The API key works, and the channel is there with {videos or 0} videos.")
    threads = api.list(
        "commentThreads",
        meter,
        now,
        part="snippet",
        allThreadsRelatedToChannelId=settings.channel_id,
        order="time",
        maxResults=20,
        textFormat="plainText",
    )
    heard = [t.mention.posted_at for t in readable(dicts(threads.get("items")), lambda i: read_thread(i, ""))]
    if heard:
        yield Finding(Level.GOOD, f"Its comments can be read; the newest is of {max(heard):%d %B %Y, %H:%M} UTC.")
    else:
        yield Finding(Level.NOTE, "It has no comments yet, or shows none.", "Compare with the channel itself.")


def _examine_quota(settings: Settings, organisation: Organisation, now: datetime) -> Iterator[Finding]:
    full = next_day(now).astimezone(ZoneInfo(organisation.timezone))
    yield Finding(
        Level.NOTE,
        f"A day's allowance is {settings.daily_units} units and {settings.daily_searches} searches; "
        f"it fills up at {full:%H:%M} ({organisation.timezone}). YouTube does not tell how much is left.",
    )
    yield Finding(
        Level.NOTE,
        "API keys do not end by themselves.",
        "Restrict the key to this server's address and to YouTube Data API v3.",
    )
