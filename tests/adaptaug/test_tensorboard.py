"""TensorBoard logs, read back from their event files."""

import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from adaptaug.errors import AdaptAugError
from adaptaug.tensorboard import Board


def events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def points(folder, tag):
    return [(event.step, round(event.value, 6)) for event in events(folder).Scalars(tag)]


def pixels(folder):
    (event,) = events(folder).Images("images/original_above_augmented")
    return event.step, np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))


def test_magnitude_of_every_op_is_written(tmp_path):
    with Board(tmp_path) as board:
        board.magnitudes(["rotate", "zoom"], [0.25, 0.0], step=10)
        board.magnitudes(["rotate", "zoom"], [0.5, 1.0], step=20)
        board.magnitudes(["rotate"], [0.125], step=20, prefix="mean_magnitude")

    assert points(tmp_path, "magnitude/rotate") == [(10, 0.25), (20, 0.5)]
    assert points(tmp_path, "magnitude/zoom") == [(10, 0.0), (20, 1.0)]
    assert points(tmp_path, "mean_magnitude/rotate") == [(20, 0.125)]


def test_wrong_number_of_magnitudes_is_refused(tmp_path):
    with Board(tmp_path) as board, pytest.raises(ValueError, match="shorter"):
        board.magnitudes(["rotate", "zoom"], [0.25], step=0)


def test_reward_is_split_into_gain_and_cost(tmp_path):
    with Board(tmp_path) as board:
        board.reward(gain=0.75, cost=0.25, step=4)

    assert points(tmp_path, "reward/gain") == [(4, 0.75)]
    assert points(tmp_path, "reward/cost") == [(4, 0.25)]
    assert points(tmp_path, "reward/total") == [(4, 0.5)]


def test_curves_of_children_follow_one_another(tmp_path):
    with Board(tmp_path) as board:
        board.child_curves({"accuracy": [0.5, 0.75], "loss": [2.0]}, step=0, stride=50)
        board.child_curves({"accuracy": [0.25, 1.0]}, step=100, stride=50)

    expected = [(0, 0.5), (50, 0.75), (100, 0.25), (150, 1.0)]
    assert points(tmp_path, "child/accuracy") == expected
    assert points(tmp_path, "child/loss") == [(0, 2.0)]


def test_scalars_take_numbers_of_any_kind(tmp_path):
    with Board(tmp_path) as board:
        board.scalars({"ppo/kl": np.float32(0.5), "ppo/epochs": 3, "t": torch.tensor(2.0)}, 7)

    assert points(tmp_path, "ppo/kl") == [(7, 0.5)]
    assert points(tmp_path, "ppo/epochs") == [(7, 3.0)]
    assert points(tmp_path, "t") == [(7, 2.0)]


def test_grid_has_each_image_above_its_augmented_one(tmp_path):
    before = torch.zeros(3, 1, 8, 8)
    after = torch.ones(3, 1, 8, 8)
    after[2] = 0.5
    with Board(tmp_path) as board:
        board.image_grid(before, after, step=30, count=3)

    step, grid = pixels(tmp_path)
    assert step == 30
    assert grid.shape == (2 * 64 + 3 * 4, 3 * 64 + 4 * 4, 3)  # 8 pixels shown as 64, frames of 4
    centres = [4 + 32 + column * 68 for column in range(3)]
    assert grid[36, centres, 0].tolist() == [0, 0, 0]
    assert grid[36 + 68, centres, 0].tolist() == [255, 255, 127]


@pytest.mark.parametrize(("shown", "rows"), [(16, 4), (11, 2), (5, 2), (8, 2)])
def test_grid_has_full_rows_of_eight(tmp_path, shown, rows):
    images = torch.rand(shown, 3, 70, 64, requires_grad=True)
    with Board(tmp_path) as board:
        board.image_grid(images, images, step=0)

    _, grid = pixels(tmp_path)
    assert grid.shape == (rows * 74 + 4, min(shown, 8) * 68 + 4, 3)


def test_grid_refuses_images_of_two_shapes(tmp_path):
    with Board(tmp_path) as board, pytest.raises(AdaptAugError, match=r"\(2, 1, 8, 8\) and \(3, "):
        board.image_grid(torch.zeros(2, 1, 8, 8), torch.zeros(3, 1, 8, 8), step=0)


def test_generated_samples_are_written_as_picture_and_text(tmp_path):
    grid = torch.arange(256, dtype=torch.uint8).view(1, 16, 16).expand(3, 16, 16)
    with Board(tmp_path) as board:
        board.image_samples("generated", grid, step=3)
        board.text("generated", {"good": ["a *fine* film", "fine"], "bad": []}, step=4)

    log = events(tmp_path)
    (image,) = log.Images("images/generated")
    assert image.step == 3
    shown = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert np.array_equal(shown, grid.permute(1, 2, 0).numpy())
    (text,) = log.Tensors("text/generated/text_summary")
    assert text.step == 4
    written = text.tensor_proto.string_val[0].decode()
    assert written == "**good**\n\n    a *fine* film\n    fine\n\n**bad**\n\n"


def test_hyperparameters_stay_in_the_runs_own_folder(tmp_path):
    config = {"lambda": 0.1, "ops": ["rotate"], "seed": None, "ppo": {"epochs": 4, "squash": True}}
    with Board(tmp_path) as board:
        board.hyperparameters(config, {"final/accuracy": 0.5})

    assert len(list(tmp_path.iterdir())) == 1  # one event file, no sub-run
    assert points(tmp_path, "final/accuracy") == [(0, 0.5)]
    content = events(tmp_path).PluginTagToContent("hparams")["_hparams_/session_start_info"]
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    assert start["lambda"].number_value == 0.1
    assert start["ops"].string_value == "['rotate']"
    assert start["seed"].string_value == "None"
    assert start["ppo.epochs"].number_value == 4
    assert start["ppo.squash"].string_value == "True"


def test_board_closes_on_an_error_and_may_be_closed_twice(tmp_path):
    board = Board(tmp_path)
    board.scalars({"x": 1.0}, 0)
    with pytest.raises(KeyError), board:
        {}["missing"]

    assert points(tmp_path, "x") == [(0, 1.0)]
    board.close()


def test_missing_tensorboard_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)

    with pytest.raises(AdaptAugError, match=r"pip install 'adaptaug\[search\]'"):
        Board(tmp_path / "run")
    assert not (tmp_path / "run").exists()
