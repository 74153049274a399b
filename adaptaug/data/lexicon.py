"""Lexicons of synonyms (from a file, WordNet, a built-in or made-up task); their table of ids."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from adaptaug.data.lines import read_lines
from adaptaug.data.options import ReadOptions
from adaptaug.data.vocabulary import PAD, SPECIALS, Vocabulary, padded
from adaptaug.errors import AdaptAugError

Lexicon = Mapping[str, tuple[str, ...]]
"""The synonyms of each word."""
MAX_SYNONYMS = 16
"""Maximum number of synonyms kept per word."""
WORDNET = "oewn:2024"
"""The release of Open English WordNet that the name "wordnet" stands for."""

_PARTS_OF_SPEECH = "nvars"


@cache
def load_lexicon(name: str) -> Lexicon:
    """Loads a lexicon; a second call in the same process returns the same object.

    Args:
        name: a built-in task ("opinions", "mentions"); a made-up task by its data set's name, such
            as "sentences?seed=17"; "wordnet" (Open English WordNet through the optional package
            `wn`); or a file, plain or gzipped (.gz). Each line of a file holds a lemma, its part of
            speech (n, v, a, r or s) and its synonyms joined by "|", separated by tabs. Lines of the
            same lemma are merged.

    Raises:
        AdaptAugError: no such file, a malformed line, an empty file, `wn` or its data missing, or a
            made-up task without a seed.
    """
    if name.partition("?")[0] in GENERATED:
        return _generated(name)
    embedded = EMBEDDED.get(name)
    return embedded() if embedded else _from_file(name)


def synonym_table(vocabulary: Vocabulary, lexicon: Lexicon) -> tuple[Tensor, Tensor]:
    """The synonyms of each word that are in the vocabulary too, never the word itself.

    A word that is not in the lexicon gets the synonyms of its lower-case form. If the vocabulary is
    in lower case, the lexicon's words and synonyms are matched without regard to case.

    Args:
        vocabulary: the vocabulary, of V words.
        lexicon: synonyms by word.

    Returns:
        The ids of synonyms, int64 (V, S), padded on the right with `PAD`, and their number per row,
        int64 (V,) in 0..S, where S is at most `MAX_SYNONYMS`.

    Raises:
        AdaptAugError: no word of the vocabulary has a synonym in the vocabulary, or the lexicon has
            a string in place of a tuple of synonyms.
    """
    for lemma, found in lexicon.items():
        if isinstance(found, str):
            raise AdaptAugError(
                f"a lexicon must give every word a tuple of synonyms, got {found!r} for {lemma!r}"
            )
    known = {word: row for row, word in enumerate(vocabulary.words) if word not in SPECIALS}
    fold = str.lower if vocabulary.lowercase else str
    folded = {fold(lemma): found for lemma, found in lexicon.items() if fold(lemma) not in lexicon}
    rows: list[list[int]] = []
    for word in vocabulary.words:
        names = (lexicon.get(word), lexicon.get(word.lower()), folded.get(word))
        found = next(filter(None, names), ()) if word in known else ()
        others = (fold(synonym) for synonym in found if synonym.lower() != word.lower())
        ids = dict.fromkeys(known[synonym] for synonym in others if synonym in known)
        rows.append(list(ids)[:MAX_SYNONYMS])
    counts = torch.tensor([len(row) for row in rows])
    if not counts.any():
        raise AdaptAugError(
            "a lexicon must have synonyms for some word of the vocabulary, "
            f"got none: {len(lexicon)} words in the lexicon, {len(vocabulary)} in the vocabulary"
        )
    return padded(rows, PAD), counts


def _from_file(path: str) -> Lexicon:
    """The lines of a file, merged by lemma."""
    merged: dict[str, dict[str, None]] = {}
    for line, place in read_lines(Path(path), "a lexicon"):
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != 3 or not cells[0] or cells[1] not in tuple(_PARTS_OF_SPEECH):
            raise AdaptAugError(
                "a lexicon's lines must be lemma, part of speech "
                f"({', '.join(_PARTS_OF_SPEECH)}) and synonyms joined by '|', separated by tabs, "
                f"got {line[:80]!r} in {place}"
            )
        synonyms = [synonym.strip() for synonym in cells[2].split("|")]
        if not all(synonyms):
            raise AdaptAugError(f"a synonym must not be empty, got {cells[2]!r} in {place}")
        merged.setdefault(cells[0], {}).update(dict.fromkeys(synonyms))
    if not merged:
        raise AdaptAugError(f"a lexicon needs at least one line, got 0 in file '{path}'")
    return {lemma: tuple(synonyms) for lemma, synonyms in merged.items()}


def _generated(name: str) -> Lexicon:
    """The lexicon of a made-up task."""
    place, options = ReadOptions.parse(name)
    options.check("generated", name)
    if options.seed is None:
        raise AdaptAugError(f"a made-up task needs a seed, as in '{place}?seed=17', got '{name}'")
    return GENERATED[place](options.seed)


def _from_wordnet() -> Lexicon:
    """Single words of Open English WordNet; words of one synset are synonyms."""
    from adaptaug.utils.optional import needs

    with needs("wn", "the lexicon 'wordnet'"):
        import wn
    try:
        synsets = wn.Wordnet(WORDNET).synsets()
    except wn.Error as error:
        raise AdaptAugError(
            f"the lexicon 'wordnet' needs its data once: python -m wn download {WORDNET} ({error})"
        ) from error
    merged: dict[str, dict[str, None]] = {}
    for synset in synsets:
        lemmas = [lemma.lower() for lemma in synset.lemmas() if " " not in lemma]
        for lemma in lemmas:
            merged.setdefault(lemma, {}).update(dict.fromkeys(lemmas))
    synonyms = (
        (lemma, tuple(word for word in words if word != lemma)) for lemma, words in merged.items()
    )
    return {lemma: words for lemma, words in synonyms if words}


def _opinions() -> Lexicon:
    from adaptaug.data.toy.opinions import lexicon

    return lexicon()


def _mentions() -> Lexicon:
    from adaptaug.data.toy.mentions import lexicon

    return lexicon()


def _sentences(seed: int) -> Lexicon:
    from adaptaug.data.toy.sentences import lexicon

    return lexicon(seed)


def _entities(seed: int) -> Lexicon:
    from adaptaug.data.toy.entities import lexicon

    return lexicon(seed)


EMBEDDED: dict[str, Callable[[], Lexicon]] = {
    "opinions": _opinions,
    "mentions": _mentions,
    "wordnet": _from_wordnet,
}
"""Lexicons that are not files, by name: one line each."""

GENERATED: dict[str, Callable[[int], Lexicon]] = {"sentences": _sentences, "entities": _entities}
"""Lexicons of families of made-up tasks, made from a seed, by name: one entry each."""
