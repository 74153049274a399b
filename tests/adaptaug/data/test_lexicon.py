"""Lexicons: files, WordNet, the two of the toy data sets, and the table of ids."""

import gzip
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from adaptaug.data import build_vocabulary, load, load_lexicon, synonym_table
from adaptaug.data.lexicon import MAX_SYNONYMS
from adaptaug.data.toy import entities, sentences
from adaptaug.errors import AdaptAugError


@pytest.fixture(autouse=True)
def _own_cache() -> Iterator[None]:
    """Every test starts with no lexicon loaded."""
    load_lexicon.cache_clear()
    yield
    load_lexicon.cache_clear()


@pytest.mark.parametrize("name", ["words.tsv", "words.tsv.gz"])
def test_lines_of_one_lemma_are_merged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = b"big\ta\tlarge|huge\nbig\tn\thuge|giant\nsay\tv\tutter\n"
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    lexicon = load_lexicon(str(path))
    assert lexicon == {"big": ("large", "huge", "giant"), "say": ("utter",)}
    assert load_lexicon(str(path)) is lexicon


def test_byte_order_mark_and_spaces_around_words_are_stripped(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("big\ta\tlarge | huge\r\n say\tv\tutter\n", encoding="utf-8-sig")
    assert load_lexicon(str(path)) == {"big": ("large", "huge"), "say": ("utter",)}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("big large", "separated by tabs, got 'big large' in line 2 of file '{}'"),
        ("big\ta", "separated by tabs, got 'big\\ta' in line 2 of file '{}'"),
        ("big\tz\tlarge", "separated by tabs, got 'big\\tz\\tlarge' in line 2 of file '{}'"),
        ("\ta\tlarge", "separated by tabs, got '\\ta\\tlarge' in line 2 of file '{}'"),
        ("", "separated by tabs, got '' in line 2 of file '{}'"),
        ("big\ta\tlarge||huge", "a synonym must not be empty, got 'large||huge' in line 2 of"),
        ("big\ta\t", "a synonym must not be empty, got '' in line 2 of file '{}'"),
    ],
)
def test_malformed_line_is_refused_with_its_number(
    tmp_path: Path, line: str, sentence: str
) -> None:
    path = tmp_path / "words.tsv"
    path.write_text(f"say\tv\tutter\n{line}\n", encoding="utf-8")
    with pytest.raises(AdaptAugError, match=re.escape(sentence.format(path))):
        load_lexicon(str(path))


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").touch()
    with pytest.raises(AdaptAugError, match="a lexicon needs at least one line, got 0 in file"):
        load_lexicon(str(tmp_path / "x.tsv"))


def test_missing_file_is_refused() -> None:
    with pytest.raises(AdaptAugError, match=r"^a lexicon must be an existing file, got 'no/such'$"):
        load_lexicon("no/such")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.gz", b"no gzip"),
        ("x.tsv", b"\xff\xfe\x00"),
        ("x.gz", gzip.compress(b"a\tn\tb\n" * 99, mtime=0)[:-20] + b"\xff" * 20),
    ],
)
def test_file_that_is_not_text_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(AdaptAugError, match=re.escape("UTF-8 text file, plain or gzipped (.gz)")):
        load_lexicon(str(tmp_path / name))


def test_synonym_table_matches_hand_computation() -> None:
    vocabulary = build_vocabulary([["big", "large", "huge", "Big", "say"]], lowercase=False)
    at = vocabulary.id
    lexicon = {
        "big": ("big", "large", "vast", "large", "huge"),
        "large": ("big",),
        "[UNK]": ("big",),
    }
    ids, counts = synonym_table(vocabulary, lexicon)
    assert ids.shape == (len(vocabulary), 2)
    assert ids[at("big")].tolist() == [at("large"), at("huge")]
    assert ids[at("Big")].tolist() == ids[at("big")].tolist()  # by its lower case
    assert ids[at("large")].tolist() == [at("big"), 0]
    expected = {at("big"): 2, at("Big"): 2, at("large"): 1}
    assert counts.tolist() == [expected.get(row, 0) for row in range(len(vocabulary))]


def test_capitals_of_a_lexicon_match_a_lower_case_vocabulary() -> None:
    vocabulary = build_vocabulary([["movie", "film", "flick"]])
    lexicon = {"Movie": ("Film",), "film": ("movie",), "FILM": ("flick",)}
    synonyms, counts = synonym_table(vocabulary, lexicon)
    found = {
        word: [vocabulary.words[i] for i in synonyms[row, : counts[row]]]
        for word in ("movie", "film", "flick")
        for row in [vocabulary.id(word)]
    }
    assert found == {"movie": ["film"], "film": ["movie"], "flick": []}


