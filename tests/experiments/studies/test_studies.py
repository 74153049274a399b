"""The five studies from the command line at scale smoke, and the set-ups of scale full."""

import json
import re
from pathlib import Path

import pytest

from adaptaug.training.task import Task
from experiments import augnet, cheap_ops, efficient_pipeline, generative, real_time
from experiments.studies.studies import started_from

STUDIES = {
    real_time: {"none", "crop and flip", "full complexity", "reactive", "ADA", "random"},
    cheap_ops: {"none", "crop and flip", "cheap ops", "RandAugment", "TrivialAugment",
                "best constant", "random"},
    efficient_pipeline: {"none", "crop and flip", "efficient pipeline", "RandAugment"},
    augnet: {"none", "crop and flip", "constant", "random", "AugNet"},
    generative: {"none", "crop and flip", "generative", "reactive"},
}  # fmt: skip
"""The arms of each study on images, without a policy."""


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.__name__)
def test_smoke_scale_writes_a_complete_run_folder(here: Path, call, capsys, study) -> None:
    code = call(study, "--name", "a", "--scale", "smoke", "--processes", "0")
    assert code == 0
    run = here / "runs" / "a"
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.json", "records.json", "summary.json", "report.md"}
    assert any(name.startswith("events.out") for name in names)

    summary = json.loads((run / "summary.json").read_text())
    scale = study.STUDY.scales["smoke"]
    assert len(summary["tasks"]) == len(scale.setups)
    assert set(summary["arms"]) == STUDIES[study]
    assert summary["task"]["dataset"] == "digits"
    for entry in summary["tasks"]:
        for arm, scores in entry["arms"].items():
            for score in ("accuracy", "f1", "precision", "recall"):
                assert 0 <= scores[score]["mean"] <= 1
                assert scores[score]["n"] == scale.seeds
            assert scores["loss"]["mean"] > 0
            assert {"clean"} < set(scores["robustness"])
            assert 0 <= scores["controller_share"] < 1
            assert scores["relative_cost"] == 1 or arm != "none"
            assert 0 <= scores["minus_none"]["p_holm"] <= 1
    assert "fgsm" in summary["arms"]["none"]["robustness"]

    report = (run / "report.md").read_text()
    assert report.startswith(f"# AdaptAug: {study.STUDY.title}\n")
    assert "- scale: smoke" in report
    assert "### Robustness" in report
    pictures = [entry for entry in summary["tasks"] if entry["task"]["modality"] == "image"]
    assert report.count("FGSM and PGD may change") == len(pictures)
    assert "| none |" in report
    figures = re.findall(r"\]\((.+?\.png)\)", report)
    assert len(figures) >= 2
    assert set(figures) == {name for name in names if name.endswith(".png")}
    assert "none" in capsys.readouterr().out
    if study is cheap_ops:
        assert summary["search"]["constant_trainings"] > 0
        assert {row["op"] for row in summary["tasks"][0]["more"]["rows"]} >= {"crop", "noise"}
        assert "- original: " in report  # sentences
        assert "best constant: trainings" in report
    if study is generative:
        assert "What the generator makes" in report
        assert "the generator was trained on 64 examples" in report
        for entry in summary["tasks"]:
            assert entry["more"]["problem"] == ""
            assert set(entry["more"]["quality"]) >= {"recognised", "nearest_ratio", "diversity"}


def test_missing_generator_is_an_error_before_training(here: Path, call, capsys) -> None:
    arguments = ["--scale", "smoke", "--name", "a", "--generator", "./nothing"]
    assert call(generative, *arguments) == 2
    assert "must be a hub id or an existing folder, got './nothing'" in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_first_batches_report_whether_the_loss_falls(here: Path, call, capsys) -> None:
    arguments = ["--name", "a", "--scale", "smoke", "--arms", "none", "reactive"]
    code = call(real_time, *arguments, "--first-batches", "10", "--only", "opinions")
    run = here / "runs" / "a"
    rows = json.loads((run / "summary.json").read_text())["first_batches"]
    assert [row["arm"] for row in rows] == ["none", "reactive"]
    for row in rows:
        assert row["batches"] == 10
        assert len(row["losses"]) == 5
        assert row["falls"] == (row["losses"][-1] < row["losses"][0])
    assert code == (0 if all(row["falls"] for row in rows) else 1)
    assert "opinions, bilstm, none" in (run / "report.md").read_text()


