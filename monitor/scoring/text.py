"""The border of judgement: makes hostile or disguised text readable and comparable. The stored text stays as written.

``readable`` gives the post as a person sees it (look-alike letters folded, hidden signs dropped, spaced-out letters
joined), in its own case and punctuation: language, sentiment and the learned part read that. ``fold`` gives the form
of a word under which rules and posts meet: lower case, without accents, apostrophes or vowel signs.

Every step is linear in the length of the text, which is capped first.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

from connectors.model import MAX_TEXT, clean_text

_MARKS_A_LETTER = 4
"""More combining marks than this on one letter are noise; sorting long runs of them is what makes normalising slow."""


def _class_of(wanted: frozenset[str], end: int = 0x1F000) -> str:
    """A regular expression class of all signs below ``end`` whose Unicode category is wanted."""
    ranges: list[list[int]] = []
    for point in range(0x80, end):
        if unicodedata.category(chr(point)) in wanted:
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges)


_MARK = _class_of(frozenset({"Mn", "Me", "Mc"}))
_MARK_RUN = re.compile(f"([{_MARK}]{{{_MARKS_A_LETTER}}})[{_MARK}]+")
_LATIN_MARKS = re.compile(
    "(?<=[A-Za-z\u00c0-\u024f\u1e00-\u1eff])[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+"
)
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\ud800-\udfff"
    "\U000e0000-\U000e0fff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a]"
)
_QUOTES = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032\u2035\u02bc\u02b9\u02bb\u02c8\u00b4\u0060\uff07"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u2039\u203a\u301d\u301e\uff02"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2212\ufe63\uff0d"), "-"),
    0x2026: "...",
}
_LOOKS_LATIN = {
    # Cyrillic
    **dict(zip("АВСЕНІЈКМОРЅТХУЬЗЁѴԚԜ", "ABCEHIJKMOPSTXYb3EVQW", strict=True)),
    **dict(zip("асеһіјкмопгорѕтхуѵьԁԛԝёвнґ", "acehijkmonropstxyvbdqwebhr", strict=True)),
    # Greek
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹϺ", "ABEZHIKMNOPTYXCM", strict=True)),
    **dict(zip("αβγεηικνορτυχωϲϳσμ", "aByenikvoptuxwcjou", strict=True)),
    # Armenian, Cherokee, Lisu, and letters of phonetic script that stand for plain ones
    **dict(zip("օոսցհյաԼՏՍ", "onughjwLSU", strict=True)),
    **dict(zip("ᎪᏴᏟᎠᎬᎻᎥᎫᏦᏞᎷΝᏢᏚᎢᏙᎳᏃ", "ABCDEHiJKLMNPSTVWZ", strict=True)),
    **dict(zip("ꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓤꓢꓔꓴꓦꓪꓫꓬꓜ", "ABCDEFGHIJKLMNOPRSTUVWXYZ", strict=True)),
    **dict(zip("ɑɡɩɪʟɴʀʏʙɢʜɛɔɐəɯʍʌɹʇʞɥɟıȷ", "agiilnrybgheoaemwvrtkhjij", strict=True)),
    **dict(zip("ᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜰꜱꞯ", "acdejkmoptuvwzfsq", strict=True)),
    **dict(zip("łŁøØđĐħĦŧŦƀɓƈɗƒɠɦƙɱɲƥʠɾʂƭʋⱳɣʐ", "lLoOdDhHtTbbcdfghkmnpqrstvwyz", strict=True)),
}
_FOREIGN = re.compile("[\u0370-\u052f\u0531-\u0587\u13a0-\u13ff\ua4d0-\ua4ff\u0250-\u02af\u1d00-\u1d7f\ua730-\ua7ff]")
_LETTER_SIGNS = {
    # letters in circles and squares that have no plain form in Unicode's own tables, and flag letters
    **{0x1F150 + n: chr(65 + n) for n in range(26)},
    **{0x1F170 + n: chr(65 + n) for n in range(26)},
    **{0x1F1E6 + n: chr(65 + n) for n in range(26)},
}
_FLAGS = re.compile("(?<![\U0001f1e6-\U0001f1ff])[\U0001f1e6-\U0001f1ff]{2}(?![\U0001f1e6-\U0001f1ff])")
_WORDS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_TRANSLATED = {**_QUOTES, **_LETTER_SIGNS}
_SEPARATED = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .\-_*|/~+·•‧∙⋅,]{1,3}[^\W\d_]){4,}(?![^\W_])")
_STUFFED = re.compile(r"(?<![^\W_])[^\W\d_]{1,3}(?:[.*_|~·•‧∙⋅][^\W\d_]{1,3}){2,}(?![^\W_])")
_LONG_RUN = re.compile(r"([^\W\d_])\1{2,}")
_ACCENTED = re.compile("[^\x00-\x7f]")


def readable(text: str) -> str:
    """``text`` as a person would read it, in its own case: safe to log lengths of, never longer than ``MAX_TEXT``."""
    text = clean_text(text)
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = _plain_signs(text)
    return _joined(text)[:MAX_TEXT]


def _plain_signs(text: str) -> str:
    text = _MARK_RUN.sub(r"\1", _HIDDEN.sub("", text))
    text = unicodedata.normalize("NFKC", _FLAGS.sub(" ", text.translate(_TRANSLATED)))[:MAX_TEXT]
    text = _LATIN_MARKS.sub("", text.translate(_QUOTES))
    if _FOREIGN.search(text) and re.search("[A-Za-z]", text):
        text = _WORDS.sub(_latin_if_disguised, text)
    return text


def _latin_if_disguised(found: re.Match[str]) -> str:
    """A word that mixes alphabets, or that is wholly made of look-alikes in a Latin post, in Latin letters."""
    word = found[0]
    if not _FOREIGN.search(word):
        return word
    latin = "".join(_LOOKS_LATIN.get(sign, sign) for sign in word)
    return latin if latin.isascii() or re.search("[A-Za-z]", word) else word


def _joined(text: str) -> str:
    """Letters held apart by spaces, dots or dashes, brought together again."""
    text = _SEPARATED.sub(_closed_up, text)
    return _STUFFED.sub(lambda found: re.sub(r"[^\w]|_", "", found[0]) if _is_stuffed(found[0]) else found[0], text)


def _is_stuffed(text: str) -> bool:
    """Whether short pieces with signs between are one word: not "a.m.", "e.g." or a web address."""
    pieces = re.split(r"[^\w]|_", text)
    return len(pieces) >= 4 and sum(len(piece) == 1 for piece in pieces) >= len(pieces) - 1


def _closed_up(found: re.Match[str]) -> str:
    """One run of single letters. A wider gap among narrow ones is a space between words."""
    gaps = re.findall(r"[^\w]+|_+", found[0])
    narrow = min(map(len, gaps))
    if max(map(len, gaps)) == narrow:
        return re.sub(r"[\W_]", "", found[0])
    return re.sub(r"[^\w]+|_+", lambda gap: " " if len(gap[0]) > narrow else "", found[0])


@lru_cache(maxsize=60_000)
def fold(word: str) -> str:
    """The form under which words are compared: case, accents, apostrophes and Arabic vowel signs taken away."""
    word = word.casefold().replace("'", "")
    if word.isascii():
        return word
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))
    return bare.translate(_ONE_SPELLING)


_ONE_SPELLING = str.maketrans("łøđħıأإآٱىيةكـ\u06c1\u06c0\u06be\u06d2", "lodhiاااایيهکـهههي".replace("ـ", "ـ"))


def squeezed(word: str) -> tuple[str, str]:
    """A word with letters drawn out ("heeelp"): with each run as two letters, and as one."""
    return _LONG_RUN.sub(r"\1\1", word), _LONG_RUN.sub(r"\1", word)


_LEET = str.maketrans("013456789@$!|+£€", "oieasgtbgasiltle")
_LEET_L = str.maketrans("013456789@$!|+£€", "oleasgtbgaslltle")
_LEETY = re.compile(r"\A(?=.*[A-Za-z])(?=.*[0134578@$!|+£€])")


def leet(word: str) -> tuple[str, ...]:
    """What a word with digits or signs for letters may stand for; empty when it has none."""
    if len(word) < 3 or not _LEETY.match(word):
        return ()
    return tuple(dict.fromkeys((word.translate(_LEET), word.translate(_LEET_L))))


_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")


def hashtag_words(tag: str) -> list[str]:
    """The words of a hashtag or run-together name: ``#HandsOffOurGirls`` gives four."""
    return [word for part in tag.strip("#@").split("_") for word in _HUMP.split(part) if word]
