"""The invented talk of the demo: weeks of everyday posts, a slow stream of new ones, and one story going wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.model import Author, Kind
from connectors.standins.world import Post, World

PLATFORMS = ("x", "facebook", "instagram", "linkedin", "youtube")

_PEOPLE = (
    "Mina Okafor",
    "Tomasz Bielak",
    "Hodan Warsame",
    "Jess Pettigrew",
    "Callum Frayne",
    "Amira Siddique",
    "Dewi Probert",
    "Lottie Harcourt",
    "Yusuf Dualeh",
    "Bex Tanner",
    "Marcus Idowu",
    "Sunita Raval",
    "Owen Castell",
    "Freya Linden",
    "Nasra Jama",
    "Pete Hallam",
    "Carys Mostyn",
    "Leon Baptiste",
    "Hattie Voss",
    "Ibrahim Noor",
)

_PRAISE = (
    "The @TessellateUK film night was brilliant, my daughter has not stopped talking about it",
    "Huge thanks to Tessellate UK for the workshop at our school today. Year 9 were glued to it",
    "Watched the new Tessellate UK film about consent with my son. Honest, funny and exactly right",
    "Proud to support Tessellate UK. Small team, enormous heart",
    "Tessellate UK young people absolutely smashed it on stage last night",
    "That short film on knife crime by Tessellate UK should be shown in every school",
)
_QUESTIONS = (
    "Hi, how do I sign my 14 year old up for the summer film course?",
    "Is the music workshop on Saturday still on? Website says two different times",
    "Do you need volunteers for the festival? I could help with sound",
    "What age groups does Tessellate UK work with?",
    "Where can we buy tickets for the premiere?",
)
_GRUMBLES = (
    "Wish the Tessellate UK newsletter came with actual dates for once",
    "Bit cold in that hall tonight, bring a jumper",
    "Third time I have emailed about the photo permission form. Anyone home?",
    "Not my favourite of their films if I am honest, the last one was better",
)
_OWN = (
    "New film out today: our young people on what consent really means. Watch with someone you love. #TrustTalk",
    "Places left on our half-term music week. Ages 13 to 19, free lunch. Link in bio. #TrustTalk",
    "Thank you to everyone who came to the open evening. You filled the room and the biscuit tin.",
    "FGM is abuse. Our new campaign, made by young women in Bristol, starts on Monday. #TrustTalk",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One post of the story: after how long, where, of what kind, in which words."""

    after: float
    platform: str
    kind: Kind
    text: str
    likes: int = 0
    shares: int = 0


_RUMOUR = (
    "Hearing that someone who works at @TessellateUK has been messaging a girl of 14 at night. "
    "Is anyone going to answer the mum?"
)

STORY = (
    Line(
        14,
        "facebook",
        Kind.COMMENT,
        "I don't know who else to tell. A member of your staff has been messaging my daughter privately at night "
        "and asked her to keep it between them. She is 14.",
    ),
    Line(6, "x", Kind.MENTION, _RUMOUR, 40, 18),
    Line(
        4,
        "instagram",
        Kind.COMMENT,
        "is it true one of the leaders was texting a girl in secret?? my sister goes there",
    ),
    Line(4, "x", Kind.MENTION, f"{_RUMOUR} Disgusting", 12, 9),
    Line(
        6,
        "x",
        Kind.MENTION,
        "Hi @TessellateUK, I'm a reporter with the Harbourside Ledger. Could someone call me before five about the "
        "allegations against a member of your staff? We are running a story today.",
        3,
        1,
    ),
    Line(
        5,
        "youtube",
        Kind.COMMENT,
        "so nobody is going to mention that one of the staff here is under suspicion of grooming?",
    ),
    Line(
        5,
        "linkedin",
        Kind.COMMENT,
        "As a partner school we need to know today what Tessellate UK is doing about the allegation against a youth "
        "worker.",
    ),
)

BREACH = "Big smiles at tonight's session! Best youth club in Bristol #TrustTalk"
"""What a scheduled post of our own says during the takeover: nobody had thought of stopping it."""


def furnish(world: World, now: datetime, *, weeks: int = 5) -> dict[str, Post]:
    """Fill ``world`` with the weeks before ``now``. Returns our newest own post on each platform."""
    rng = random.Random(7)  # noqa: S311 - the same town on every run
    newest: dict[str, Post] = {}
    for platform in PLATFORMS:
        for week in range(weeks, 0, -1):
            newest[platform] = world.say(
                platform,
                Kind.OWN_POST,
                rng.choice(_OWN),
                at=now - timedelta(days=7 * week - 2, minutes=rng.randrange(300)),
            )
            for _ in range(rng.randrange(3, 8)):
                at = now - timedelta(days=7 * week - 2 - rng.random() * 5, minutes=10)
                _everyday(world, platform, rng, newest[platform], min(at, now - timedelta(minutes=20)))
        newest[platform] = world.say(
            platform, Kind.OWN_POST, rng.choice(_OWN), at=now - timedelta(minutes=90 + rng.randrange(60))
        )
    return newest


def _everyday(world: World, platform: str, rng: random.Random, under: Post, at: datetime | None) -> Post:
    kinds = rng.choices((_PRAISE, _QUESTIONS, _GRUMBLES), (5, 3, 1))[0]
    text = rng.choice(kinds)
    person = rng.choice(_PEOPLE)
    author = _author(person)
    on_own = platform != "x" and (platform != "linkedin" or rng.random() < 0.7)
    if not on_own and "essellate" not in text:
        text = f"@TessellateUK {text}"
    return world.say(
        platform,
        Kind.COMMENT if on_own else Kind.MENTION,
        text,
        author=author,
        parent=under if on_own else None,
        at=at,
        likes=rng.randrange(12),
    )


def _author(person: str) -> Author:
    handle = person.lower().replace(" ", "_")
    return Author(
        name=person, handle=handle, id=str(1000 + sum(map(ord, person)) * 37), followers=40 + len(person) * 23
    )


def everyday(world: World, newest: dict[str, Post], seed: int = 11) -> Iterator[Post]:
    """An endless stream of ordinary new posts; each is said when asked for."""
    rng = random.Random(seed)  # noqa: S311
    while True:
        platform = rng.choice(PLATFORMS)
        yield _everyday(world, platform, rng, newest[platform], None)


def tell(world: World, newest: dict[str, Post], line: Line, number: int) -> Post:
    """Let one line of the story be said by somebody new."""
    person = _PEOPLE[(number * 7 + 3) % len(_PEOPLE)]
    under = newest[line.platform] if line.kind is Kind.COMMENT else None
    return world.say(
        line.platform, line.kind, line.text, author=_author(person), parent=under, likes=line.likes, shares=line.shares
    )
