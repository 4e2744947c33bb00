"""`python benchmarks/judgement.py`: the figures of the judgement, each beside stock VADER's of the same run.

Parts: labelled posts, authors held out of the training, the blind part (``blind/*.jsonl`` beside this file), real
texts (as they are and addressed to us), disguises, speed, equality with VADER, hostile posts, copies. Posts and texts
that may not stand in this repository are looked for beside it; where they are absent the part prints "not run".
``--levels`` records the level given to each labelled post in ``tests/corpus/levels.json``,
so that a change of rules or model shows which posts it moved.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import statistics
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]
CORPUS = ROOT.parent / "shared" / "corpus"

from small_talk import drawn, everyday_comments, grave_examples, wrapped  # noqa: E402

from alerts.model import Severity  # noqa: E402
from connectors.model import Mention, Organisation, clean_text  # noqa: E402
from monitor import evaluate  # noqa: E402
from monitor.data import resource  # noqa: E402
from monitor.score import BATCH, mention_of  # noqa: E402
from monitor.scoring import Scorer, build_scorer  # noqa: E402
from monitor.scoring.combine import load_lines  # noqa: E402
from monitor.scoring.copies import comparable, group_copies  # noqa: E402
from monitor.scoring.rules import load_rules  # noqa: E402
from monitor.scoring.vader import vader  # noqa: E402

STOCK_LINE = -0.5


def organisation() -> Organisation:
    """The organisation that the labelled posts speak of."""
    raw = tomllib.loads((ROOT / "config" / "corpus-organisation.toml").read_text("utf-8"))["organisation"]
    return Organisation(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, packed or not."""
    packed = path.read_bytes()
    text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def alerts(scorer: Scorer, posts: Sequence[Mention]) -> list[bool]:
    """Which posts alert."""
    found: list[bool] = []
    for start in range(0, len(posts), BATCH):
        found += [a.severity >= Severity.ALERT for a in scorer.assess_many(posts[start : start + BATCH])]
    return found


def post(text: str, kind: str = "comment") -> Mention:
    """A post on X with ``text``."""
    return mention_of({"id": "1", "platform": "x", "kind": kind, "text": text})


# ── labelled posts ─────────────────────────────────────────────────────────────────────────────────


def labelled(scorer: Scorer) -> None:
    """The bars on the labelled posts for development. The shipped model has read them: rules alone stand beside."""
    rows = rows_of(ROOT / "training" / "data" / "dev.jsonl")
    verdicts = evaluate.judge_rows(rows, scorer)
    rules = evaluate.figures(evaluate.judge_rows(rows, build_scorer(organisation(), model="rules")))
    ours = evaluate.figures(verdicts)
    stock = _stock_figures(verdicts)
    print(f"labelled posts for development: {len(rows)} (known to the shipped model: config/model/card.md has the")
    print("figures on posts that it had not read)")
    print(f"  {'figure':<36} {'ours':>7} {'rules':>7} {'stock':>7} {'aim':>6}")
    for bar in evaluate.BARS:
        if bar.name in ours:
            beside = f"{stock[bar.name]:>7.3f}" if bar.name in stock else f"{'-':>7}"
            print(f"  {bar.name:<36} {ours[bar.name]:>7.3f} {rules[bar.name]:>7.3f} {beside} {bar.aim:>6.2f}")


def _stock_figures(verdicts: Sequence[evaluate.Verdict]) -> dict[str, float]:
    dark = [vader().compound(v.mention.text or "") <= STOCK_LINE for v in verdicts]
    should = [d for d, v in zip(dark, verdicts, strict=True) if v.right >= Severity.ALERT]
    crises = [d for d, v in zip(dark, verdicts, strict=True) if v.right is Severity.CRISIS]
    routine = [d for d, v in zip(dark, verdicts, strict=True) if v.right is Severity.ROUTINE]
    return {
        "crisis caught as alert or worse": statistics.mean(crises),
        "alert or worse: recall": statistics.mean(should),
        "routine posts that alert": statistics.mean(routine),
        "alert or worse: precision": sum(should) / max(1, sum(dark)),
    }


