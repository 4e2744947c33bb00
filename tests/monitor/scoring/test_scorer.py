"""What the scorer makes of a post, by rules alone and with a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from judging import RULES, by_rules, corpus_organisation, with_linear
from makers import a_mention

from alerts.model import Severity
from connectors.model import Author, Kind, Mention, clean_text
from monitor.model import Category, Named
from monitor.scoring import Harmless, Learnt, Reading, Scorer, build_scorer
from monitor.scoring.combine import Lines, RuleResult, combine, load_lines
from monitor.scoring.copies import copy_mark
from monitor.scoring.learned import Reader
from monitor.scoring.rules import RuleBook, load_rules
from monitor.scoring.vader import vader

DISCLOSURE = "One of your volunteers keeps texting my daughter late at night, she is 13"


class Unready:
    """A reader that breaks on one text."""

    name = "unready"

    def read(self, posts: Sequence[Mention], names: Sequence[str]) -> list[Reading]:
        if any(post.text == "poison" for post in posts):
            raise RuntimeError
        return [Reading((1.0, 0.0, 0.0, 0.0), {}) for _ in posts]


def test_a_flatly_worded_disclosure_is_a_crisis_although_its_sentiment_is_nought():
    found = by_rules().assess(a_mention("a member of staff messaged my daughter privately"))
    assert found.severity is Severity.CRISIS
    assert found.sentiment == 0.0
    assert found.categories[0] is Category.SAFEGUARDING
    signal = found.signals[0]
    assert signal.clause == "6.5"
    assert "messaged my daughter" in signal.words


def test_campaign_words_are_routine_although_their_sentiment_is_dark():
    found = by_rules().assess(a_mention("our new film about FGM and knife crime, hate and abuse"))
    assert found.severity is Severity.ROUTINE
    assert found.sentiment is not None
    assert found.sentiment < -0.8


def test_thanks_never_silence_what_joins_a_person_of_ours_to_a_child():
    found = by_rules().assess(a_mention(f"★★★★★ Thank you all, brilliant! Only, {DISCLOSURE}"))
    assert found.severity is Severity.CRISIS


def test_a_mention_that_does_not_name_us_is_routine_and_a_comment_with_the_same_words_is_not():
    text = "volunteers there keep texting my daughter late at night"
    assert by_rules().assess(a_mention(text, kind=Kind.MENTION)).severity is Severity.ROUTINE
    assert by_rules().assess(a_mention(text, kind=Kind.COMMENT)).severity is Severity.CRISIS


@pytest.mark.parametrize(
    "name", ["@TessellateUK", "Tessellate UK", "#TessellateUK", "tessellate-uk", "TUK", "T e s s e l l a t e UK"]
)
def test_every_name_of_ours_makes_a_mention_ours(name: str):
    found = by_rules().assess(a_mention(f"{name}: {DISCLOSURE}", kind=Kind.MENTION))
    assert found.severity is Severity.CRISIS


@pytest.mark.parametrize("name", ["tuk-tuk", "Stukeley", "tessera trust"])
def test_a_word_that_only_looks_like_our_short_name_is_not_us(name: str):
    text = f"{name}: a volunteer there keeps texting my daughter late at night, she is 13"
    assert by_rules().assess(a_mention(text, kind=Kind.MENTION)).severity is Severity.ROUTINE


def test_a_mention_that_only_says_your_is_ours_unless_it_speaks_to_somebody_else():
    assert by_rules().assess(a_mention(DISCLOSURE, kind=Kind.MENTION)).severity is Severity.CRISIS
    other = a_mention(f"@OtherCharity {DISCLOSURE}", kind=Kind.MENTION)
    assert by_rules().assess(other).severity is Severity.ROUTINE


@pytest.mark.parametrize("name", ["the Tessellate lot", "tessellate"])
def test_a_rare_word_of_our_name_is_us_beside_a_word_of_our_world(name: str):
    text = f"{name}: a volunteer there keeps texting my daughter late at night, she is 13"
    assert by_rules().assess(a_mention(text, kind=Kind.MENTION)).severity is Severity.CRISIS


def test_an_account_under_our_name_is_about_us():
    post = a_mention(
        "Urgent appeal! Donate direct by bank transfer or gift card, message this page",
        kind=Kind.MENTION,
        author=Author(name="Tessellate UK Official"),
    )
    assert by_rules().assess(post).severity >= Severity.ALERT


@pytest.mark.parametrize(
    "disguised",
    [
        "a member of staff m e s s a g e d my d a u g h t e r privately",
        "a member of st4ff m3ssaged my d4ught3r privately",
        "a member of stаff mеssаgеd my dаughtеr privаtеly",
        "a mem\u200bber of sta\u200bff mess\u200baged my daugh\u200bter pri\u200bvately",
        "A MEMBER OF STAFF MESSAGED MY DAUGHTER PRIVATELY",
        "a member of staff 𝗺𝗲𝘀𝘀𝗮𝗴𝗲𝗱 my 𝗱𝗮𝘂𝗴𝗵𝘁𝗲𝗿 privately",
        "a member of staff messagged my daugther privately",
        "a member of staff messaaaaged my daughterrr privately",
        "a member of staff m.e.s.s.a.g.e.d my daughter privately",
        "a member of #staff #messaged my #daughter privately",
    ],
)
def test_a_disguise_does_not_hide_a_disclosure(disguised: str):
    assert by_rules().assess(a_mention(disguised)).severity is Severity.CRISIS


def test_a_language_without_rules_is_named_as_not_judged_and_never_taken_for_harmless():
    found = by_rules().assess(
        a_mention("Die Gruppe hat meine Tochter heute nicht nach Hause gebracht und niemand antwortet")
    )
    assert found.judged is False
    assert found.language == "unknown"


@pytest.mark.parametrize("text", ["👏👏👏👏", "12345", "!!!"])
def test_a_post_without_words_needs_no_language(text: str):
    assert by_rules().assess(a_mention(text)).judged is True


def test_a_post_whose_text_we_may_not_read_is_not_judged():
    assert by_rules().assess(a_mention(None)).judged is False
    assert by_rules().assess(a_mention(None, kind=Kind.OWN_POST)).judged is True


def test_severe_posts_in_our_other_languages_are_found():
    for text in (
        "صديقة ابنتي عمرها تسع سنوات، حجزت جدتها السفر وقالت انها ستصبح طاهرة. ماذا أفعل؟",
        "Trener pisze do mojej córki w nocy, córka ma 13 lat",
        "Le bénévole a dit à ma fille de ne rien dire, elle était seule avec lui",
    ):
        found = by_rules().assess(a_mention(text))
        assert found.severity is Severity.CRISIS, text
        assert found.sentiment is None


def test_our_short_name_in_small_letters_is_us_only_beside_a_word_of_our_world():
    text = "keeps texting my daughter late at night, the tutor"
    assert by_rules().assess(a_mention(f"tuk {text}", kind=Kind.MENTION)).severity is Severity.CRISIS
    assert by_rules().assess(a_mention("kms i missed the tuk", kind=Kind.MENTION)).severity is Severity.ROUTINE


def test_reach_raises_an_allegation_and_a_small_reach_never_lowers_a_disclosure():
    rumour = "EXPOSED: Tessellate UK secretly reports girls to social services. Share before it's deleted"
    near = a_mention(rumour, kind=Kind.MENTION, likes=1, shares=0)
    far = a_mention(rumour, kind=Kind.MENTION, likes=9000, shares=4100, author=Author(followers=900_000))
    assert by_rules().assess(near).severity is Severity.ALERT
    assert by_rules().assess(far).severity is Severity.CRISIS
    assert by_rules().assess(a_mention(DISCLOSURE, author=Author(followers=0))).severity is Severity.CRISIS


def test_our_own_posts_have_rules_of_their_own():
    text = "Congratulations to our former chair, selected as the Green candidate! Vote for her in May"
    assert Category.POLITICAL in by_rules().assess(a_mention(text, kind=Kind.OWN_POST)).categories
    assert by_rules().assess(a_mention(text, kind=Kind.COMMENT)).severity < Severity.ALERT


def test_a_question_thanks_and_the_name_of_the_ceo_are_noticed():
    scorer = build_scorer(corpus_organisation(), model="rules", people=(Named("ceo", "Rowan Ashdown"),))
    assert scorer.assess(a_mention("Thank you! What time does it start?")).question
    assert scorer.assess(a_mention("Thank you!")).thanks
    assert scorer.assess(a_mention("rowan  ashdown knew about it")).spoken_of == ("ceo",)
    assert scorer.assess(a_mention("Ms Ashdown knew about it")).spoken_of == ("ceo",)
    assert scorer.assess(a_mention("Rowan Ashdowner knew about it")).spoken_of == ()


def test_what_a_person_marked_harmless_is_quieter_with_the_reason_but_never_a_severe_one():
    text = "I am making a formal complaint about the parking at your showcase last night, it was a disgrace"
    severe = DISCLOSURE + " and I want to know who he is"
    learnt = Learnt(harmless=(Harmless(copy_mark(text), "our neighbour, settled"), Harmless(copy_mark(severe), "no")))
    scorer = build_scorer(corpus_organisation(), model="rules", feedback=learnt)
    assert by_rules().assess(a_mention(text)).severity is Severity.ALERT
    quieter = scorer.assess(a_mention(text))
    assert quieter.severity is Severity.WATCH
    assert "our neighbour, settled" in quieter.signals[-1].sentence
    assert scorer.assess(a_mention(severe)).severity is Severity.CRISIS


def test_a_phrase_on_the_calm_list_makes_an_alert_quieter_and_a_lesson_costs_no_new_scorer():
    text = "This is a formal complaint about the bell tower next door, it woke us again"
    scorer = by_rules().with_feedback(Learnt(calm=(("the bell tower", "not ours, told so twice"),)))
    assert by_rules().assess(a_mention(text)).severity is Severity.ALERT
    assert scorer.assess(a_mention(text)).severity is Severity.WATCH
    assert scorer.assess(a_mention(f"{DISCLOSURE} in the bell tower")).severity is Severity.CRISIS


def test_one_word_of_everyday_english_is_judged_although_its_language_is_unknown():
    assert by_rules().assess(a_mention("Beautiful")).judged is True
    assert by_rules().assess(a_mention("Wunderschön")).judged is False


def test_one_poisonous_post_raises_only_for_itself():
    reader: Reader = Unready()
    scorer = Scorer(corpus_organisation(), RuleBook(load_rules(RULES), corpus_organisation()), Lines(), reader=reader)
    assert scorer.assess(a_mention("fine")).severity is Severity.ROUTINE
    with pytest.raises(RuntimeError):
        scorer.assess(a_mention("poison"))


def test_judging_is_the_same_alone_and_in_company():
    posts = [a_mention(text) for text in ("first", DISCLOSURE, "Great film!", "where is the hoodie from?")]
    assert with_linear().assess_many(posts) == [with_linear().assess(post) for post in reversed(posts)][::-1]


HOSTILE = {
    "emoji": "😂" * 20_000,
    "zalgo": "a" + "\u0301\u0316" * 64_000,
    "one word": "a" * 128_000,
    "spaced": "k i l l " * 4_000,
    "dots": "a." * 10_000,
    "bangs": "!" * 20_000 + "a",
    "quotes": "'" * 20_000,
    "leet": "4" * 20_000 + " k1ll" * 2_000,
    "sentences": "your volunteer texts my daughter. " * 600,
    "buts": "but " * 5_000,
    "at signs": "@" * 20_000,
    "hashtags": "#A" * 9_000,
    "digits": "1 " * 9_000,
    "numbers": "1.1" * 6_000 + "a",
    "dotted words": "abcde." * 3_300,
    "dashed words": "abcde-" * 3_300,
    "plus signs": "a+b" * 6_600,
    "apostrophes": "a'" * 10_000,
    "stars": "a*" * 10_000,
    "unlike words": " ".join(f"w{n:x}q" for n in range(4_000)),
    "mail": "a@" * 9_000 + ".",
    "arabic marks": "ب\u064b\u064c" * 6_000,
    "bidi": "\u202e\u2066" * 9_000 + "x",
    "surrogate": "\ud800" * 9_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timeout(30)
def test_no_hostile_post_holds_up_the_judgement(name: str):
    assert with_linear().assess(a_mention(clean_text(HOSTILE[name]))).severity in Severity


def test_the_sentiment_shown_is_vaders_of_the_text_as_written():
    text = "I LOVE this film!!! But the ending, not so much :("
    assert by_rules().assess(a_mention(text)).sentiment == vader().compound(text)


# ── how rules and the learned part are joined ──────────────────────────────────────────────────────

ALARMED = Reading((0.02, 0.08, 0.3, 0.6), {Category.SAFEGUARDING: 0.9}, ("child left alone at the door",))
WORRIED = Reading((0.2, 0.1, 0.6, 0.1), {Category.COMPLAINT: 0.8})
CALM = Reading((0.98, 0.01, 0.01, 0.0), {})


def test_a_sure_reader_raises_by_itself_and_says_what_the_post_is_like():
    found = combine(RuleResult(), ALARMED, Lines())
    assert found.severity is Severity.CRISIS
    assert found.signals[-1].sentence == "Reads like: child left alone at the door."
    assert combine(RuleResult(), WORRIED, Lines()).severity is Severity.ALERT


def test_a_calm_reader_lowers_an_alert_but_never_what_a_firm_rule_claims():
    alert = RuleResult(severity=Severity.ALERT, categories=(Category.COMPLAINT,))
    firm = RuleResult(severity=Severity.CRISIS, firm=Severity.CRISIS, categories=(Category.SELF_HARM,))
    assert combine(alert, CALM, Lines()).severity is Severity.WATCH
    assert combine(firm, CALM, Lines()).severity is Severity.CRISIS


@pytest.mark.parametrize(
    "text",
    [
        "i want to die. the song helps a bit",
        "i feel suicidal and i cant come to the workshop",
        "i want to die. half term is the worst",
        "i took 30 paracetamol an hour ago am i going to be ok",
        "thanks for the film. my stepdad hits me when mum is at work",
        "brilliant workshop!! I am going to stab your driver tomorrow",
    ],
)
def test_a_plain_danger_is_a_crisis_whatever_else_the_post_says_and_whatever_the_reader_makes_of_it(text: str):
    found = by_rules().read_rules(a_mention(text))
    assert combine(found, CALM, Lines()).severity is Severity.CRISIS


@pytest.mark.parametrize(
    "text", ["this exam is going to make me kms", "i want to die of laughing", "In your play the tutor hit my son"]
)
def test_a_figure_of_speech_and_a_story_do_not_alert(text: str):
    assert by_rules().read_rules(a_mention(text)).severity <= Severity.WATCH


def test_a_danger_in_doubt_is_watched_whatever_the_reader_makes_of_it():
    found = by_rules().read_rules(a_mention("A film about a boy who wants to die, and a mate who stays"))
    assert found.severity is Severity.WATCH
    assert combine(found, CALM, Lines()).severity is Severity.WATCH


def test_party_talk_beside_our_name_is_watched_and_a_claim_that_we_take_a_side_alerts():
    party = Reading((0.05, 0.05, 0.9, 0.0), {Category.POLITICAL: 0.9})
    assert combine(RuleResult(of_our_politics=False), party, Lines()).severity is Severity.WATCH
    assert combine(RuleResult(of_our_politics=True), party, Lines()).severity is Severity.ALERT


def test_chatter_that_only_names_us_needs_more_belief():
    lines = Lines(alert=0.5, alert_apart=0.8)
    assert combine(RuleResult(near=True), WORRIED, lines).severity is Severity.ALERT
    assert combine(RuleResult(near=False), WORRIED, lines).severity is Severity.WATCH
    assert combine(RuleResult(near=False), WORRIED, replace(lines, watch_apart=0.9)).severity is Severity.ROUTINE
    assert (
        combine(RuleResult(near=True), WORRIED, replace(lines, alert=0.9, watch_apart=0.9)).severity is Severity.WATCH
    )


def test_a_fear_of_crisis_alerts_at_less_belief_than_a_fear_of_something_lesser():
    crisis = Reading((0.5, 0.1, 0.05, 0.35), {Category.SELF_HARM: 0.6})
    lesser = Reading((0.5, 0.1, 0.35, 0.05), {Category.COMPLAINT: 0.6})
    lines = Lines(alert=0.5, crisis_extra=0.4)
    assert combine(RuleResult(), crisis, lines).severity is Severity.CRISIS
    assert combine(RuleResult(), lesser, lines).severity < Severity.ALERT
    assert combine(RuleResult(), crisis, replace(lines, crisis_extra=0.0)).severity < Severity.ALERT
    assert combine(RuleResult(near=False), crisis, replace(lines, alert_apart=0.5)).severity < Severity.ALERT


def test_a_post_read_by_its_gist_alerts_at_less_belief():
    lines = Lines(alert=0.8, alert_other_language=0.6)
    assert combine(RuleResult(language="pl"), WORRIED, lines).severity is Severity.ALERT
    assert combine(RuleResult(language="en"), WORRIED, lines).severity is Severity.WATCH
    assert combine(RuleResult(language="unknown"), WORRIED, lines).severity is Severity.WATCH


def test_a_post_that_is_not_about_us_stays_routine_whatever_the_reader_says():
    assert combine(RuleResult(addressed=False), ALARMED, Lines()).severity is Severity.ROUTINE


def test_without_a_reader_the_rules_decide():
    found = combine(RuleResult(severity=Severity.ALERT, categories=(Category.PRESS,)), None, Lines())
    assert (found.severity, found.categories) == (Severity.ALERT, (Category.PRESS,))


def test_an_alert_always_names_a_category():
    unsure = Reading((0.2, 0.1, 0.6, 0.1), {Category.PRESS: 0.05, Category.LEGAL: 0.01})
    assert combine(RuleResult(), unsure, Lines()).categories == (Category.PRESS,)


def test_a_reader_may_have_numbers_of_its_own(tmp_path):
    path = tmp_path / "judgement.toml"
    path.write_text("[reader]\nalert = 0.5\n[reader.linear]\nalert = 0.4\n", "utf-8")
    assert load_lines(path).alert == 0.5
    assert load_lines(path, "transformer").alert == 0.5
    assert load_lines(path, "linear").alert == 0.4


def test_an_unknown_number_is_refused_by_its_name(tmp_path):
    (tmp_path / "judgement.toml").write_text("[reader]\nallert = 0.5\n", "utf-8")
    with pytest.raises(ValueError, match="allert is not known"):
        load_lines(tmp_path / "judgement.toml")
