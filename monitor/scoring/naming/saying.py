"""Whether something is said of a person where she is named, or she is only called for, thanked, or not meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from monitor.scoring.naming.facing import Facing, unquoted
from monitor.scoring.naming.forms import AT_THE_TOP, Strength
from monitor.scoring.naming.pleas import Pleas
from monitor.scoring.naming.tokens import Sort, Token, pieces_of
from monitor.scoring.naming.welldoing import WellDoing
from monitor.scoring.naming.words import Words, bag
from monitor.scoring.vader import vader


class Answer(IntEnum):
    """Whether somebody is spoken of; the greater one wins where a text names her more than once."""

    NOT = 0
    UNCLEAR = 1
    SPOKEN_OF = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a person is named: tokens ``start`` to ``end``, and how surely she is meant.

    ``by_role``: only by what she does here; ``loose``: by a word that means other things too. ``titled``: "Ms" and the
    family name. ``doubtful``: perhaps the head of another house. ``lettered``: by initials alone, which is never
    certain. ``described``: "the man who runs it".
    """

    role: str
    start: int
    end: int
    strength: Strength
    sort: Sort
    by_role: bool = False
    loose: bool = False
    doubtful: bool = False
    apposed: bool = False
    titled: bool = False
    lettered: bool = False
    described: bool = False


_ENDS = frozenset({".", "!", "?", "\n", ";"})
_FILLERS = bag(
    """the your our please pls this that it on again back directly whoever is about with mr mrs ms miss mister madam
    sir pani pan panie senor senora straight also just any by a dear me own if kindly via both actual , - : / ( " '
    know kind personal la le les el madame monsieur """
)
_ASKS = bag(
    """is are do does can could will would when where who whos which any anyone has have may shall
    wheres hows should or quick question"""
)
_WANTS = bag("""want like have get need trust hope believe sure know think wish suppose guess assume glad""")
_MUST = bag("should must needs need ought has may might will would wants can could")
_HEARS = bag(
    """know knows hear see read reads sees told aware look looks call ring phone reply answer come help please check
    visit speak talk meet ask arrange explain contact email"""
)
_PRESENT = _HEARS | bag("""coming around there in available free able back here based about still working doing
    visiting open opening speaking talking today tomorrow going joining taking still""")
_ANSWERABLE = bag("""allowed right normal ok okay explain apologise apologised apologise sorry
    truth honest resign step ever even hide gone near getting get still really blocking responsible answer
    answers accountable trust safeguarding dbs aware did done doing earn earns think thinking understand care
    cares trouble problem problems issues bother""")
_WHY = bag("where why what whats wheres about how hows whether who when her him")
_LOW = bag("at in on for with to and or but from of , ) : - if than")
_MAKES_HER = bag("by because from is was hes shes youre")
_POLITE = bag("""please pls plz help hello hi kindly dear my attention fao attn message note forward pass""")
_TO_BE = bag(
    "be become becoming being im am as play plays played playing hiring recruiting appoint appointing elect elected"
)
_HE = bag("he she his her hes shes him")
_NO = bag("not never isnt wasnt hardly no aint doesnt didnt cant wont less nothing")
_MERELY = bag("has will would may might wants")
_GREETING = bag("hello hi hey salaam salam salaams salams vanakkam namaste shalom hola bonjour ciao dear")
_GREETED = {(word,) for word in _GREETING} | {()}
_EQUALS = bag("= : - , was is by its being thats from aka called except")
_LOOK_INTO = bag("investigate check sack suspend remove arrest stop watch look")
_ANY = bag("anyone anybody nobody someone somebody any")
_KIN = bag("""brother sister uncle auntie aunty aunt mum mam mother dad father nan nana gran
    grandad stepdad stepmum parents baba""")