# ── posts that the model had not read ──────────────────────────────────────────────────────────────


def held_out_authors(scorer: Scorer) -> None:
    """What whole authors give that one training did not see, read by that training, with rules and lines of today."""
    sys.path.insert(0, str(ROOT / "training"))
    import held_out
    from posts import HELD, blind, read_all

    posts, blind_part = blind(read_all())
    lines = load_lines(resource("judgement.toml"), "transformer")
    print("authors held out of the training (N: everyday, U: despair, W: two ordinary months, AK: replies and slang)")
    print(f"  {'part':<12} {'posts':>5}  {', '.join(held_out.FIGURES)}")
    for name in (*HELD, "blind part"):
        part = blind_part if name == "blind part" else [post for post in posts if post.source == name]
        found = list(held_out.found(part, scorer))
        print(f"  {name:<12} {len(found):>5}  {'  '.join(held_out.told(found, lines))}")


def blind_posts(scorer: Scorer) -> None:
    """The blind part, group by group, with the interval of Wilson that holds the truth in 95 of 100 cases."""
    paths = sorted((ROOT / "benchmarks" / "blind").glob("*.jsonl"))
    if not paths:
        print("blind part: not run (the posts are not here)")
        return
    rows = [row for path in paths for row in rows_of(path)]
    print(f"blind part: {len(rows)} posts that no training, rule or line has seen; share, and where it surely lies")
    for group in dict.fromkeys(str(row.get("group", "")) for row in rows):
        verdicts = evaluate.judge_rows([row for row in rows if str(row.get("group", "")) == group], scorer)
        print(f"  {group}: {len(verdicts)} posts")
        for name, hits in _shares_of(verdicts).items():
            if hits:
                low, high = wilson(sum(hits), len(hits))
                print(f"    {name:<32} {sum(hits) / len(hits):.3f}  ({low:.3f} to {high:.3f}, of {len(hits)})")


