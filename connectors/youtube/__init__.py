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

import re
from dataclasses import dataclass
from datetime import timedelta

from connectors.addresses import parts_of
from connectors.model import Bucket, Connector, Organisation, Period, Platform, PollPlan, secret

NAME = "youtube"
BASE_URL = "https://youtube.googleapis.com"
UNITS = "units"
SEARCHES = "searches"

RESERVE = 30
"""The most calls that one ``fetch`` makes outside search."""

CALM = timedelta(seconds=30)
HURRIED = timedelta(seconds=10)

NEVER_SHOWS = (
    "comments under other people's videos, unless the video and the comment both name us",
    "videos that name us only in speech or in pictures",
    "community posts and what is said under them",
    "live chat",
    "comments that are held for review or taken for spam",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The ``[connectors.youtube]`` table."""

    channel_id: str
    api_key: str = secret()
    base_url: str = BASE_URL
    poll_every: timedelta | None = None
    """The operator's word. All streams keep to it until half of an allowance is used; the rest is spread out."""
    daily_units: int = 10_000
    daily_searches: int = 100
    derived_data_allowed: bool = False
    """Whether YouTube has allowed us in writing to keep and show scores made from its data."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]{1,64}", self.channel_id):
            raise ValueError("channel_id: the channel's id, which begins with UC, not its @handle")
        if not re.fullmatch(r"[!-~]+", self.api_key):
            raise ValueError("api_key: an API key of a Google Cloud project")
        if parts_of(self.base_url).scheme not in {"http", "https"} or not parts_of(self.base_url).hostname:
            raise ValueError(f'base_url: an address such as "{BASE_URL}"')
        if self.daily_units < 1 or self.daily_searches < 0:
            raise ValueError("daily_units: at least 1; daily_searches: 0 or more")
        if self.poll_every is not None and self.poll_every < timedelta(seconds=1):
            raise ValueError('poll_every: a duration from "1s" on')


def connect(settings: Settings, organisation: Organisation) -> Connector:
    """A connector of its own: not to be shared."""
    from connectors.youtube.hearing import YouTubeConnector  # only the process that polls loads the library

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
            Bucket(UNITS, "units", units, Period.PACIFIC_DAY, min(RESERVE, units), min(3, units), 0.1, min(5, units)),
            # per_poll = 0: an empty search bucket must not stop the rest
            Bucket(SEARCHES, "searches", searches, Period.PACIFIC_DAY, min(1, searches), per_poll=0, per_look=0),
        ),
        lag=f"comments on our channel within about {calm.total_seconds():.0f} seconds, replies in older threads within "
        f"5 to 60 minutes; videos by others are searched {search}, and YouTube's index lags by minutes to hours",
        cost="free of charge, within Google's daily quota",
    )


def search_interval(daily: int) -> float:
    """Seconds between searches when all is calm; a fifth of the searches is kept for after an alert."""
    return 86_400 / max(1, daily) * 1.25


PLATFORM = Platform(NAME, Settings, connect, plan, never_shows=NEVER_SHOWS, preload=("connectors.youtube.hearing",))