_CHILD = bag("girl boy lad lass kid child pupil twins toddler baby teenager friend classmate")
_CORNERS = bag("door corner triangle street road parade high square market precinct station green hill front arcade")
_TRADES = bag(
    "shop store salon bakery butchers cafe takeaway restaurant pharmacy chemist garage stall barbers newsagents grocers"
)
_TALKS = bag("talk speech visit assembly session lecture keynote workshop interview sermon video podcast letter")
_AFTER = bag("after at during from since heard was by of in loved enjoyed saw read")
_SORROW = bag("dying death died missing hurt broken charged court")
_PASSIVE = bag("got was were been being get is are im")
_SHOULD = bag("""wont dont probably met came helped know once gave visited should may might need
    will can could would are please do have must mentioned said asked wanted""")
_ARTICLES = bag("the your our this that their its a big own very")
_ANYBODY = bag("you your us our ours me him her them")
_ANYWHERE = bag("place lot show outfit setup foundation board yours operation")
_SOMEBODY = bag(
    """me us our him her them girls boys kids children staff volunteers parents son daughter sister brother
    everyone girl boy child teenagers you your must why ours teenager"""
)


class Saying:
    """Weighs the words around a name. Holds no state."""

    def __init__(self, words: Words, everyday: frozenset[str], ours: frozenset[str]) -> None:
        self._words = words
        self._everyday = everyday
        self._ours = ours
        self._well = WellDoing(words)
        self._facing = Facing(words)
        self._pleas = Pleas(words)

    def of(self, scene: Scene) -> Answer:
        """What the text says of the person at the scene's finding."""
        answer = self._weighed(scene)
        if answer is Answer.NOT and (self._is_told_off(scene) or self._is_kept_from(scene)):
            return Answer.UNCLEAR
        return min(answer, Answer.UNCLEAR) if scene.finding.lettered else answer

    def _weighed(self, scene: Scene) -> Answer:
        finding = scene.finding
        if self._is_somebody_else(scene):
            return Answer.NOT
        if (addressed := self._addressed(scene)) is not None:
            return addressed or (Answer.NOT if scene.told and self._is_wished_for(scene) else self._of_handle(scene))
        if self._is_about(scene):
            return Answer.SPOKEN_OF
        if self._is_kind(scene) or self._does_well(scene):
            return Answer.NOT
        grave = self._is_grave(scene.said_here)
        if not grave and (self._is_question(scene) or self._is_asked(scene) or self._is_belonging(scene)):
            return Answer.NOT
        if finding.strength is Strength.FIRST and not scene.other_mentions:
            return self._of_first_name(scene, grave=grave)
        if grave:
            does = scene.is_subject or scene.owns_something or bool(scene.lead) and scene.lead[-1] in _MAKES_HER
            mixed = finding.doubtful or not does or self._words.thanks.count(scene.plain_sentence)
            return Answer.UNCLEAR if mixed else Answer.SPOKEN_OF
        return Answer.UNCLEAR if self._is_said_of(scene) else Answer.NOT

    def _of_handle(self, scene: Scene) -> Answer:
        """A handle, mailbox or full name is called out rather than called for: that takes a "please" or "thanks"."""
        finding = scene.finding
        full = finding.strength is Strength.SURE and not finding.titled and not finding.apposed
        if finding.sort is Sort.WORD and (not full or (scene.told and not scene.begins)):
            return Answer.NOT
        if finding.sort is Sort.EMAIL and self._words.called.ends(scene.before, len(scene.before)):
            return Answer.NOT if self._is_kind(scene) else Answer.UNCLEAR
        if scene.polite or self._is_kind(scene) or self._is_question(scene):
            return Answer.NOT
        return Answer.UNCLEAR

    def _is_said_of(self, scene: Scene) -> bool:
        """Without any bad word: whether the text says anything of her at all."""
        finding = scene.finding
        if finding.strength is Strength.SURE or finding.sort is not Sort.WORD or scene.told:
            return True
        if self._is_elsewhere(scene) and not self._is_of_ours(scene):
            return False
        if self._is_grave(scene.said_near):
            return not finding.loose or scene.is_subject
        i_was = scene.lead[-2:] in {("i", "was"), ("i", "were"), ("id", "be")}
        if finding.by_role and scene.lead and (scene.lead[-1] in _TO_BE or i_was):
            return False
        if finding.by_role and scene.after[:2] == ("stands", "for"):
            return False
        if finding.by_role and not scene.after and scene.lead[-1:] and scene.lead[-1] in _EQUALS:
            return True
        if finding.by_role and not finding.loose:
            does = scene.is_subject or scene.owns_something or scene.lead[-1:] and scene.lead[-1] in _MAKES_HER
            return not finding.doubtful and (bool(does) or self._has_bite(scene))
        acts = scene.is_subject and scene.has_article if finding.loose else scene.is_subject
        if scene.begins and not finding.loose:
            acts = self._acts(scene)
        return acts or self._has_bite(scene)

    def _acts(self, scene: Scene) -> bool:
        """Whether a verb follows the name, as far as its ending tells."""
        word = scene.after[0] if scene.after else ""
        both = 2 if scene.after[:1] in {("and",), ("&",), ("n",), (",",)} else 0
        if self._words.is_deed(scene.after[:4]) or (both and self._words.is_deed(scene.after[both : both + 4])):
            return True
        return word in self._words.deeds or word in _MUST or word.endswith(("ed", "nt", "s")) or word in {",", ":", "("}

    def _has_bite(self, scene: Scene) -> bool:
        """Something that people do not say of a namesake: whom it was done to, whose it is, money, a quotation."""
        owns = scene.owns_something or (scene.is_plural and scene.is_subject and not self._acts(scene))
        return owns or '"' in scene.sentence or scene.shouts or self._is_of_ours(scene)

    def _is_of_ours(self, scene: Scene) -> bool:
        """Whether there is talk of our people, our house, or money and kin of somebody in charge."""
        near = (*scene.lead, *scene.after, *scene.rest[:12])
        somebody = _SOMEBODY - _ANYBODY if scene.finding.by_role else _SOMEBODY
        ours = self._ours - _ANYWHERE
        return any(word in somebody or word in self._words.odd or word in ours for word in near)

    # ── somebody else ──

    def _is_somebody_else(self, scene: Scene) -> bool:
        return self._is_namesake(scene) or self._is_of_another_house(scene)

    def _is_namesake(self, scene: Scene) -> bool:
        finding, words = scene.finding, self._words
        if finding.by_role or finding.apposed or finding.sort is not Sort.WORD:
            return False
        after = scene.after
        if after and after[0] in words.namesake_after and not scene.owns_something:
            return True
        before = scene.before[-1:]
        if finding.strength is Strength.SURE:
            has_job = bool(before) and before[0] in words.jobs and "your" not in scene.before[-3:]
            kin = scene.first_word in _KIN and before and before[0] in {"my", "our", "her", "his", "their"}
            return finding.titled and (has_job or bool(kin) or self._is_apposed(scene))
        if self._is_shop(scene):
            return True
        if before and (before[0] in words.namesake_before or scene.before[-2:] in {("name", "is"), ("names", "are")}):
            return True
        if finding.strength is Strength.FIRST and (self._has_job(scene) or self._is_child(scene)):
            return True
        if scene.is_plural and {"the", "all", "other", "two", "both", "those"}.intersection(scene.before[-3:]):
            return True
        return self._is_apposed(scene) or self._has_other_name(scene)

    def _is_shop(self, scene: Scene) -> bool:
        """ "Ashdown's on the corner", "the nail shop Tran's", "outside Bell's the butchers", "Ashdown & Sons"."""
        after, before, words = scene.after, scene.before, self._words
        if after[:1] in {("&",), ("and",)} and after[1:2] in {("sons",), ("son",), ("co",), ("daughters",)}:
            return True
        if not scene.owns_something:
            return False
        if _TRADES.intersection(after[:3]) and not self._is_grave(scene.said_here):
            return True
        place = after[:1] == ("the",) and bool({*after[1:3]} & (words.namesake_after | words.jobs | words.other_places))
        went = before[-1:] and before[-1] in {"to", "at", "from", "outside", "near", "in", "by"}
        if (
            went
            and (not after or after[0] in {"for", "and", ",", "on", "where"})
            and not self._is_grave(scene.said_here)
        ):
            return True
        near = after[:2] == ("next", "door") or (after[:1] in {("on",), ("in",), ("near",), ("by",), ("opposite",)})
        corner = near and bool({*after[:5]} & _CORNERS)
        return place or corner or (bool(before) and before[-1] in words.namesake_after)

    def _is_apposed(self, scene: Scene) -> bool:
        after = scene.after[1:] if scene.after[:1] in {(",",), ("(",)} else scene.after
        if not after or self._ours.intersection(after[:5]) or scene.owns_something or scene.finding.lettered:
            return False
        if after[0] in {"from", "at", "in"} and AT_THE_TOP.intersection(after[1:4]):
            return False
        if after[0].isdigit() or self._words.apposed.at(after, 0):
            return True
        if scene.finding.titled or _HE.intersection(after) or self._is_grave(scene.said_here):
            return False
        return bool(self._words.is_word.at(after, 0))

    @staticmethod
    def _is_child(scene: Scene) -> bool:
        """ "A girl in my class, Rowan," and "Rowan's mum"."""
        if scene.owns_something:
            return bool(scene.after) and scene.after[0] in _KIN
        return scene.before[-1:] == (",",) and bool(_CHILD.intersection(scene.before))

    def _has_job(self, scene: Scene) -> bool:
        before = scene.before[-1:]
        if before and before[0] in self._words.jobs:
            return True
        after = [w for w in scene.after[:5] if w not in {",", "(", "the", "one", "of", "your", "our", "a", "who", "is"}]
        return bool(after) and (after[0] in self._words.jobs or after[0].rstrip("s") in self._words.jobs)

    def _has_other_name(self, scene: Scene) -> bool:
        """ "Rowan Atkinson", "Geoff Ashdown": another part of a name than ours stands beside."""
        first = scene.finding.strength is Strength.FIRST
        beside = scene.next_token if first else scene.last_token
        if (
            beside is None
            or beside.sort is not Sort.WORD
            or (first and scene.owns_something)
            or (not first and beside.owns)
        ):
            return False
        if beside.word in self._words.first_names and (not first or beside.capital):
            return True
        if beside.word in self._everyday or beside.word in self._words.titles or len(beside.word) < 3:
            return False
        if beside.word in self._words.nicknames:
            return True
        starts = not first and len(scene.before) == 1
        return beside.capital and not beside.raw.isupper() and not starts and not self._is_grave(scene.said_here)

    def _is_of_another_house(self, scene: Scene) -> bool:
        """The text says that it speaks of another house, and the role is not said to be ours."""
        if not scene.finding.by_role or not self._words.other_house.count(scene.nearby + scene.sentence):
            return False
        return "your" not in scene.before[-3:] and not (self._ours - self._words.ours).intersection(scene.sentence)

    # ── called for ──

    def _is_kept_from(self, scene: Scene) -> bool:
        casual = scene.finding.loose and not scene.told
        kept = not casual and self._pleas.keeps_from(scene.lead, scene.after, owns=scene.owns_something)
        return kept and not self._is_somebody_else(scene)

    def _is_told_off(self, scene: Scene) -> bool:
        """ "Rowan, stop touching me", "Dear Rowan, my son says you hit him": not "my Rowan stop"."""
        greeted = scene.begins or (len(scene.lead) < 4 and scene.lead[-1:] and scene.lead[-1] in _GREETING)
        if not greeted or scene.owns_something or scene.finding.by_role or scene.finding.sort is not Sort.WORD:
            return False
        return self._facing.accuses(("\n", *scene.after, *scene.rest[:40])) and not self._is_kind(scene)

    def _addressed(self, scene: Scene) -> Answer | None:
        if scene.owns_something and (scene.after[:1] == ("attention",) or scene.after[:2] == ("eyes", "only")):
            return Answer.NOT
        if scene.owns_something and not self._is_belonging(scene):
            return None
        if scene.finding.sort is Sort.LINK:
            return None
        if self._is_wished_for(scene):
            return self._spoken_to(scene)
        words, before = self._words, scene.lead
        cut = len(before)
        for _ in range(4):
            if (
                before[max(0, cut - 2) : cut - 1]
                and before[cut - 2] in _PASSIVE
                and before[cut - 1] in {"told", "asked"}
            ):
                return None
            if before[max(0, cut - 1) : cut] in {("ask",), ("asks",)}:
                return (
                    None
                    if scene.after[:1] and scene.after[0] in _WHY and not scene.finding.loose
                    else self._spoken_to(scene)
                )
            if words.called.ends(before, cut) and before[0] in {"has", "have", "did"} and _ANY.intersection(before):
                return None
            if words.called.ends(before, cut):
                return self._called_for(scene)
            if words.call.ends(before, cut):
                return self._spoken_to(scene)
            if (
                not cut
                or before[cut - 1] not in _FILLERS
                or (before[cut - 1] in {"is", "if"} and scene.after[:1] == ("who",))
            ):
                break
            cut -= 1
        if [word for word in before if word not in _ARTICLES] in (["to"], ["for"]):
            return self._spoken_to(scene)
        return self._spoken_to(scene) if self._is_vocative(scene) else None

    def _is_wished_for(self, scene: Scene) -> bool:
        """ "The CEO should know", "could the director ring me", "I hope Rowan reads this"."""
        before, after = scene.lead, scene.after
        if {"even", "ever", "explain"}.intersection(after[:4]):
            return False
        if before[:1] == ("has",) and after[:1] == ("told",):
            return False
        if before[:1] == ("if",) and {"reading", "reads", "sees", "gets"}.intersection(after[:3]):
            return True
        heard = bool(_HEARS.intersection(after[:4]))
        if (
            after
            and after[0] in _MUST
            and _HEARS.intersection(w for w in after[1:4] if w not in {"to", "be", "please"})
        ):
            if after[0] in _MERELY and after[1] not in {"to", "want", "like", "need", "please", "be"}:
                return False
            return len(after) > 2 and bool(_HEARS.intersection(after[1:3]) or after[1] in {"to", "be", "please"})
        if heard and before and before[0] in (_MUST | {"do", "does", "is", "please", "id"}) and len(before) < 4:
            return True
        if after and after[0] in {"could", "please"} and after[1:2] not in {("not",), ("nt",), ("never",)}:
            return True
        if (
            before[-1:]
            and before[-1] in _WANTS
            and after[:1]
            and after[0]
            in {
                "to",
                "will",
                "can",
                "reads",
                "sees",
                "is",
                "would",
                "knows",
                "ring",
                "call",
                "gets",
                "hears",
                "could",
                "phone",
            }
        ):
            return True
        if before[-1:] in {("let",), ("make",)} and "know" in after[:3]:
            return True
        return bool(before) and before[0] in {"is", "are"} and len(before) < 4 and "right" in after[:3]

    def _is_vocative(self, scene: Scene) -> bool:
        words, after = self._words, scene.after
        finding = scene.finding
        if finding.by_role and scene.has_article or finding.sort in {Sort.LINK, Sort.EMAIL}:
            return False
        if after[:1] == (",",) and after[1:2] and after[1] in _GREETING and len(scene.before) < 4:
            return True
        if not scene.begins and scene.is_listed:
            return False
        if not scene.begins:
            return not after and scene.before[-1:] == (",",) and finding.sort is Sort.WORD and not scene.said_you
        if not after:
            return scene.sentence_end == "\n" or (scene.first and scene.polite)
        if after[0] in {",", ":", "-", "ji", "sir", "madam"}:
            titled = finding.titled or bool(scene.before and scene.before[-1] in words.titles)
            some = words.spoken_to if titled or finding.strength is Strength.FIRST else words.spoken_at_once
            return len(after) == 1 or bool(some.at(after, 1))
        named = finding.titled or finding.strength is Strength.FIRST or (scene.told and not finding.by_role)
        some = words.spoken_to if named and after[0] not in {"the", "a", "an"} else words.spoken_at_once
        return bool(some.at(after, 0))

    def _called_for(self, scene: Scene) -> Answer:
        """Somebody told or asked her: nothing is said of her but where what she did about it is."""
        tail = scene.after + scene.rest[:25]
        if self._well.of_pronoun((*scene.after, ".", *scene.rest[:25])):
            return Answer.NOT
        if self._words.failed.count(tail):
            return Answer.SPOKEN_OF if {"he", "she", "who"}.intersection(tail[:6]) else Answer.UNCLEAR
        if {"he", "she", "who"}.intersection(scene.after) or scene.rest[:1] in {("he",), ("she",)}:
            return Answer.UNCLEAR
        return Answer.NOT

    def _spoken_to(self, scene: Scene) -> Answer:
        text = scene.after + scene.rest
        told_of = scene.lead[-1:] not in _GREETED and self._facing.passes_on(scene.after)
        if told_of or self._facing.accuses((*scene.around, "\n", *text)):
            return Answer.NOT if self._is_kind(scene) else Answer.UNCLEAR
        if text[1:2] == ("you",) and text[0] == "," and text[2:3] and text[2] not in _SHOULD:
            return Answer.UNCLEAR
        for n, word in enumerate(text[:-1]):
            if word in {"please", "pls", "plz"} and text[n + 1] in _LOOK_INTO:
                return Answer.UNCLEAR
            if word == "about" and text[n + 1] in {"him", "her", "them"}:
                return Answer.UNCLEAR
            if word in {"you", "youve", "your"} and any(w in self._words.personal for w in text[n + 1 : n + 4]):
                return Answer.UNCLEAR
        return Answer.NOT

    # ── what is said ──

    @staticmethod
    def _is_about(scene: Scene) -> bool:
        before = [word for word in scene.before[-3:] if word not in {"the", "your", "our", "this", "that"}]
        if {"nothing", "not", "isnt"}.intersection(scene.before[-5:]):
            return False
        return (
            before[-1:] in (["about"], ["against"], ["report"], ["reporting"])
            and scene.finding.strength is not Strength.FIRST
        )

    def _does_well(self, scene: Scene) -> bool:
        """What she did is harmless, or she was only met somewhere, or the text says that it is not her fault."""
        before, after = scene.before, scene.after
        if scene.owns_something:
            told = after[:1] and after[0] in _TALKS and scene.lead[-1:] and scene.lead[-1] in _AFTER
            no_fault = after[:1] == ("fault",) and bool({"not", "isnt", "wasnt", "never"}.intersection(before[-4:]))
            his = bool(after) and after[0] in self._words.belongings and self._well.of_subject(after[1:])
            return no_fault or bool(told) or his
        lists = self._words.well
        if lists.met.ends(scene.lead, len(scene.lead)) and lists.met_at.at(after, 0) if after else False:
            return not self._is_grave_of(scene)
        if {"nothing", "not"}.intersection(before[-4:-1]) and before[-1:] and "against" in before[-3:]:
            return True
        if scene.lead[-4:] == ("nothing", "to", "do", "with"):
            return True
        met = {"i", "we", "had", "ive", "weve"}.intersection(before) and not self._words.is_deed(after[:4])
        if met and self._well.of_pronoun((*after, scene.sentence_end, *scene.rest[:12])):
            return True
        if {"neither", "nor", "never"}.intersection(before[-4:]):
            return False
        return self._well.of_subject((*after, scene.sentence_end, *scene.rest[:12]))

    def _is_grave_of(self, scene: Scene) -> bool:
        return any(word in self._words.grave for word in scene.after)

    def _is_kind(self, scene: Scene) -> bool:
        words = scene.plain_sentence
        if len(scene.tokens) < 70:
            words = words + (scene.rest[:12] if scene.told else scene.nearby)
        words = tuple(word for word in words if word not in scene.names)
        if any(before in _NO and self._words.thanks.at(words, n + 1) for n, before in enumerate(words[:-1])):
            return False
        if scene.told and scene.lead[-2:] == ("thank", "you") and scene.after[:1] in {("for",), ("and",), (",",)}:
            return True
        kind = self._words.thanks.count(words)
        grave = sum(word in self._words.grave and (scene.told or word not in _SORROW) for word in words)
        return kind > grave and kind >= sum(word in self._words.odd for word in scene.plain_sentence)

    def _is_grave(self, said: Said) -> bool:
        return any(word in self._words.grave for word in said.words) or vader().compound(said.text) < -0.3

    def _is_elsewhere(self, scene: Scene) -> bool:
        """Talk of a match, a menu, a song: whoever is named there is somebody else, or does no wrong."""
        return not self._words.elsewhere.isdisjoint(scene.sentence)

    def _is_asked(self, scene: Scene) -> bool:
        """A handle that is asked something of no weight: "@rowan when is the hall open pls?"."""
        after = scene.after
        asks = scene.finding.sort is Sort.TAG and scene.first and bool(after) and after[0] in _ASKS
        return (
            asks
            and scene.sentence_end == "?"
            and not {"you", "your", "u"}.intersection(after) | (_ANSWERABLE & {*after})
        )

    def _is_question(self, scene: Scene) -> bool:
        """A harmless question: when she comes, where her office is; not why she has not said sorry."""
        asks = bool(scene.before) and scene.before[0] in _ASKS and not {"did", "why", "much"}.intersection(scene.before)
        return asks and (scene.sentence_end == "?" or len(scene.lead) < 3) and not self._asks_of_her(scene)

    def _asks_of_her(self, scene: Scene) -> bool:
        """Whether a question says something of her: what she may do, has to hide, has not said."""
        if _ANSWERABLE.intersection(scene.sentence) or any(word in self._words.odd for word in scene.after):
            return True
        if not scene.told:
            return False
        who = scene.before[0] != "who" or scene.before[1:2] == ("is",)
        where = (
            who
            and scene.before[0] in {"who", "whos", "where", "wheres", "when", "which", "how"}
            and len(scene.after) < 5
        )
        return not where and not _PRESENT.intersection(scene.after[:4])

    def _is_belonging(self, scene: Scene) -> bool:
        named = not scene.finding.by_role and scene.finding.strength is not Strength.FIRST
        return scene.owns_something and not named and any(w in self._words.belongings for w in scene.after[:2])

    def _of_first_name(self, scene: Scene, *, grave: bool) -> Answer:
        if scene.finding.sort is Sort.TAG:
            return Answer.UNCLEAR
        after = scene.after[:2]
        said = any(word in self._words.deeds or word.endswith("ed") for word in after) or scene.owns_something
        done = said or scene.lead[-1:] in {("by",), ("was",), ("is",)}
        if self._is_elsewhere(scene):
            return Answer.NOT
        if scene.told:
            return Answer.UNCLEAR
        return Answer.UNCLEAR if done and (grave or '"' in scene.after[:6]) else Answer.NOT


