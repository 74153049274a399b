"""An op space applies its active ops, in stage order, and refuses bad magnitudes."""

import math
import pickle

import pytest
import torch
from torch import Generator

from adaptaug.errors import AdaptAugError
from adaptaug.ops import TEXT_OPS, Op, OpSpace, TokenTables, draw, geometry, ops_for
from adaptaug.ops.colour import mean_colour, recolour

ALL = tuple(name for name, op in ops_for("image").items() if op.fit is None)
GEOMETRY = ("rotate", "translate", "zoom", "shear", "hflip")
NINE = (*GEOMETRY, "brightness", "contrast", "noise", "erasing")


def _generator(seed=0):
    return Generator().manual_seed(seed)


def _batch(count=16, channels=3):
    images = torch.rand(count, channels, 12, 10, generator=_generator(9))
    return images, torch.arange(count) % 4


def test_magnitudes_0_return_the_batch_itself_and_draw_nothing():
    images, targets = _batch()
    generator = _generator()
    before = generator.get_state()
    result = OpSpace(ALL).apply(images, targets, [0.0] * len(ALL), generator)
    assert result[0] is images
    assert result[1] is targets
    assert torch.equal(generator.get_state(), before)


def test_op_at_0_does_not_change_the_draws_of_others():
    images, targets = _batch()
    alone, _ = OpSpace(["noise"]).apply(images, targets, [0.5], _generator())
    magnitudes = [0.5 if name == "noise" else 0.0 for name in NINE]
    among, _ = OpSpace(NINE).apply(images, targets, magnitudes, _generator())
    assert torch.equal(alone, among)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_ops_together_keep_shape_and_range_and_repeat(channels):
    images, targets = _batch(channels=channels)
    given = images.clone()
    space = OpSpace(ALL)
    first, labels = space.apply(images, targets, [1.0] * len(ALL), _generator(), 4)
    second, again = space.apply(images, targets, [1.0] * len(ALL), _generator(), 4)
    assert torch.equal(first, second)
    assert torch.equal(labels, again)
    assert torch.equal(images, given)
    assert first.shape == images.shape
    assert 0 <= first.min() <= first.max() <= 1
    torch.testing.assert_close(labels.sum(1), torch.ones(16))


def test_geometry_matrices_are_multiplied_in_the_spaces_order():
    images, targets = _batch()
    result, _ = OpSpace(["rotate", "translate"]).apply(images, targets, [1, 1], _generator())
    generator = _generator()
    turn = geometry.rotate(draw(ops_for("image")["rotate"], 1.0, 16, generator), (12, 10))
    move = geometry.translate(draw(ops_for("image")["translate"], 1.0, 16, generator), (12, 10))
    assert torch.equal(result, geometry.warp(images, turn @ move))


def test_contrast_is_applied_to_the_brightened_image():
    images, targets = _batch()
    images = images * 0.4 + 0.1  # nothing is clipped
    space = OpSpace(["brightness", "contrast"])
    result, _ = space.apply(images, targets, [0.5, 0.5], _generator())
    generator = _generator()
    for name in space.names:
        op = ops_for("image")[name]
        amount = draw(op, 0.5, 16, generator)
        images = recolour(images, op.function(amount, mean_colour(images)))
    torch.testing.assert_close(result, images)


def test_stages_are_applied_in_their_own_order():
    images, targets = _batch()
    one, _ = OpSpace(["noise", "brightness", "rotate"]).apply(
        images, targets, [0.5] * 3, _generator()
    )
    other, _ = OpSpace(["rotate", "brightness", "noise"]).apply(
        images, targets, [0.5] * 3, _generator()
    )
    assert torch.equal(one, other)


def test_grayscale_images_skip_ops_for_rgb():
    space = OpSpace(["rotate", "saturation", "hue"])
    assert space.applies("image", 3) == (True, True, True)
    assert space.applies("image", 1) == (True, False, False)
    images, targets = _batch(channels=1)
    result, _ = space.apply(images, targets, [0.0, 1.0, 1.0], _generator())
    assert result is images


def test_length_names_and_stages_are_those_of_the_ops():
    space = OpSpace(["rotate", "hflip", "brightness", "hue", "noise", "mixup"])
    assert len(space) == 6
    assert space.names[2] == "brightness"
    assert space.stages == ("geometry", "geometry", "colour", "colour", "noise", "mixup")


