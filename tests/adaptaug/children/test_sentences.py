"""Children for sentences equal packed sequences; padding and other sentences have no effect."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from adaptaug.children import BiLSTM, Tagger
from adaptaug.children.sentences import FORGET_BIAS, SentenceEncoder
from adaptaug.errors import AdaptAugError

WORDS, LENGTHS = 50, (7, 1, 4, 7, 2)


def sentences(lengths: tuple[int, ...] = LENGTHS, room: int = 7) -> Tensor:
    """Random ids (B, room), one sentence of each length."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, WORDS, (len(lengths), room), generator=generator)
    return ids.where(torch.arange(room) < torch.tensor(lengths)[:, None], 0)


def child(kind: type[nn.Module], classes: int = 3, **kwargs: object) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(WORDS, classes, 4, **kwargs).eval()


def test_encoder_equals_a_bidirectional_lstm_on_packed_sequences() -> None:
    encoder = child(Tagger).encoder
    packed = nn.LSTM(8, 4, bidirectional=True, batch_first=True)
    state = {f"{name}": value for name, value in encoder.forwards.state_dict().items()}
    state |= {f"{name}_reverse": v for name, v in encoder.backwards.state_dict().items()}
    packed.load_state_dict(state)
    ids = sentences()
    lengths = torch.tensor(LENGTHS)
    words = pack_padded_sequence(encoder.words(ids), lengths, True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(packed(words)[0], batch_first=True)  # (B, L, 8)
    ahead, back, turned = encoder(ids)
    for row, length in enumerate(LENGTHS):
        ours = torch.cat([ahead[:length, row], back[turned[:length, row], row]], 1)
        assert ours.detach().numpy() == pytest.approx(
            expected[row, :length].detach().numpy(), abs=1e-6
        )


@pytest.mark.parametrize("kind", [BiLSTM, Tagger])
@pytest.mark.parametrize("classes", [2, 5])
def test_logits_do_not_depend_on_padding_or_other_sentences(kind: type, classes: int) -> None:
    model, ids = child(kind, classes), sentences(room=12)
    together = model(ids)
    assert together.shape == ((5, classes) if kind is BiLSTM else (5, 12, classes))
    for row, length in enumerate(LENGTHS):
        alone = model(ids[row : row + 1, :length])[0]
        seen = together[row] if kind is BiLSTM else together[row, :length]
        assert alone.detach().numpy() == pytest.approx(seen.detach().numpy(), abs=1e-6)


@pytest.mark.parametrize("kind", [BiLSTM, Tagger])
def test_padding_has_no_gradient(kind: type) -> None:
    model, ids = child(kind), sentences(room=12)
    logits = model(ids)
    (logits if kind is BiLSTM else logits[ids > 0]).sum().backward()
    gradient = model.encoder.words.weight.grad
    assert not gradient[0].any()
    assert gradient[ids.unique()[1:]].any(dim=1).all()


def test_cross_entropy_of_two_classes_equals_that_of_a_sigmoid_unit() -> None:
    logits = child(BiLSTM, 2)(sentences())
    assert not logits[:, 0].any()
    loss = cross_entropy(logits, torch.tensor([0, 1, 1, 0, 1]))
    signs = torch.tensor([1, -1, -1, 1, -1])
    expected = softplus(signs * logits[:, 1]).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_embedding_starts_from_the_word_vectors() -> None:
    vectors = torch.arange(WORDS * 6.0).view(WORDS, 6)
    model = child(BiLSTM, vectors=vectors)
    weight = model.encoder.words.weight
    assert torch.equal(weight, vectors)
    assert weight.requires_grad
    assert model(sentences()).shape == (5, 3)
    with pytest.raises(AdaptAugError, match="one for each of 50 ids, got 49"):
        SentenceEncoder(WORDS, 4, vectors[:-1])


def test_forget_gates_start_open() -> None:
    lstm = child(Tagger).encoder.forwards
    assert lstm.bias_hh_l0[4:8].tolist() == [FORGET_BIAS] * 4
