"""Small tokenizers with the ids and the padding of BERT, RoBERTa, GPT-2 and T5, made offline."""

from collections.abc import Callable

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

WORDS = ("the", "film", "was", "good", "great", "fine", "bad", "not", "a", "movie", "John", "Paris")
CORPUS = [" ".join(WORDS[start:] + WORDS[:start]) for start in range(len(WORDS))]


def _bert() -> Tokenizer:
    """Lower case; ids 1 and 2 are ordinary tokens; "unbelievable" has three tokens."""
    tokens = ["[PAD]", "[unused1]", "fun", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += [word.lower() for word in WORDS]
    tokens += ["un", "##believ", "##able", "play", "##ing", ",", ".", "'", "t", "don"]
    made = Tokenizer(models.WordPiece({t: n for n, t in enumerate(tokens)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 4), ("[SEP]", 5)],
    )
    made.enable_padding(pad_id=0, pad_token="[PAD]")
    return made


def _bytes(special: list[str]) -> Tokenizer:
    """Byte-level BPE in which each of the words is one token after a space."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    made.train_from_iterator([*CORPUS, *WORDS] * 20, trainer)
    return made


def _roberta() -> Tokenizer:
    made = _bytes(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    made.enable_padding(pad_id=1, pad_token="<pad>")
    return made


def _gpt2() -> Tokenizer:
    """Neither mask nor unknown token; pads on the left with the end of the text."""
    made = _bytes(["<|endoftext|>"])
    made.enable_padding(pad_id=0, pad_token="<|endoftext|>", direction="left")
    return made


def _t5() -> Tokenizer:
    """SentencePiece's marks; no mask, and an end without a beginning."""
    tokens = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    tokens += [(f"▁{word}", -2.0) for word in WORDS]
    tokens += [("▁un", -3.0), ("believ", -3.0), ("able", -3.0), ("▁", -4.0), (",", -4.0)]
    made = Tokenizer(models.Unigram(tokens, unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.add_special_tokens(["<pad>", "</s>", "<unk>"])
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    made.enable_padding(pad_id=0, pad_token="<pad>")
    return made


TOKENIZERS = {"bert": _bert, "roberta": _roberta, "gpt2": _gpt2, "t5": _t5}


@pytest.fixture
def tokenizer_of() -> Callable[[str], Tokenizer]:
    """Makes the tokenizer of that name."""
    return lambda name: TOKENIZERS[name]()