def test_full_scale_has_the_hyperparameters_of_the_studies() -> None:
    def rows(study) -> dict:
        return {(setup.data.partition("?")[0], setup.settings["child"]): setup
                for setup in study.STUDY.scales["full"].setups}  # fmt: skip

    adam = {"batch_size": 64, "peak_learning_rate": 1e-3}
    bert = {"batch_size": 32, "peak_learning_rate": 2e-5, "optimizer": "adamw",
            "weight_decay": 0.01, "pretrained": "bert-base-uncased"}  # fmt: skip
    expected = {
        real_time: {("cifar10", "resnet18"): (50, adam), ("mnist", "resnet18"): (50, adam),
                    ("imdb", "bert"): (3, bert)},
        cheap_ops: {("cifar10", "resnet18"): (50, adam | {"weight_decay": 1e-4}),
                    ("sst2", "bert"): (3, bert | {"max_tokens": 128})},
        efficient_pipeline: {(data, child): (50, adam) for data in ("cifar10", "imagenette")
                             for child in ("resnet50", "efficientnet_b0", "vgg16")},
        augnet: {("cifar10", "cnn"): (50, adam | {"width": 32, "patience": 30}),
                 ("mnist", "cnn"): (50, adam | {"width": 32, "patience": 30}),
                 ("imdb", "bilstm"): (50, adam | {"width": 64, "patience": 30}),
                 ("conll2003", "tagger"): (50, adam | {"patience": 30})},
        generative: {("cifar10", "resnet18"): (50, adam), ("mnist", "resnet18"): (50, adam),
                     ("imdb", "bert"): (3, bert)},
    }  # fmt: skip
    for study, wanted in expected.items():
        found = rows(study)
        assert set(found) == set(wanted)
        for key, (epochs, settings) in wanted.items():
            assert found[key].epochs == epochs
            assert settings.items() <= dict(found[key].settings).items(), key
            if "patience" in settings:  # patience is in decisions: three epochs in the study
                assert settings["patience"] * found[key].every == pytest.approx(3)


def test_setup_without_n_train_uses_all_examples_except_validation() -> None:
    setup = real_time.Setup("digits", 2, {"n_validation": 200, "batch_size": 50}, every=0.5)
    task = setup.task("unused")
    assert (task.n_train, task.steps, task.decision_interval) == (1000, 40, 10)


def test_pretrained_option_replaces_the_model_of_bert_only() -> None:
    bert = Task("opinions", child="bert", pretrained="bert-base-uncased")
    assert started_from(bert, None) == bert
    assert started_from(bert, "some/folder").pretrained == "some/folder"
    assert started_from(bert, "none").pretrained is None
    assert started_from(Task(), "some/folder").pretrained is None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--scale", "huge"], "scale must be one of smoke, cpu, full, got 'huge'"),
        (["--arms", "none", "augnet"], "an arm must be one of none, crop, crop and flip"),
        (["--arms", "learned"], "arm 'learned' needs a policy"),
        (["--arms", "best constant"], "constant_trainings must be at least 12, got 0"),
        (["--arms", "EDA", "--only", "digits"], "an arm must suit one of the tasks, got 'EDA'"),
        (
            ["--scale", "cpu", "--data", "nowhere"],
            "--data must be 'hub' or a folder",
        ),
        (["--policy", "nowhere"], "nowhere"),
        (["--seeds", "0"], "seeds must be at least 1"),
        (
            ["--only", "cifar"],
            "--only must be one or more of bilstm, cnn, digits,",
        ),
        (["--device", "cuda:99"], "device"),
        (["--processes", "-1"], "processes"),
        (["--first-batches", "1"], "first_batches must be at least 2, got 1"),
    ],
)
def test_mistake_is_a_one_sentence_error_and_writes_nothing(
    here: Path, call, capsys, arguments: list[str], sentence: str
) -> None:
    scale = [] if "--scale" in arguments else ["--scale", "smoke"]
    assert call(real_time, "--name", "bad", *scale, *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert sentence in error
    assert "\n" not in error
    assert not (here / "runs").exists()


def test_existing_run_folder_is_not_overwritten(here: Path, call, capsys) -> None:
    (here / "runs" / "a").mkdir(parents=True)
    (here / "runs" / "a" / "precious").write_text("kept")
    assert call(real_time, "--name", "a", "--scale", "smoke") == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in (here / "runs" / "a").iterdir()] == ["precious"]