@dataclass(frozen=True, slots=True)
class Said:
    """A stretch of text: its words as compared, and as written."""

    words: tuple[str, ...]
    text: str


class Scene:
    """A finding with the words around it: its sentence before and after it, and the rest of the text.

    ``told``: the text is a tip, written because something is wrong.
    """

    def __init__(
        self, tokens: Sequence[Token], findings: Sequence[Finding], finding: Finding, *, told: bool = False
    ) -> None:
        self.told = told
        self.tokens = tokens
        self.finding = finding
        start, end = finding.start, finding.end
        first = start
        while first > 0 and start - first < 40 and not _ends_sentence(tokens, first - 1):
            first -= 1
        last = end
        while last < len(tokens) and last - end < 60 and not _ends_sentence(tokens, last):
            last += 1
        self._start, self._stop = first, last
        self.before = tuple(token.word for token in tokens[first:start])
        self.after = tuple(token.word for token in tokens[end:last])
        lead = len(self.before)
        while finding.by_role and lead and self.before[lead - 1] in _ARTICLES:
            lead -= 1
        self.lead = self.before[:lead]
        self.has_article = lead < len(self.before)
        self.rest = tuple(token.word for token in tokens[last + 1 : last + 80])
        self.nearby = tuple(t.word for t in tokens[max(0, first - 30) : first]) + self.rest[:40]
        self.sentence_end = tokens[last].raw if last < len(tokens) else ""
        self.begins = not [
            w for w in self.before if w not in {'"', "'", "so", "ok", "well", "oh", "the", "your", "yo", "please"}
        ]
        self.first = first == 0
        self.last_token = tokens[start - 1] if start > first else None
        self.next_token = tokens[end] if end < last else None
        self.first_word = tokens[start].word
        self.owns_something = tokens[end - 1].owns
        raw = tokens[end - 1].raw.casefold().rstrip("'")
        self.is_plural = raw.endswith("s") and not tokens[end - 1].owns
        self.names = frozenset(t.word for f in findings if not f.by_role for t in tokens[f.start : f.end])
        self.other_mentions = any(
            f is not finding and f.role == finding.role and f.strength > Strength.FIRST for f in findings
        )

    @cached_property
    def around(self) -> tuple[str, ...]:
        """The words before the name, also those of the sentences before."""
        return (*(t.word for t in self.tokens[max(0, self._start - 30) : self._start]), *self.before)

    @property
    def polite(self) -> bool:
        """Whether the text asks for something."""
        return bool(_POLITE.intersection(self.sentence + self.rest[:30]))

    @cached_property
    def sentence(self) -> tuple[str, ...]:
        """The words of the sentence around the name."""
        return self.before + self.after

    @property
    def is_listed(self) -> bool:
        """Whether another name stands before the comma before this one."""
        start = self.finding.start
        return start > 1 and self.tokens[start - 1].raw == "," and self.tokens[start - 2].capital

    @property
    def shouts(self) -> bool:
        """Whether the sentence is in capital letters."""
        words = [t.raw for t in self.tokens[self._start : self._stop] if t.sort is Sort.WORD]
        return len(words) > 2 and all(word.isupper() for word in words)

    @property
    def said_you(self) -> bool:
        """Whether somebody is told off: "shame on you"."""
        return bool({"you", "your"}.intersection(self.before)) and "please" not in self.before

    @property
    def is_subject(self) -> bool:
        """Whether something that she does may follow."""
        return self.after[0] not in _LOW if self.after else not self.lead

    @cached_property
    def plain_sentence(self) -> tuple[str, ...]:
        """The sentence without what it quotes."""
        return unquoted((*self.before, "§", *self.after))

    @cached_property
    def said_here(self) -> Said:
        """The sentence; a hashtag with the name speaks too."""
        here = self.tokens[self._start : self._stop]
        tags = [p for t in here if t.sort in {Sort.TAG, Sort.LINK} for p in pieces_of(t.raw)[:12]]
        return Said((*(token.word for token in here), *tags), " ".join(token.raw for token in here))

    @cached_property
    def said_near(self) -> Said:
        """The sentence and what stands near it."""
        near = self.tokens[max(0, self._start - 30) : self._stop + 40]
        return Said(tuple(token.word for token in near), " ".join(token.raw for token in near))


def _ends_sentence(tokens: Sequence[Token], at: int) -> bool:
    if tokens[at].raw not in _ENDS:
        return False
    return tokens[at].raw != "." or at == 0 or len(tokens[at - 1].word) > 1
