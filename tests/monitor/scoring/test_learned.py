"""The learned readers: loading, refusing, purity, hostile texts."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from makers import ORGANISATION, a_mention

from connectors.model import Author, Kind
from monitor.data import resource
from monitor.model import Category
from monitor.scoring.learned import ModelRefused, Reader, load, shipped
from monitor.scoring.rendering import MAX_TOKENS, US, WordPieces, place, plain, rendering, slots_of_word, words_of

NAMES = (ORGANISATION.name, *ORGANISATION.aliases, *ORGANISATION.handles.values())
HAS_RUNTIME = find_spec("onnxruntime") is not None and (resource("model") / "transformer.onnx").exists()
READERS = ["linear", pytest.param("transformer", marks=pytest.mark.skipif(not HAS_RUNTIME, reason="no onnxruntime"))]

DISCLOSURE = "A member of your staff has been messaging my daughter privately at night, she is 13"
PRAISE = "Lovely concert by @TessellateUK last night, the whole street was singing"
HOSTILE = (
    "",
    "😀" * 20_000,
    "a" * 20_000,
    "a " * 10_000,
    "é" + "\u0301" * 19_999,
    "@" * 20_000,
    "((((" * 5_000,
    "\u202e\u200b" * 10_000,
    "0" * 20_000,
    "x.y." * 5_000,
    "a1" * 10_000,
    "https://" * 2_500,
    "★" * 20_000,
    "漢字" * 10_000,
)


def a_reader(which: str) -> Reader:
    reader = load(which)  # type: ignore[arg-type]
    assert reader is not None
    assert reader.name == which
    return reader


@pytest.fixture
def a_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(resource("model"), tmp_path / "model"))


def test_without_the_model_folder_there_is_no_reader_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load("auto", tmp_path / "nowhere") is None
    assert "SHA256SUMS" not in caplog.text
    assert "judging by rules alone" in caplog.text


def test_a_linear_model_that_was_changed_is_refused_and_named(a_copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    spoil(a_copy / "linear.bin")

    assert load("linear", a_copy) is None
    assert "linear.bin is not the one that was shipped" in caplog.text


def test_changed_numbers_are_refused_too(a_copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    (a_copy / "numbers.json").write_text('{"linear": {}}', "utf-8")

    assert load("linear", a_copy) is None
    assert "numbers.json" in caplog.text


def test_a_file_that_the_sums_do_not_know_is_refused(a_copy: Path) -> None:
    (a_copy / "SHA256SUMS").write_text("", "ascii")

    with pytest.raises(ModelRefused, match=r"linear\.bin"):
        shipped(a_copy, "linear.bin")


@pytest.mark.skipif(not HAS_RUNTIME, reason="no onnxruntime")
def test_a_transformer_that_was_changed_gives_way_to_the_linear_model(
    a_copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(a_copy / "transformer.onnx")

    reader = load("auto", a_copy)

    assert reader is not None
    assert reader.name == "linear"
    assert "transformer.onnx is not the one that was shipped" in caplog.text


@pytest.mark.skipif(not HAS_RUNTIME, reason="no onnxruntime")
def test_the_transformer_is_taken_where_it_can_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        reader = load("auto")

    assert reader is not None
    assert reader.name == "transformer"
    assert not caplog.records


def test_asking_for_the_transformer_without_onnxruntime_says_what_to_install() -> None:
    ran = in_a_fresh_python("sys.modules['onnxruntime'] = None", "reader = load('transformer')", "print(reader.name)")

    assert ran.stdout.strip() == "linear"
    assert 'pip install "earshot[model]"' in ran.stderr


def test_neither_torch_nor_numpy_is_loaded_for_the_linear_model() -> None:
    ran = in_a_fresh_python("load('linear')", "print([name for name in ('torch', 'numpy') if name in sys.modules])")

    assert ran.stdout.strip() == "[]"


@pytest.mark.skipif(not HAS_RUNTIME, reason="no onnxruntime")
def test_torch_is_never_loaded_at_run_time() -> None:
    ran = in_a_fresh_python("load('auto')", "print('torch' in sys.modules)")

    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("which", READERS)
def test_a_post_has_the_same_reading_alone_beside_others_and_again(which: str) -> None:
    reader = a_reader(which)
    posts = [a_mention(text) for text in (PRAISE, DISCLOSURE, "ok", "long " * 300, DISCLOSURE)]

    together = reader.read(posts, NAMES)

    assert together == [reader.read([post], NAMES)[0] for post in posts]
    assert together[1] == together[4]
    assert together == reader.read(posts, NAMES)


@pytest.mark.parametrize("which", READERS)
def test_a_disclosure_is_read_as_graver_than_praise(which: str) -> None:
    praise, disclosure = a_reader(which).read([a_mention(PRAISE), a_mention(DISCLOSURE)], NAMES)

    assert sum(praise.levels[2:]) < 0.2
    assert sum(disclosure.levels[2:]) > 0.5
    strongest = sorted(disclosure.categories, key=lambda c: -disclosure.categories[c])[:2]
    assert Category.SAFEGUARDING in strongest  # beside the conduct of staff, of which it speaks too
    assert disclosure.nearest
    assert praise.nearest == ()


@pytest.mark.parametrize("which", READERS)
def test_probabilities_are_probabilities_however_hostile_the_post(which: str) -> None:
    reader = a_reader(which)
    for text in HOSTILE:
        (reading,) = reader.read([a_mention(text)], NAMES)

        assert sum(reading.levels) == pytest.approx(1.0)
        assert all(0.0 <= p <= 1.0 for p in (*reading.levels, *reading.categories.values()))
        assert set(reading.categories) == set(Category)
        assert len(reading.nearest) <= 2


@pytest.mark.parametrize("which", READERS)
def test_a_post_without_words_is_read_as_nothing_much(which: str) -> None:
    (reading,) = a_reader(which).read([a_mention(None)], NAMES)

    assert sum(reading.levels[2:]) < 0.5


@pytest.mark.parametrize(
    "disguised",
    [
        "A member of your st\u0430ff has been mess\u0430ging my d\u0430ughter privately at night, she is 13",
        "A mem\u200bber of your sta\u200bff has been mess\u200baging my daugh\u200bter privately at night, she is 13",
        "A m3mber of your st4ff has been mess4ging my d4ughter privately at night, she is 13",
        "A member of your s.t.a.f.f has been m.e.s.s.a.g.i.n.g my daughter privately at night, she is 13",
        "Ａ member of your ｓｔａｆｆ has been messaging my daughter privately at night, she is 13",
    ],
    ids=["look-alikes", "hidden signs", "digits for letters", "dots between", "wide letters"],
)
def test_a_disguise_is_taken_off_before_reading(disguised: str) -> None:
    assert rendering(a_mention(disguised), NAMES) == rendering(a_mention(DISCLOSURE), NAMES)


@pytest.mark.parametrize(
    "kept", ["see you 2nite at bs5", "my 14yo in Y9s", "write to hr@tessellate-jobs.example", "mp3s and 3pm"]
)
def test_ordinary_digits_stay_as_they_are(kept: str) -> None:
    assert plain(kept, ()) == kept


def test_every_name_of_ours_reads_as_our_charity() -> None:
    read = {plain(f"Thank you {name} for the songs", NAMES) for name in NAMES}

    assert read == {f"Thank you {US} for the songs"}


def test_a_rendering_says_whose_a_post_is_and_how_far_it_carries() -> None:
    far = a_mention(kind=Kind.MENTION, platform="x", author=Author(handle="loud", followers=150_000))
    fake = a_mention(kind=Kind.COMMENT, author=Author(name="Tessellate UK Official"))
    ours = a_mention(kind=Kind.OWN_POST, author=Author(name="Tessellate UK"))

    assert place(far, NAMES) == "post very far reach"
    assert place(fake, NAMES) == "post under our name"
    assert place(ours, NAMES) == "our own post"


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OWN_POST])
@pytest.mark.parametrize("platform", ["facebook", "instagram", "linkedin", "x", "youtube"])
def test_a_post_is_read_alike_wherever_it_stands(platform: str, kind: Kind) -> None:
    read = rendering(a_mention("see you tomorrow", platform=platform, kind=kind), NAMES)

    assert read == rendering(a_mention("see you tomorrow"), NAMES)


def test_the_words_that_a_reply_answers_stand_behind_it() -> None:
    reply = a_mention("he did it to me too", parent_text=f"He touched me, {NAMES[0]}")
    ours = a_mention("Thank you", kind=Kind.OWN_POST, parent_text="He touched me")

    assert rendering(reply, NAMES) == f"post : he did it to me too : in answer to : He touched me, {US}"
    assert rendering(ours, NAMES) == "our own post : Thank you"
    assert rendering(a_mention("me too", parent_text=""), NAMES) == "post : me too"


def test_of_long_words_that_a_reply_answers_head_and_tail_are_read() -> None:
    read = rendering(a_mention("yes", parent_text="first " + "word " * 3_000 + "last"), NAMES)

    assert "in answer to : first word" in read
    assert read.endswith("last")
    assert len(read) < 320


def test_of_a_long_post_head_and_tail_are_read() -> None:
    read = plain("first " + "word " * 4_000 + "last", ())

    assert read.startswith("first")
    assert read.endswith("last")
    assert len(read) < 1_600


def test_tokens_are_capped_and_framed() -> None:
    pieces = WordPieces(["[UNK]", "[CLS]", "[SEP]", "a", "b", "##b"])

    assert pieces.ids("a ab zz") == [1, 3, 3, 5, 0, 2]
    assert len(pieces.ids("a " * 1_000 + "b")) == MAX_TOKENS
    assert pieces.ids("a " * 1_000 + "b")[-2:] == [4, 2]


def test_words_and_their_parts_are_found_whatever_the_script() -> None:
    assert words_of("Château, naïve! خالتي") == ["chateau", ",", "naive", "!", "خالتي"]
    assert len(slots_of_word("a")) == 3
    assert len(slots_of_word("x" * 10_000)) < 400


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def in_a_fresh_python(*lines: str) -> subprocess.CompletedProcess[str]:
    program = "\n".join(("import sys", *lines[:-2], "from monitor.scoring.learned import load", *lines[-2:]))
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
