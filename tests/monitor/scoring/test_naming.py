"""Of whom a text speaks: measured on wordings that were written for it, and held on wordings made from forms."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from connectors.model import Organisation
from monitor.model import Named
from monitor.scoring.naming import Answer, Naming, Spoken, build_naming

WORDINGS = Path(__file__).parent / "wordings"
HOUSE = Organisation("Tessellate UK", ("TessellateUK", "TUK"), domains=("tessellateuk.example",))
RECOGNISED = {"seen": 0.98, "unseen": 0.98, "later-seen": 0.98, "later-unseen": 0.92}
WRONGLY, UNCLEARLY = 0.01, 0.05
"""All of these wordings but the last were looked at while the comparison was mended, so what they give flatters it
(docs/adr/0012). The last lie below the bar of 0.98: a step towards it raises the number."""


@cache
def naming(ceo: str, chair: str) -> Naming:
    return build_naming(HOUSE, (Named("ceo", ceo), Named("chair", chair)))


def answers(text: str, ceo: str = "Rowan Ashdown", chair: str = "Siân O’Brien", *, told: bool = False) -> set[str]:
    """The roles of whom ``text`` speaks for certain or perhaps."""
    spoken = naming(ceo, chair).spoken(text, told=told)
    return {*spoken.of, *spoken.perhaps}


@pytest.mark.parametrize("half", sorted(RECOGNISED))
def test_who_is_meant_is_recognised_and_nobody_else(half: str) -> None:
    found: Counter[tuple[bool, Answer]] = Counter()
    for line in (WORDINGS / f"{half}.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        answer = naming(row["ceo"], row["chair"]).answers(row["text"], told=row["kind"] == "tip")
        meant = row["means"] != "nobody"
        found[meant, answer.get(row["means"], Answer.NOT) if meant else max(answer.values(), default=Answer.NOT)] += 1
    meant, ordinary = (sum(n for (is_meant, _), n in found.items() if is_meant is wanted) for wanted in (True, False))
    assert min(meant, ordinary) >= 100
    assert 1 - found[True, Answer.NOT] / meant >= RECOGNISED[half]
    assert found[False, Answer.SPOKEN_OF] / ordinary <= WRONGLY
    assert found[False, Answer.UNCLEAR] / ordinary <= UNCLEARLY


MANY: tuple[tuple[str, str], ...] = (
    ("Rowan", "Ashdown"), ("Siân", "O’Brien"), ("Deepika", "Raghunathan"), ("Zoë", "Castellanos"), ("Ifeanyi", "Okwuosa"),
    ("Carys", "Bevan-Price"), ("Noor", "al-Hakim"), ("Fadumo", "Warsame"), ("Wei", "Zhang"), ("João", "de Sousa"),
    ("Łukasz", "Wiśniewski"), ("Eilidh", "MacAskill"), ("Lan", "Nguyễn"), ("Kit", "May"), ("Grace", "Bell"),
    ("Mark", "Bishop"), ("Ngozi", "Eze"), ("Harjit", "Gill"), ("Rukhsana", "Begum"),
)  # fmt: skip
NAMES_THAT_ARE_WORDS: tuple[tuple[str, str], ...] = (
    ("Alison", "Winter"), ("Amy", "Frost"), ("Peter", "Young"), ("Margaret", "Love"), ("Will", "Short"),
    ("Alasdair", "Price"), ("Lindsay", "Hope"), ("Kit", "May"), ("Robin", "Wood"), ("Evan", "Stone"), ("Hannah", "Cross"),
    ("Fiona", "Day"), ("Gerald", "Wise"), ("Wendy", "Banks"), ("Joy", "Summers"), ("Rowan", "Fox"), ("Tess", "King"),
    ("Hugh", "Small"), ("Anil", "Rice"), ("Tom", "Page"), ("Sue", "Marsh"), ("Ben", "Swift"), ("Nina", "Rivers"),
    ("Ola", "Field"), ("Jo", "Green"), ("Ray", "Best"), ("Ann", "Church"), ("Meg", "Lamb"), ("Ted", "Power"),
)  # fmt: skip
ROLES = {
    "ceo": ("CEO", "chief executive", "director", "chief exec", "boss"),
    "chair": ("chair", "chairman", "chair of trustees"),
}
BY_ROLE = {
    "ceo": ("the CEO", "your director", "the chief exec", "your chief executive", "the boss"),
    "chair": ("the chair", "your chairman", "the chair of trustees"),
}
KINDS = tomllib.loads((WORDINGS / "kinds.toml").read_text("utf-8"))
SHARE = {
    "initials": 0.95, "full_name": 0.96,
    "passing": 0.12, "thanked": 0.12, "other_house": 0.15, "described_harmless": 0.09,
}  # fmt: skip
"""Kinds that fall short of 97 % recognised, or go over 5 % hidden, and by how much they may."""


@dataclass(frozen=True)
class Made:
    """A sentence made from a template for a pair of people, one of whom is meant in it."""

    text: str
    told: bool
    role: str
    ceo: str
    chair: str


def made(kind: str) -> Iterator[Made]:
    """The sentences of a kind, each for three pairs of people, as CEO and as Chair."""
    meant = KINDS[kind]["meant"]
    pool = NAMES_THAT_ARE_WORDS if meant == "word" else MANY
    if kind == "initials":
        pool = tuple(person for person in MANY if _written(*person)["initials"] not in {"SO", "DR"})
    for n, line in enumerate(filter(None, KINDS[kind]["lines"].splitlines())):
        template = line.removeprefix("post: ")
        for k in range(3):
            me, other = pool[(5 * n + 7 * k) % len(pool)], pool[(5 * n + 7 * k + 3) % len(pool)]
            role = meant if meant in ROLES else _role_in(template) or ("ceo", "chair")[k % 2]
            pair = (" ".join(me), " ".join(other)) if role == "ceo" else (" ".join(other), " ".join(me))
            by_role = BY_ROLE[role][(n + k) % len(BY_ROLE[role])]
            by_name = (me[0] if meant == "nobody" else f"Mr {me[1]}", f"{me[0]} {me[1]}", f"Mr {me[1]}")[k]
            for who in (by_role, by_name) if "{who}" in template else ("",):
                text = template.format(who=who, role=ROLES[role][(n + k) % len(ROLES[role])], **_written(*me))
                yield Made(text, line == template, role, *pair)


def _role_in(template: str) -> str | None:
    """The role that a template which names somebody gives her too."""
    if any(word in template for word in ("CEO", "chief exec", "runs your charity", "the boss")):
        return "ceo"
    return "chair" if "your chair" in template else None


def _written(first: str, last: str) -> dict[str, str]:
    family = [piece for piece in re.split("[ -]", last) if piece not in {"al", "de"}]
    letters = "".join(piece[0] for piece in (first, *family)).upper()
    full = f"{first} {last}"
    return {"full": full, "FULL": full.upper(), "full_low": full.lower(), "first": first, "last": last,
            "initials": letters, "dotted": ".".join(letters) + "."}  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind]["meant"] != "nobody"])
def test_each_kind_in_which_somebody_is_meant_is_recognised(kind: str) -> None:
    sentences = list(made(kind))
    missed = [(m.ceo, m.chair, m.text) for m in sentences if m.role not in answers(m.text, m.ceo, m.chair, told=m.told)]
    assert len(missed) <= (1 - SHARE.get(kind, 0.97)) * len(sentences), missed


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind]["meant"] == "nobody"])
def test_each_kind_in_which_nobody_is_meant_hides_little(kind: str) -> None:
    sentences = list(made(kind))
    hidden = [(m.ceo, m.chair, m.text) for m in sentences if answers(m.text, m.ceo, m.chair, told=m.told)]
    assert len(hidden) <= SHARE.get(kind, 0.05) * len(sentences), hidden


@pytest.mark.parametrize("letters", ["HR", "PM", "DM", "GP", "OK", "TV", "IT"])
def test_a_common_abbreviation_is_nobodys_initials(letters: str) -> None:
    assert answers(f"{letters} told me to wait and lied", f"{letters[0]}anna {letters[1]}orrell", told=True) == set()


def test_initials_are_never_certain_and_need_capitals_and_a_deed() -> None:
    ours = naming("Fadumo Warsame", "Peter Young")
    assert ours.spoken("FW hit my son", told=True) == Spoken((), ("ceo",))
    for text in ("fw hit my son", "the FW on his coat", "MY SON FW HIT", "my FW radio broke"):
        assert ours.spoken(text, told=True) == Spoken(), text


def test_whoever_shall_not_hear_of_it_may_be_whom_it_is_of() -> None:
    for text in ("Please do not tell the CEO I wrote this", "dont give this to Rowan Ashdown please"):
        assert "ceo" in answers(text, told=True), text


@pytest.mark.parametrize(
    "text",
    [
        "Only for the Chair please",
        "for the trustees only, not management",
        "Trustees only please: there were bruises on the girl",
        "For the Chair's eyes only",
        "nobody but the Chair should read this",
        "I want to talk to the chair of trustees and nobody else",
        "don't tell management",
        "for board members only",
        "nobody in management should read this",
        "To the Chair, confidential, not for the CEO",
        "please keep this from the bosses",
    ],
)
def test_what_is_for_the_board_alone_may_be_of_the_ceo(text: str) -> None:
    assert "ceo" in answers(text, told=True)
    assert "chair" not in answers(text, told=True)


@pytest.mark.parametrize(
    "who",
    [
        "the C-E-O", "the c.e.o", "C. E. O.", "managing-director", "Chief-Executive", "the executive-director", "TheCEO",
        "yourCEO", "theceo", "yourboss", "theDirector", "theChiefExecutive", "rowanashdown89", "rowan_ashdown89",
        "RowanAshdown", "rowan at tessellateuk dot example", "rowan(at)tessellateuk(dot)example",
        "rowan dot ashdown at tessellateuk dot example", "R.A., Chief Executive,", "Rowan from head office",
        "Rowan at HQ", "Rowam", "Rowwan",
    ],
)  # fmt: skip
def test_however_she_is_written_she_is_recognised(who: str) -> None:
    ours = build_naming(
        HOUSE, (Named("ceo", "Rowan Ashdown", "rowan@tessellateuk.example"), Named("chair", "Imogen Vale"))
    )
    spoken = ours.spoken(f"{who} hit my child", told=True)
    assert "ceo" in {*spoken.of, *spoken.perhaps}


@pytest.mark.parametrize(
    "text",
    [
        "Ronan hit my son", "Roman hit my son", "Rowena touched my daughter", "Megan hit my son", "Rohin hit my son",
        "meet me at tesco dot com they said", "Rowan from year 9 hit my son", "Rowan from the chip shop hit my son",
        "vice-chair of the school hit my son", "the co-director of the film lied", "YouTube is full of lies",
        "wheel-chair hit my son", "covid19 hurt us", "thechair broke and my son fell", "room 22 hit by a ball",
        "PayPal stole my money", "deputy-director of the pool hit my son",
    ],
)  # fmt: skip
def test_what_only_looks_like_her_is_nobody(text: str) -> None:
    assert answers(text, "Rowan Ashdown", "Imogen Vale", told=True) == set()


@pytest.mark.parametrize(
    ("listed", "last"),
    [
        ("Dr Priya Raman MBE", "Raman"), ("Prof Dame Ruth Ekwueme DBE FRS", "Ekwueme"), ("Sam Petrov (she/her)", "Petrov"),
        ("Kiran Nair, PhD", "Nair"), ("The Rev'd Canon Alan Webb OBE DL", "Webb"), ("Amal Haddad KC", "Haddad"),
        ("Jay Pole Esq.", "Pole"), ("Mary Skinner BSc (Hons)", "Skinner"), ("Wei Ma", "Ma"), ("Cllr Bill Green JP", "Green"),
    ],
)  # fmt: skip
def test_titles_and_letters_in_the_settings_hide_no_family_name(listed: str, last: str) -> None:
    assert answers(f"{last} touched my son", listed, "Imogen Vale", told=True) == {"ceo"}
    assert answers(f"Dr {last} hit my lad", listed, "Imogen Vale", told=True) == {"ceo"}


@pytest.mark.parametrize(
    "name", ["Will Young", "Grace Hope", "Mark Price", "Joy King", "Rose Church", "Dean Bishop", "May Day", "Ali Khan"]
)
def test_a_full_name_of_everyday_words_needs_no_capitals_before_a_deed(name: str) -> None:
    assert answers(f"{name.lower()} hit my lad", name, "Imogen Vale", told=True) == {"ceo"}
    assert answers(f"{name.replace(' ', '')} hit my lad", name, "Imogen Vale", told=True) == {"ceo"}
    last = name.split()[1].lower()
    assert answers(f"my lad was hit at the {last} house", name, "Imogen Vale", told=True) == set()


ABROAD = [json.loads(line) for line in (WORDINGS / "abroad.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("row", ABROAD, ids=[row["text"] for row in ABROAD])
def test_a_role_in_another_language_and_a_name_in_another_script_are_unclear_at_least(row: dict[str, str]) -> None:
    """Roles in Polish, Somali, Arabic, Urdu, Welsh, French, Spanish and German; Cyrillic, Arabic and Devanagari letters."""
    found = answers(row["text"], "Rowan Ashdown", "Imogen Vale", told=row["kind"] == "tip")
    assert found == ({row["means"]} - {"nobody"})


PEOPLE = (
    ("Rowan", "Ashdown"),
    ("Siân", "O’Brien"),
    ("Deepika", "Raghunathan"),
    ("Zoë", "Castellanos"),
    ("Ifeanyi", "Okwuosa"),
    ("Carys", "Bevan-Price"),
    ("Noor", "al-Hakim"),
)
DEEDS = ("lied to my mother", "touched my daughter", "knew and covered it up", "stole the raffle money")


def forms(first: str, last: str) -> list[str]:
    """The ways in which people write a name."""
    bare = last.replace("’", "").replace("-", "")
    swapped = last[:2] + last[3] + last[2] + last[4:]
    return [
        f"{first} {last}",
        f"{first} {last}".upper(),
        f"{first} {last}".lower(),
        f"{first} {last.replace('’', chr(39))}",
        f"{first} {bare}",
        f"{first}-{last}",
        f"{first[0]}. {last}",
        f"{first[0]} {last}",
        f"Mr {last}",
        f"Ms. {last}",
        f"Dr {first} {last}",
        f"{last}",
        f"#{first}{bare}",
        f"@{first}_{bare}".lower(),
        f"@{first}{bare}".lower(),
        f"{first[0]}.{bare}@tessellateuk.example".lower(),
        f"{first}, your director,",
        f"{first}, the CEO,",
        f"{first} {swapped}",
        f"https://gazette.example/news/{first}-{bare}".lower(),
    ]


@pytest.mark.parametrize(("first", "last"), PEOPLE)
def test_a_name_is_recognised_in_every_form(first: str, last: str) -> None:
    missed = [
        f"{form} {deed}"
        for form, deed in itertools.product(forms(first, last), DEEDS)
        if "ceo" not in answers(f"{form} {deed}", f"{first} {last}", "Oliver Penhaligon")
    ]
    assert missed == []


CEO = ("the CEO", "your CEO", "the chief exec", "your chief executive", "your director", "the director", "your boss",
       "the C.E.O.", "Tessellate's boss", "the charity's chief", "the man who runs Tessellate", "the head of TUK",
       "whoever runs this charity", "the one in charge there", "your managing director", "Mr CEO")  # fmt: skip
CHAIR = ("the chair of trustees", "your chair", "your chairman", "the chairwoman", "the Chair", "the head of your board",
         "the chair of your trustees", "TUK's chair", "your chair of the board", "the chairperson")  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
def test_a_role_of_which_something_is_said_means_who_has_it(deed: str) -> None:
    assert [role for role in CEO if answers(f"{role} {deed}") != {"ceo"}] == []
    assert [role for role in CHAIR if answers(f"{role} {deed}") != {"chair"}] == []


@pytest.mark.parametrize(
    "call",
    [
        "please tell {}, my son was hurt",
        "Could {} ring me? My daughter was hit by another girl.",
        "I would like {} to know that one of your volunteers is messaging my daughter.",
        "pass this on to {} please: somebody is selling pills behind the hall",
        "For the attention of {}. A man took pictures of the children.",
        "Can somebody let {} know there is a gas smell",
    ],
)
@pytest.mark.parametrize("who", ["the CEO", "your director", "the chief exec", "Rowan", "Mr Ashdown"])
def test_whoever_is_called_for_is_told(call: str, who: str) -> None:
    assert answers(call.format(who), told=True) == set()


@pytest.mark.parametrize(
    "text",
    [
        "The CEO of the bank came to my school and was boring",
        "a school's CEO shouted at my daughter",
        "the deputy director was rude",
        "my own boss lied to me",
        "Rowan Atkinson was rude on stage",
        "Geoff Ashdown hit a six",
        "Ashdown Forest was muddy and my boy got hurt",
        "my son Rowan was hit by a ball",
        "Rowan in year 9 hit my son",
        "Rowan, 13, was hit by a ball",
        "the chair broke and my son was hurt",
        "director's cut was disgusting",
        "Thanks to Rowan for speaking at our assembly",
        "Great speech by Rowan Ashdown last night",
    ],
)
def test_somebody_else_and_thanks_hide_nothing(text: str) -> None:
    assert answers(text) == set()


def test_an_unclear_word_is_marked_as_such() -> None:
    assert naming("Rowan Ashdown", "Siân O’Brien").spoken("Rowan Ashdown was in the minibus") == Spoken((), ("ceo",))
    assert naming("Rowan Ashdown", "Siân O’Brien").spoken("Rowan Ashdown lied") == Spoken(("ceo",), ())


def test_a_writer_of_ours_and_a_link_are_looked_at_too() -> None:
    ours = naming("Rowan Ashdown", "Siân O’Brien")
    assert ours.spoken("so be it", author="Rowan Ashdown , @rowan_ashdown").perhaps == ("ceo",)
    assert ours.spoken("so be it", author="Rowan , @rowan_m").perhaps == ()
    assert ours.spoken("look", links=("https://x.example/rowan-ashdown-and-the-minutes",)).perhaps == ("ceo",)
    assert ours.spoken("look https://tessellateuk.example/team/rowan-ashdown").perhaps == ()


def test_everybody_in_the_settings_is_recognised_by_name_and_other_names() -> None:
    people = (
        Named("ceo", "Rowan Ashdown", "ra@tessellateuk.example", ("Ro the Boat", "@r_ash")),
        Named("operator", "Ines Varga"),
    )
    ours = build_naming(HOUSE, people)
    assert ours.spoken("Ines Varga shouted at my son").of == ("operator",)
    for text in ("@r_ash lied", "Ro the Boat lied", "ra@tessellateuk.example lied"):
        assert ours.spoken(text).of == ("ceo",), text


@pytest.mark.parametrize(
    "piece", ["Rowan Ashdown ", "the ceo ", "@a", "x@", "a.b/", "T. ", "R*", "the chair of the board of the "]
)
def test_the_longest_text_is_capped(piece: str) -> None:
    naming("Rowan Ashdown", "Siân O’Brien").spoken(piece * 200_000)