def test_targets_become_soft_only_under_an_active_mixing_op():
    images, targets = _batch()
    space = OpSpace(["hflip", "mixup"])
    assert space.apply(images, targets, [1.0, 0.0], _generator())[1] is targets
    soft = space.apply(images, targets, [0.0, 1.0], _generator(), 4)[1]
    assert soft.shape == (16, 4)
    assert soft.dtype == torch.float32
    again = space.apply(images, soft, [0.0, 1.0], _generator())[1]
    assert again.shape == (16, 4)


def test_mixing_class_labels_needs_num_classes():
    images, targets = _batch()
    with pytest.raises(AdaptAugError, match=r"num_classes must be given .* for op 'cutmix'"):
        OpSpace(["cutmix"]).apply(images, targets, [0.5], _generator())


def test_empty_single_and_strided_batches_are_accepted():
    images, targets = _batch()
    space, magnitudes = OpSpace(ALL), [0.7] * len(ALL)
    empty, labels = space.apply(images[:0], targets[:0], magnitudes, _generator(), 4)
    assert empty.shape == (0, 3, 12, 10)
    assert labels.shape == (0, 4)
    assert space.apply(images[:1], targets[:1], magnitudes, _generator(), 4)[0].isfinite().all()
    strided = images.to(memory_format=torch.channels_last)
    expected, _ = space.apply(images, targets, magnitudes, _generator(), 4)
    result, _ = space.apply(strided, targets, magnitudes, _generator(), 4)
    torch.testing.assert_close(result, expected)


def test_large_batch_is_augmented_in_parts_with_their_own_draws(monkeypatch):
    images, targets = _batch()
    monkeypatch.setattr("adaptaug.ops.op_space._CHUNK_VALUES", 5 * images[0].numel())
    space = OpSpace(NINE)
    whole, _ = space.apply(images, targets, [0.5] * 9, _generator())
    generator = _generator()
    parts = [space.apply(part, targets, [0.5] * 9, generator)[0] for part in images.split(5)]
    assert torch.equal(whole, torch.cat(parts))


@pytest.mark.parametrize("magnitude", [1.3, -0.1, math.nan, math.inf])
def test_magnitude_outside_0_to_1_is_refused(magnitude):
    images, targets = _batch()
    rule = rf"magnitude must lie in \[0, 1\], got {magnitude} for op 'hue'"
    with pytest.raises(AdaptAugError, match=rule):
        OpSpace(["rotate", "hue"]).apply(images, targets, [0.5, magnitude], _generator())


def test_wrong_batches_and_op_names_are_refused():
    images, targets = _batch()
    space = OpSpace(["rotate", "noise"])
    with pytest.raises(AdaptAugError, match="one for each of 2 ops, got 1"):
        space.apply(images, targets, [0.5], _generator())
    with pytest.raises(AdaptAugError, match=r"must be float32 .* got torch\.uint8 of shape"):
        space.apply((images * 255).byte(), targets, [0.5, 0.5], _generator())
    with pytest.raises(AdaptAugError, match=r"of shape \(3, 12, 10\)"):
        space.apply(images[0], targets, [0.5, 0.5], _generator())
    with pytest.raises(AdaptAugError, match="unknown op 'spin'"):
        OpSpace(["spin"])
    with pytest.raises(AdaptAugError, match="got 'noise' twice"):
        OpSpace(["noise", "noise"])


def test_empty_space_returns_the_batch_itself() -> None:
    images, targets = torch.rand(3, 1, 4, 4), torch.arange(3)
    augmented, labels = OpSpace([]).apply(images, targets, [], _generator())
    assert augmented is images
    assert labels is targets


def test_space_of_names_and_own_ops_pickles():
    own = Op("own", "colour", 0.2, "factor less 1", ops_for("image")["brightness"].function)
    space = OpSpace(["rotate", own])
    images, targets = _batch()
    expected, _ = space.apply(images, targets, [0.5, 0.5], _generator())
    result, _ = pickle.loads(pickle.dumps(space)).apply(images, targets, [0.5, 0.5], _generator())
    assert torch.equal(result, expected)


TOKEN_OPS = ("deletion", "masking", "synonym", "segments")
IDS = torch.arange(3, 63).view(10, 6)


def _space(names=TOKEN_OPS, synonyms=None, size=70):
    counts = None if synonyms is None else (synonyms[:, 0] > 0).long()
    return OpSpace(names).on(TokenTables(size, synonyms, counts, None))


def test_ops_apply_to_their_modalities():
    space = OpSpace(["rotate", "masking", "synonym", "segments"])
    assert space.applies("image") == (True, False, False, False)
    assert space.applies("text") == (False, True, True, False)
    assert space.applies("text", lexicon=False) == (False, True, False, False)
    assert space.applies("tagging") == (False, True, False, True)


