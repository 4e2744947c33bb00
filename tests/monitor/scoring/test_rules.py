"""The rule language, its files and their faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from judging import RULES

from connectors.model import Organisation
from monitor.scoring.rules import RuleBook, RulesFaulty, check_rules, load_rules
from monitor.scoring.text import readable

ONE = """
[words]
staff = "volunteer*, youth worker*, tutor"
child = "daughter, son, girl"

[[rule]]
id = "a.rule"
category = "safeguarding"
severity = "crisis"
reason = "A reason."
patterns = ["PATTERN"]
unless = [UNLESS]
matches = ["MATCH"]
leaves = ["nothing of the kind"]
EXTRA
"""


def folder(tmp_path: Path, pattern: str, match: str, unless: str = "", extra: str = "") -> Path:
    text = ONE.replace("PATTERN", pattern).replace("MATCH", match).replace("UNLESS", unless).replace("EXTRA", extra)
    (tmp_path / "one.toml").write_text(text, "utf-8")
    return tmp_path


def finds(where: Path, text: str, **kind: bool) -> bool:
    book = RuleBook(load_rules(where), Organisation(name="Tessellate UK"))
    return bool(book.hits(book.sheet(readable(text)), own=kind.get("own", False), about_us=True))


def test_no_shipped_rule_is_faulty_and_every_example_is_judged_rightly():
    assert [str(problem) for problem in check_rules(RULES)] == []


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("patern = 1", "'patern'"),
        ('within = "page"', "within is"),
        ('needs = "luck"', "needs is"),
        ('floor = "low"', "floor is"),
        ('unless_here = ["<hit>|x"]', "stands alone"),
    ],
)
def test_a_faulty_rule_is_refused_with_its_file_line_and_reason(tmp_path: Path, extra: str, reason: str):
    problems = check_rules(folder(tmp_path, "<staff>", "a tutor", extra=extra))
    assert reason in str(problems[0])
    assert str(problems[0]).startswith("one.toml, line 7:")


@pytest.mark.parametrize("pattern", ["<nobody>", "... tutor", "tutor ...", "ab*", "tu*or", "<staff> + ", "tutor||son"])
def test_a_pattern_that_cannot_be_read_is_refused(tmp_path: Path, pattern: str):
    with pytest.raises(RulesFaulty, match=r"one\.toml, line 7"):
        load_rules(folder(tmp_path, pattern, "a tutor"))


def test_a_file_that_is_not_toml_is_named_with_its_line(tmp_path: Path):
    (tmp_path / "two.toml").write_text("[words]\nx = \n", "utf-8")
    problem = check_rules(tmp_path)[0]
    assert (problem.file, problem.line) == ("two.toml", 2)


def test_a_folder_without_rules_is_a_fault(tmp_path: Path):
    assert "no rule files" in str(check_rules(tmp_path)[0])


def test_an_unknown_table_an_unknown_category_and_a_word_list_of_another_kind_are_faults(tmp_path: Path):
    (tmp_path / "a.toml").write_text("[wrods]\n[words]\nx = 3\n", "utf-8")
    found = [str(problem) for problem in check_rules(tmp_path)]
    assert any("'wrods' is not known" in line for line in found)
    assert any("'x' is a text" in line for line in found)


def test_a_word_group_that_contains_itself_is_a_fault(tmp_path: Path):
    (tmp_path / "a.toml").write_text('[words]\nx = "<y>"\ny = "<x>, b"\n', "utf-8")
    assert any("contains itself" in str(problem) for problem in check_rules(tmp_path))


def test_two_rules_of_one_name_are_a_fault(tmp_path: Path):
    folder(tmp_path, "<staff>", "a tutor")
    (tmp_path / "two.toml").write_text(
        (tmp_path / "one.toml").read_text("utf-8").split("[[rule]]")[1].join(("[[rule]]", "")), "utf-8"
    )
    assert any("two rules are called" in str(problem) for problem in check_rules(tmp_path))


def test_an_example_that_is_judged_wrongly_is_a_fault_with_the_line_of_its_rule(tmp_path: Path):
    problem = check_rules(folder(tmp_path, "<staff> <child>", "a tutor and a son"))[0]
    assert problem.line == 7
    assert "does not match, but should" in problem.reason


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("<staff> <child>", "tutor daughter", True),
        ("<staff> <child>", "tutor of daughter", False),
        ("<staff> .. <child>", "tutor of my dear daughter", True),
        ("<staff> .. <child>", "tutor of my own very dear daughter", False),
        ("<staff> ... <child>", "tutor of my own very dear small daughter", True),
        ("<staff> ... <child>", "tutor. My daughter", False),
        ("<staff> + <child>", "My daughter has a tutor", True),
        ("<staff> + <child>", "My daughter. A tutor.", False),
        ("tell|told_off her", "I was told off her again", True),
        ("<staff>", "the youth workers", True),
        ("<staff>", "a Youth-Worker", True),
        ("dont tell", "DON’T tell", True),
        ("<us>", "the people at tessellate uk", True),
        ("im <child_age>", "im 13", True),
        ("im <child_age>", "im 33", False),
        ("<phone>", "ring 0117 496 0000 now", True),
        ("<email>", "write to a.b@c.example", True),
    ],
)
def test_patterns_say_what_the_guide_says(tmp_path: Path, pattern: str, text: str, found: bool):
    assert finds(folder(tmp_path, pattern, "x"), text) is found


def test_one_word_is_never_two_parts_of_a_situation(tmp_path: Path):
    where = folder(tmp_path, "tutor|daughter + tutor|son", "x")
    assert not finds(where, "a tutor")
    assert finds(where, "a daughter and a tutor")


def test_unless_holds_for_the_sentence_or_for_the_post(tmp_path: Path):
    text = "A tutor came. In the film it rains."
    assert finds(folder(tmp_path, "<staff>", "x", unless='"the film"'), text)
    assert not finds(folder(tmp_path, "<staff>", "x", unless='"the film"', extra='within = "post"'), text)


@pytest.mark.parametrize("key", ["firm = true", 'floor = "watch"'])
def test_nothing_elsewhere_in_the_post_may_silence_a_rule_that_is_firm_or_has_a_floor(tmp_path: Path, key: str):
    problem = check_rules(folder(tmp_path, "<staff>", "a tutor", unless='"the film"', extra=key))[0]
    assert "unless_here" in problem.reason


@pytest.mark.parametrize(
    ("here", "text", "found"),
    [
        ("hit it off", "The tutor hit it off with my son", False),
        ("hit it off", "The tutor hit my son. They never hit it off", True),
        ("hit it off", "They hit it off, then the tutor hit my son", True),
        ("<hit> at football", "The tutor hit my son at football", False),
        ("<hit> at football", "At football the tutor hit my son", True),
        ("<hit> at football", "The tutor hit my son. At football I heard it", True),
        ("film about .. <hit>", "A film about how a tutor hit my son", False),
        ("film about .. <hit>", "A tutor hit my son, I saw your film about it", True),
        ("on stage + <hit>", "On stage, I think, the tutor hit my son", False),
        ("on stage + <hit>", "On stage. The tutor hit my son", True),
    ],
)
def test_only_what_stands_at_the_hit_silences(tmp_path: Path, here: str, text: str, found: bool):
    where = folder(tmp_path, "<staff> ... hit ... <child>", "x", extra=f'unless_here = ["{here}"]\nfirm = true')
    assert finds(where, text) is found


def test_one_clear_statement_beside_a_figure_of_speech_is_found(tmp_path: Path):
    where = folder(tmp_path, "<staff> ... hit ... <child>", "x", extra='unless_here = ["hit it off"]\nfirm = true')
    assert finds(where, "One tutor hit it off with my daughter, another tutor hit my son")


def test_a_hit_in_doubt_is_watched_and_no_more(tmp_path: Path):
    where = folder(tmp_path, "<staff> ... hit ... <child>", "x", extra='doubt_here = ["film ... <hit>"]\nfirm = true')
    book = RuleBook(load_rules(where), Organisation(name="Tessellate UK"))
    hits = book.hits(book.sheet("In your film the tutor hit my son"), own=False, about_us=True)
    assert [hit.doubted for hit in hits] == [True]


def test_parts_that_stand_far_apart_in_a_long_post_are_no_situation(tmp_path: Path):
    where = folder(tmp_path, "<staff> + <child>", "a tutor. My son", extra='within = "post"')
    between = "It rained all day and we had tea. " * 8
    assert finds(where, f"A tutor came. {between[:34]}My son sang")
    assert not finds(where, f"A tutor came. {between}My son sang")


def test_a_day_of_the_week_is_no_name(tmp_path: Path):
    where = folder(tmp_path, "see <name>", "we see Rowan")
    assert not finds(where, "we see Wednesday")


def test_rules_for_own_posts_are_read_in_own_posts_only(tmp_path: Path):
    where = folder(tmp_path, "<staff>", "x", extra="own = true")
    assert finds(where, "a tutor", own=True)
    assert not finds(where, "a tutor", own=False)


def test_the_words_that_a_rule_saw_are_told_as_they_were_written(tmp_path: Path):
    book = RuleBook(load_rules(folder(tmp_path, "<staff> ... <child>", "x")), Organisation(name="Tessellate UK"))
    hit = book.hits(book.sheet("So. The TUTOR met my Daughter twice."), own=False, about_us=True)[0]
    assert hit.words == "TUTOR met my Daughter"