def test_at_most_16_synonyms_are_kept_the_first_ones() -> None:
    words = [f"w{number:02}" for number in range(30)]
    vocabulary = build_vocabulary([words], lowercase=False)
    ids, counts = synonym_table(vocabulary, {"w00": tuple(words)})
    assert ids[vocabulary.id("w00")].tolist() == [vocabulary.id(word) for word in words[1:17]]
    assert counts.max() == MAX_SYNONYMS == 16


def test_lexicon_without_a_word_of_the_vocabulary_is_refused() -> None:
    vocabulary = build_vocabulary(["big large"])
    for lexicon in ({"say": ("utter",)}, {"big": ("vast",)}, {"big": ("big",)}):
        with pytest.raises(
            AdaptAugError, match="for some word of the vocabulary, got none: 1 words"
        ):
            synonym_table(vocabulary, lexicon)


def test_synonyms_given_as_one_string_are_refused() -> None:
    with pytest.raises(AdaptAugError, match="tuple of synonyms, got 'large' for 'big'"):
        synonym_table(build_vocabulary(["big large"]), {"big": "large"})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["opinions", "mentions"])
def test_toy_lexicon_is_symmetric_and_within_the_toy_vocabulary(name: str) -> None:
    source, lexicon = load(name), load_lexicon(name)
    assert source.vocabulary is not None
    known = set(source.vocabulary.words)
    assert all({word, *synonyms} <= known for word, synonyms in lexicon.items())
    assert all(word in lexicon[other] for word, others in lexicon.items() for other in others)
    assert synonym_table(source.vocabulary, lexicon)[1].count_nonzero() == len(lexicon)


@pytest.mark.parametrize(
    ("name", "made"), [("sentences?seed=2", sentences), ("entities?seed=2", entities)]
)
def test_lexicon_of_a_made_up_task_is_that_of_its_seed(name: str, made: ModuleType) -> None:
    assert load_lexicon(name) == made.lexicon(2) != made.lexicon(3)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("sentences", "a made-up task needs a seed, as in 'sentences?seed=17', got 'sentences'"),
        ("entities?seed=x", "'seed' must be a whole number"),
        ("entities?words=3", "options of generated data must be among seed, got 'words'"),
    ],
)
def test_made_up_task_without_a_seed_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        load_lexicon(name)


def test_wordnet_export_is_read(shared_data: Callable[[str], Path]) -> None:
    lexicon = load_lexicon(str(shared_data("synonyms.tsv.gz")))
    assert lexicon["aah"] == ("ooh",)
    assert len(lexicon) > 30_000


WORDNET = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.0.dtd">
<LexicalResource>
  <Lexicon id="oewn" label="Toy" language="en" email="a@b.c" license="none" version="2024">
    <LexicalEntry id="e1"><Lemma writtenForm="Big" partOfSpeech="a"/>
      <Sense id="s1" synset="oewn-1-a"/><Sense id="s4" synset="oewn-2-a"/></LexicalEntry>
    <LexicalEntry id="e2"><Lemma writtenForm="large" partOfSpeech="a"/>
      <Sense id="s2" synset="oewn-1-a"/></LexicalEntry>
    <LexicalEntry id="e3"><Lemma writtenForm="very big" partOfSpeech="a"/>
      <Sense id="s3" synset="oewn-1-a"/></LexicalEntry>
    <LexicalEntry id="e4"><Lemma writtenForm="adult" partOfSpeech="a"/>
      <Sense id="s5" synset="oewn-2-a"/></LexicalEntry>
    <LexicalEntry id="e5"><Lemma writtenForm="alone" partOfSpeech="a"/>
      <Sense id="s6" synset="oewn-3-a"/></LexicalEntry>
    <Synset id="oewn-1-a" ili="i1" partOfSpeech="a"/>
    <Synset id="oewn-2-a" ili="i2" partOfSpeech="a"/>
    <Synset id="oewn-3-a" ili="i3" partOfSpeech="a"/>
  </Lexicon>
</LexicalResource>
"""


def test_wordnet_synonyms_come_from_all_senses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wn = pytest.importorskip("wn", reason="needs the extra wn")
    monkeypatch.setattr(wn.config, "data_directory", tmp_path / "data")
    sentence = "needs its data once: python -m wn download oewn:2024"
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        load_lexicon("wordnet")
    (tmp_path / "toy.xml").write_text(WORDNET, encoding="utf-8")
    wn.add(tmp_path / "toy.xml", progress_handler=None)
    expected = {"big": ("large", "adult"), "large": ("big",), "adult": ("big",)}
    assert load_lexicon("wordnet") == expected


def test_wordnet_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wn", None)
    with pytest.raises(AdaptAugError, match=re.escape("pip install 'adaptaug[wn]'")):
        load_lexicon("wordnet")