def test_binding_tables_returns_a_new_space():
    space = OpSpace(TOKEN_OPS)
    tables = TokenTables(70, None, None, None)
    bound = space.on(tables)
    assert space.tables is None
    assert bound.tables is tables
    assert bound.names == space.names
    assert pickle.loads(pickle.dumps(bound)).tables.vocabulary_size == 70


def test_token_ops_are_applied_in_the_spaces_order():
    classes = torch.zeros(10, dtype=torch.int64)
    result, targets = _space().apply(IDS, classes, [1.0] * 4, _generator())
    assert targets is classes
    generator = _generator()
    expected, tables = IDS, TokenTables(70, None, None, None)
    for name in ("deletion", "masking"):
        op = ops_for("text")[name]
        amount = draw(op, 1.0, 10, generator)
        expected, _ = op.function(expected, None, amount, generator, tables)
    assert torch.equal(result, expected)


def test_magnitudes_0_return_the_sentences_themselves_and_draw_nothing():
    generator, classes = _generator(), torch.zeros(10, dtype=torch.int64)
    before = generator.get_state()
    result, targets = _space().apply(IDS, classes, [0.0, 0.0, 1.0, 1.0], generator)
    assert result is IDS
    assert targets is classes
    assert torch.equal(generator.get_state(), before)


def test_soft_labels_of_sentences_are_not_taken_for_tags():
    soft = torch.full((10, 6), 1 / 6)
    result, targets = _space(["masking"]).apply(IDS, soft, [1.0], _generator())
    assert targets is soft
    assert (result == 2).any()


def test_op_that_needs_a_lexicon_is_off_without_one():
    synonyms = torch.zeros(70, 1, dtype=torch.int64).index_fill(0, torch.tensor([3]), 5)
    classes = torch.zeros(10, dtype=torch.int64)
    without, _ = _space(["synonym"]).apply(IDS, classes, [1.0], _generator())
    assert without is IDS
    ids = torch.full((10, 6), 3)
    changed, _ = _space(["synonym"], synonyms).apply(ids, classes, [1.0], _generator())
    assert set(changed.unique().tolist()) == {3, 5}


def test_wrong_ids_tags_and_tables_are_refused():
    classes = torch.zeros(10, dtype=torch.int64)
    ones = [1.0] * len(TOKEN_OPS)
    with pytest.raises(AdaptAugError, match=r"`OpSpace\.on`.* for ops deletion, masking"):
        OpSpace(TOKEN_OPS).apply(IDS, classes, ones, _generator())
    with pytest.raises(AdaptAugError, match=r"lie in 0\.\.29, the vocabulary, got 62 in row 9"):
        _space(size=30).apply(IDS, classes, ones, _generator())
    with pytest.raises(AdaptAugError, match=r"got -1 in row 0"):
        _space().apply(IDS - 4, classes, ones, _generator())
    with pytest.raises(AdaptAugError, match=r"shape \(B, L\), got \(60,\)"):
        _space().apply(IDS.flatten(), classes, ones, _generator())
    with pytest.raises(AdaptAugError, match=r"tags must have .* \(10, 6\), got \(10, 5\)"):
        _space().apply(IDS, IDS[:, 1:], ones, _generator())
    with pytest.raises(AdaptAugError, match="need tables of tags"):
        _space().apply(IDS, torch.zeros_like(IDS), ones, _generator())
    with pytest.raises(AdaptAugError, match=r"got 1\.3 for op 'masking'"):
        _space().apply(IDS, classes, [0.0, 1.3, 0.0, 0.0], _generator())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_sentences_on_a_gpu_stay_there():
    tables = TokenTables(70, torch.full((70, 1), 5), torch.ones(70, dtype=torch.int64), None)
    generator = Generator("cuda").manual_seed(0)
    classes = torch.zeros(10, dtype=torch.int64, device="cuda")
    space = OpSpace([op.name for op in TEXT_OPS]).on(tables.to("cuda"))
    result, _ = space.apply(IDS.cuda(), classes, [0.5] * len(space), generator)
    assert result.is_cuda
    assert result.shape == IDS.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_images_on_a_gpu_stay_there():
    images, targets = (tensor.cuda() for tensor in _batch())
    generator = Generator("cuda").manual_seed(0)
    result, labels = OpSpace(ALL).apply(images, targets, [0.5] * len(ALL), generator, 4)
    assert result.is_cuda
    assert labels.is_cuda
