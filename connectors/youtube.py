"""YouTube through Google's own client library: comments and replies on our channel, our videos, videos that name us.

Four things about the service shape this module (platform facts, part 2):

* A reply does not lift its thread in the list by time, so threads that are known are looked at again by id.
* ``search.list`` has a bucket of its own, 100 calls a day; when it is empty the rest goes on.
* Nothing is pushed, nothing is told about quota in headers, and a missing entry is how a deletion looks.
* The library returns HTML as if it were an answer, prints the key in its exceptions, and mixes up answers when
  threads share a connection. Here the key travels in a header, answers are read by us, and each connector has a
  transport of its own per thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.errors import ConnectorError, Unreachable
from connectors.model import Allowance, Batch, Bucket, Finding, Level, Organisation, Period, Platform, PollPlan
from connectors.youtube_again import Recheck
from connectors.youtube_line import SEARCHES, UNITS, Api, Meter, Settings, next_day
from connectors.youtube_poll import NEVER_SHOWS, Poll, search_interval
from connectors.youtube_posts import NAME, count_of, dicts, read_thread, readable

__all__ = ["PLATFORM", "Settings", "YouTubeConnector", "connect", "plan"]

RESERVE = 30
"""The most calls that one ``fetch`` makes outside search."""

CALM = timedelta(seconds=30)
HURRIED = timedelta(seconds=10)


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


def connect(settings: Settings, organisation: Organisation) -> YouTubeConnector:
    """A connector of its own: not to be shared."""
    return YouTubeConnector(settings, organisation)


def plan(settings: Settings, organisation: Organisation) -> PollPlan:
    """The lowest lag that the free quota buys (facts, 2.4)."""
    del organisation
    units, searches = settings.daily_units, settings.daily_searches
    calm = settings.poll_every or CALM
    search = f"about every {search_interval(searches) / 60:.0f} minutes" if searches else "never"
    return PollPlan(
        calm=calm,
        hurried=min(calm, settings.poll_every or HURRIED),
        buckets=(
            Bucket(UNITS, "units", units, Period.PACIFIC_DAY, min(RESERVE, units), min(3, units), recheck_share=0.1),
            # per_poll = 0: an empty search bucket must not stop the rest
            Bucket(SEARCHES, "searches", searches, Period.PACIFIC_DAY, min(1, searches), per_poll=0),
        ),
        lag=f"comments on our channel within about {calm.total_seconds():.0f} seconds, replies in older threads within "
        f"5 to 60 minutes; videos by others are searched {search}, and YouTube's index lags by minutes to hours",
        cost="free of charge, within Google's daily quota",
    )


PLATFORM = Platform(NAME, Settings, connect, plan, token_setting=None, never_shows=NEVER_SHOWS)