def _shares_of(verdicts: Sequence[evaluate.Verdict]) -> dict[str, list[bool]]:
    should = [v for v in verdicts if v.right >= Severity.ALERT]
    routine = [v for v in verdicts if v.right is Severity.ROUTINE]
    return {
        "recall": [v.given.severity >= Severity.ALERT for v in should],
        "alerts at least watch": [v.given.severity >= Severity.WATCH for v in should],
        "crises that alert": [v.given.severity >= Severity.ALERT for v in should if v.right is Severity.CRISIS],
        "routine that alert": [v.given.severity >= Severity.ALERT for v in routine],
        "routine at watch or worse": [v.given.severity >= Severity.WATCH for v in routine],
        "watch that alert": [v.given.severity >= Severity.ALERT for v in verdicts if v.right is Severity.WATCH],
    }


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of Wilson (1927) around a share."""
    share = hits / of
    middle, spread = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - spread) / (1 + z * z / of), (middle + spread) / (1 + z * z / of)


# ── real texts ─────────────────────────────────────────────────────────────────────────────────────


def real(scorer: Scorer, most: int) -> None:
    """False alarms per 1,000 real texts, as they are and addressed to us."""
    path = CORPUS / "real-texts.jsonl.gz"
    if not path.exists():
        print("real texts: not run (the texts are not here)")
        return
    rows = rows_of(path)
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row["set"], []).append(row["text"])
    groups = dict(sorted(groups.items()))
    groups["on our topics, harmless"] = [row["text"] for row in rows if _harmless_on_our_topics(row)]
    print("real texts: alerts per 1,000 (three sets hold hate and threats: there not each is a false alarm)")
    print(f"  {'set':<24} {'texts':>6} {'as they are':>12} {'addressed':>10} {'aim':>8} {'stock VADER':>12}")
    for name, texts in groups.items():
        texts = random.Random(1).sample(texts, min(most, len(texts)))
        plain = alerts(scorer, [post(text, "mention") for text in texts])
        addressed = alerts(scorer, [post(f"@TessellateUK {text}", "mention") for text in texts])
        dark = [vader().compound(text) <= STOCK_LINE for text in texts]
        shares = [1000 * statistics.mean(found) for found in (plain, addressed, dark)]
        aim = {"vader_tweets": "10 / 16", "on our topics, harmless": "40 / 78"}.get(name, "")
        print(f"  {name:<24} {len(texts):>6} {shares[0]:>12.1f} {shares[1]:>10.1f} {aim:>8} {shares[2]:>12.1f}")


def _harmless_on_our_topics(row: dict[str, Any]) -> bool:
    """Whether a text on sexism, racism or hate was labelled harmless in its own set."""
    label = str(row["label"])
    return label in {"not sexist", "neither"} or (row["set"] == "hatecheck" and label.endswith("_nh"))


# ── disguises ──────────────────────────────────────────────────────────────────────────────────────

_LOOKS = dict(zip("aceopxyiABCEHKMOPTX", "асеорхуіАВСЕНКМОРТХ", strict=True))
_LEET = dict(zip("aeiost", "431057", strict=True))
_BOLD = {chr(97 + n): chr(0x1D5EE + n) for n in range(26)} | {chr(65 + n): chr(0x1D5D4 + n) for n in range(26)}
_SCRIPT = {chr(97 + n): chr(0x1D4EA + n) for n in range(26)}
_WIDE = {chr(33 + n): chr(0xFF01 + n) for n in range(94)}
_CIRCLED = {chr(97 + n): chr(0x24D0 + n) for n in range(26)}
_ACCENTS = dict(zip("aeiou", "áéíóú", strict=True))


def _each(table: dict[str, str], share: float = 1.0) -> Callable[[str, random.Random], str]:
    return lambda text, dice: "".join(table.get(sign, sign) if dice.random() < share else sign for sign in text)


def _words(change: Callable[[str, random.Random], str], share: float = 1.0, least: int = 4) -> Callable[..., str]:
    def changed(text: str, dice: random.Random) -> str:
        return " ".join(
            change(word, dice) if len(word) >= least and word.isalpha() and dice.random() < share else word
            for word in text.split(" ")
        )

    return changed


def _swapped(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _between(sign: str) -> Callable[[str, random.Random], str]:
    return lambda text, dice: sign.join(text)


DISGUISES: dict[str, Callable[[str, random.Random], str]] = {
    "capitals": lambda t, d: t.upper(),
    "small letters": lambda t, d: t.lower(),
    "every other capital": lambda t, d: "".join(c.upper() if n % 2 else c.lower() for n, c in enumerate(t)),
    "title case": lambda t, d: t.title(),
    "no punctuation": lambda t, d: "".join(c for c in t if c.isalnum() or c in " @#'"),
    "curly quotes": lambda t, d: t.replace("'", "\u2019").replace('"', "\u201d"),
    "no apostrophes": lambda t, d: t.replace("'", ""),
    "double spaces": lambda t, d: t.replace(" ", "  "),
    "line breaks": lambda t, d: t.replace(" ", "\n", 3),
    "no-break spaces": lambda t, d: t.replace(" ", "\u00a0"),
    "trailing emoji": lambda t, d: t + " 😂😂😂",
    "emoji between": lambda t, d: t.replace(". ", ". 😡 "),
    "exclamations": lambda t, d: t + "!!!!!!",
    "dots at the end": lambda t, d: t + " ....",
    "zero-width everywhere": lambda t, d: "\u200b".join(t),
    "zero-width in words": _words(lambda w, d: w[:2] + "\u200d" + w[2:]),
    "soft hyphens": _words(lambda w, d: w[:3] + "\u00ad" + w[3:]),
    "bidi marks": lambda t, d: "\u202a" + t + "\u202c",
    "byte order mark": lambda t, d: "\ufeff" + t,
    "variation selectors": _words(lambda w, d: w[:1] + "\ufe0f" + w[1:]),
    "combining marks": _words(lambda w, d: "".join(c + "\u0336" for c in w)),
    "zalgo": _words(lambda w, d: "".join(c + "\u0301\u0316\u0323" for c in w), 0.6),
    "accents": _each(_ACCENTS),
    "look-alikes, all": _each(_LOOKS),
    "look-alikes, a third": _each(_LOOKS, 0.33),
    "bold letters": _each(_BOLD),
    "script letters": _each(_SCRIPT),
    "wide letters": _each(_WIDE),
    "circled letters": _each(_CIRCLED),
    "leet, a third": _words(_each(_LEET), 0.34),
    "leet, all": _words(_each(_LEET)),
    "dollars and at signs": _words(lambda w, d: w.replace("s", "$").replace("a", "@")),
    "spaced words": _words(lambda w, d: " ".join(w), 0.3, 5),
    "dotted words": _words(lambda w, d: ".".join(w), 0.3, 5),
    "dashed words": _words(lambda w, d: "-".join(w), 0.3, 5),
    "starred vowel": _words(lambda w, d: w.replace("a", "*", 1) if "a" in w else w, 0.3, 5),
    "drawn-out letters": _words(lambda w, d: w + w[-1] * 3, 0.4),
    "letters swapped": _words(_swapped, 0.25, 6),
    "letter missing": _words(lambda w, d: w[: (k := d.randrange(1, len(w) - 1))] + w[k + 1 :], 0.25, 6),
    "letter doubled": _words(lambda w, d: w[: (k := d.randrange(1, len(w) - 1))] + w[k] + w[k:], 0.25, 6),
    "html entities": lambda t, d: t.replace("&", "&amp;").replace("'", "&#39;"),
    "hashtags": _words(lambda w, d: f"#{w}", 0.3),
}
"""Forty ways and two in which a post looks otherwise and says the same."""


def disguises(scorer: Scorer, most: int) -> None:
    """How many alerting posts still alert in each disguise."""
    paths = sorted((ROOT / "training" / "data").glob("*.jsonl"))
    rows = [row for path in paths if path.stem != "relabels" for row in rows_of(path)]
    rows = [row for row in rows if row.get("expected", {}).get("severity", 0) >= 2 and row.get("lang") == "en"]
    posts = [mention_of(row) for row in random.Random(3).sample(rows, min(4 * most, len(rows)))]
    posts = [p for p, found in zip(posts, alerts(scorer, posts), strict=True) if found][:most]
    dark = sum(vader().compound(p.text or "") <= STOCK_LINE for p in posts)
    print(f"disguises: alerts kept of {len(posts)} alerting posts (stock VADER finds {dark} of them undisguised)")
    kept_all = []
    for name, change in DISGUISES.items():
        dice = random.Random(5)
        changed = [_with_text(p, clean_text(change(p.text or "", dice))) for p in posts]
        kept = statistics.mean(alerts(scorer, changed)) if posts else 0.0
        kept_all.append(kept)
        print(f"  {name:<24} {kept:>6.3f}{'' if kept >= 0.98 else '  short'}")
    print(f"  {'all together':<24} {statistics.mean(kept_all):>6.3f}")


def _with_text(mention: Mention, text: str) -> Mention:
    from dataclasses import replace

    return replace(mention, text=text)


# ── small talk around danger and around chat ───────────────────────────────────────────────────────


def small_talk(scorer: Scorer) -> None:
    """Harmless words around the examples of firm rules and everyday comments: all by rules, a part by model."""
    rules = build_scorer(organisation(), model="rules")
    known = load_rules(ROOT / "config" / "rules").rules
    for kind, own in (("comment", False), ("own_post", True)):
        levels = _levels(rules, wrapped(grave_examples(known, own=own)), kind)
        lost, doubted = levels.count(Severity.ROUTINE), levels.count(Severity.WATCH)
        print(
            f"plain danger in small talk ({kind}, rules): {len(levels)} posts, {lost} below watch, {doubted} at watch"
        )
    everyday = _levels(rules, wrapped(everyday_comments()), "comment")
    print(f"everyday comments in small talk: {len(everyday)} posts, {_alerting(everyday)} alert by rules")
    read = _levels(scorer, drawn(everyday_comments(), 500), "comment")
    print(f"  a hundredth of them: {len(read)} posts, {_alerting(read)} alert with the model")


def _levels(scorer: Scorer, texts: Iterable[str], kind: str) -> list[Severity]:
    return [found.severity for found in scorer.assess_many([post(text, kind) for text in texts])]


def _alerting(levels: Sequence[Severity]) -> int:
    return sum(level >= Severity.ALERT for level in levels)


# ── speed, hostile posts, copies ───────────────────────────────────────────────────────────────────


def speed(scorer: Scorer, name: str) -> None:
    """Posts a second on one core, alone and in batches, and the slowest hundredth."""
    rows = [row for path in sorted((ROOT / "training" / "data").glob("author-[c-f].jsonl")) for row in rows_of(path)]
    posts = [mention_of(row) for row in rows]
    for warm in posts[:200]:
        scorer.assess(warm)
    begin = time.process_time()
    for start in range(0, len(posts), BATCH):
        scorer.assess_many(posts[start : start + BATCH])
    batched = time.process_time() - begin
    alone = []
    for mention in posts[:600]:
        begin = time.process_time()
        scorer.assess(mention)
        alone.append(time.process_time() - begin)
    stock = _seconds_for(lambda: [_stock().polarity_scores(p.text) for p in posts])
    ours = _seconds_for(lambda: [vader().compound(p.text or "") for p in posts])
    hundredth = sorted(alone)[int(0.99 * len(alone))]
    rate, stock_rate = len(posts) / batched, len(posts) / stock
    print(f"speed, {name}: {rate:,.0f} posts/s in batches, p99 alone {1000 * hundredth:.2f} ms")
    print(
        f"  stock VADER alone {stock_rate:,.0f} posts/s, {stock_rate / rate:.1f} times as many as the whole judgement"
    )
    print(f"  our VADER {len(posts) / ours:,.0f} posts/s, {stock / ours:.1f} times stock")


def _stock() -> Any:
    global _original
    if _original is None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        _original = SentimentIntensityAnalyzer()
    return _original


_original: Any = None


def _seconds_for(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


_TURNS = "but not never no so this least at very kind of without doubt NOT SO !!! ??? :( 😂 💔"


def same_as_stock(most: int) -> None:
    """How many compound scores are those of the original, bit for bit."""
    dice = random.Random(9)
    words = [*vader().words, *_TURNS.split()]
    sentences = [" ".join(dice.choices(words, k=dice.randint(1, 14))) for _ in range(most)]
    equal = sum(vader().compound(text) == _stock().polarity_scores(text)["compound"] for text in sentences)
    print(f"compound scores equal to stock VADER: {equal} of {len(sentences)} generated texts")
    path = CORPUS / "real-texts.jsonl.gz"
    if not path.exists():
        print("  real texts: not run (the texts are not here)")
        return
    texts = [row["text"] for row in rows_of(path)]
    equal = sum(vader().compound(text) == _stock().polarity_scores(text)["compound"] for text in texts)
    print(f"  {equal} of {len(texts)} real texts")


HOSTILE: dict[str, str] = {
    "128 KB of zalgo": "a" + "\u0301\u0316" * 64_000,
    "20,000 emoji": "😂" * 20_000,
    "128 KB of one word": "a" * 128_000,
    "spaced letters": "k i l l " * 16_000,
    "a sentence 4,000 times": "your volunteer texts my daughter at night. " * 4_000,
    "20,000 buts": "but " * 20_000,
    "128 KB of at signs": "@" * 128_000,
    "hashtags": "#KillThemAll" * 10_000,
    "leet": "k1ll th3m 4ll " * 9_000,
    "all of Unicode": "".join(chr(n) for n in range(32, 0xD800, 2)),
    "dotted words": "abcde." * 3_300,
    "4,000 unlike words": " ".join(f"w{n:x}q" for n in range(4_000)),
    "quotes and stops": "'.\"." * 30_000,
}


def hostile(scorer: Scorer) -> None:
    """Seconds of CPU for each hostile post, beside stock VADER on its first 2,000 signs."""
    print("hostile posts: seconds of CPU (limit 1)")
    for name, text in HOSTILE.items():
        mention = post(clean_text(text))
        ours = _seconds_for(lambda mention=mention: scorer.assess(mention))  # type: ignore[misc]
        stock = _seconds_for(lambda text=text: _stock().polarity_scores(text[:2_000]))  # type: ignore[misc]
        print(f"  {name:<24} {ours:>7.3f}   stock, first 2,000 signs: {stock:>7.3f}{'  TOO LONG' if ours > 1 else ''}")


def copies() -> None:
    """Grouping a storm, beside comparing all pairs."""
    from itertools import combinations

    from rapidfuzz import fuzz

    dice = random.Random(2)
    texts = [
        row["text"] for path in sorted((ROOT / "training" / "data").glob("author-*.jsonl")) for row in rows_of(path)
    ]
    texts = [text for text in texts if len(text) > 60][:2_000]
    storm = [
        f"RT @u{n}: {text}" if n % 2 else f"{text} !!" for n, text in enumerate(dice.choices(texts[:200], k=1_000))
    ]
    everything = texts + storm
    ours = _seconds_for(lambda: group_copies(everything))
    part = [comparable(text) for text in everything[:300]]
    pairs = (
        _seconds_for(lambda: [fuzz.ratio(a, b) + fuzz.token_sort_ratio(a, b) for a, b in combinations(part, 2)])
        * (len(everything) / len(part)) ** 2
    )
    times = pairs / ours
    print(f"copies: {len(everything)} posts grouped in {ours:.2f} s; all pairs: {pairs:.1f} s ({times:.0f} times)")


def record_levels(scorer: Scorer) -> None:
    """Write the level given to each labelled post."""
    verdicts = evaluate.judge_rows(rows_of(ROOT / "training" / "data" / "dev.jsonl"), scorer)
    levels = {v.id: int(v.given.severity) for v in sorted(verdicts, key=lambda v: v.id)}
    path = ROOT / "tests" / "corpus" / "levels.json"
    path.write_text(json.dumps(levels, indent=0) + "\n", "utf-8")
    print(f"{len(levels)} levels recorded in {path.relative_to(ROOT)}")


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the parts asked for; all of them when none is named."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help="labelled, held, blind, real, disguises, small-talk, speed, vader, hostile, copies",
    )
    ask.add_argument("--model", default="auto", choices=("auto", "transformer", "linear", "rules"))
    ask.add_argument("--most", type=int, default=1_500, help="real texts of each set")
    ask.add_argument(
        "--levels", action="store_true", help="record the levels of the labelled posts (linear model) and stop"
    )
    asked = ask.parse_args(list(arguments) if arguments is not None else None)
    if asked.levels:
        record_levels(build_scorer(organisation(), model="linear"))
        return
    scorer = build_scorer(organisation(), model=asked.model)
    parts: dict[str, Callable[[], None]] = {
        "labelled": lambda: labelled(scorer),
        "held": lambda: held_out_authors(scorer),
        "blind": lambda: blind_posts(scorer),
        "real": lambda: real(scorer, asked.most),
        "disguises": lambda: disguises(scorer, 200),
        "small-talk": lambda: small_talk(scorer),
        "speed": lambda: speed(scorer, asked.model),
        "vader": lambda: same_as_stock(100_000),
        "hostile": lambda: hostile(scorer),
        "copies": copies,
    }
    unknown = [name for name in asked.parts if name not in parts]
    if unknown:
        ask.error(f"there is no part {', '.join(unknown)}; there are {', '.join(parts)}")
    for name in asked.parts or parts:
        parts[name]()
        print(flush=True)


if __name__ == "__main__":
    main()
