"""Folders of class folders: which split and class every image belongs to, as on disk."""

import logging
import re
from collections import Counter
from pathlib import Path

import pytest

from adaptaug.data.folders import class_folders, split_in
from adaptaug.errors import AdaptAugError


def tree(root: Path, *patterns: str) -> Path:
    """Make empty files; "{train,test}/{a,b}/{1,2}.png" stands for eight of them."""
    for pattern in patterns:
        names = [pattern]
        while any("{" in name for name in names):
            found = [re.search(r"\{(.*?)\}", name) for name in names]
            names = [
                name[: match.start()] + choice + name[match.end() :]
                for name, match in zip(names, found, strict=True)
                if match
                for choice in match[1].split(",")
            ]
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    return root


def counts(root: Path) -> dict[str, dict[str, int]] | None:
    """The number of images by split and class."""
    found = class_folders(root, "x")
    if found is None:
        return None
    return {split: dict(Counter(label for _, label in rows)) for split, rows in found.items()}


AB = {"a": 2, "b": 2}


@pytest.mark.parametrize("classes", ["bus,car,train", "bullet_train,test-tube,eval 2", "dev,test"])
def test_class_that_is_called_like_a_split_keeps_its_images(tmp_path: Path, classes: str) -> None:
    expected = dict.fromkeys(classes.split(","), 2)
    tree(tmp_path / "d", f"{{train,test}}/{{{classes}}}/{{1,2}}.png")
    assert counts(tmp_path / "d") == {"train": expected, "test": expected}
    found = class_folders(tmp_path / "d", "x")
    assert found is not None
    for split, rows in found.items():
        assert all(path.parent == tmp_path / "d" / split / label for path, label in rows)


@pytest.mark.parametrize("classes", ["bus,car,train", "bullet_train,test-tube", "a,b"])
@pytest.mark.parametrize("above", ["", "train/", "flowers/", "flowers/train/images/"])
def test_class_folders_alone_are_the_split_train(tmp_path: Path, classes: str, above: str) -> None:
    tree(tmp_path, f"{above}{{{classes}}}/{{1,2}}.png")
    assert counts(tmp_path) == {"train": dict.fromkeys(classes.split(","), 2)}


@pytest.mark.parametrize(
    ("patterns", "splits"),
    [
        (["{train,val,test}/{a,b}/{1,2}.png"], ["test", "train", "validation"]),
        (["{Training,EVAL}/{a,b}/{1,2}.JPG"], ["test", "train"]),
        ([f"seg_{s}/seg_{s}/{{a,b}}/{{1,2}}.png" for s in ("train", "test")], ["test", "train"]),
        (["flowers/{train,test}/images/{a,b}/{1,2}.png"], ["test", "train"]),
        (["{train,test}-set [1]/{a,b}/{1,2}.png"], ["test", "train"]),
        (["{train-1,train-2,test 1}/{a,b}/{1,2}.png"], ["test", "train"]),
    ],
)
def test_splits_are_read_from_the_folders_that_hold_class_folders(
    tmp_path: Path, patterns: list[str], splits: list[str]
) -> None:
    found = counts(tree(tmp_path, *patterns))
    assert found is not None
    assert sorted(found) == splits
    assert all(rows in (AB, {"a": 4, "b": 4}) for rows in found.values())


def test_images_deeper_in_a_class_folder_belong_to_it(tmp_path: Path) -> None:
    tree(tmp_path, "{train,test}/{a,b}/1.png", "{train,test}/{a,b}/more/2.png")
    assert counts(tmp_path) == {"train": AB, "test": AB}


@pytest.mark.parametrize(
    ("patterns", "sentence"),
    [
        (["{train,test}/{a,b}/1.png", "test/x.png"],
         "every image must lie in the folder of its class, got 'test/x.png' in data set 'x': move"),
        (["{a,b}/1.png", "cover.png"], "the folder of its class, got 'cover.png' in data set 'x'"),
        (["{train,test}/{1,2}.png"], "in the folder of its class, got 'train/1.png'"),
        (["{train,test}/{animals,cars}/{a,b}/1.png"],
         "class folders must hold their images, got 'test/animals/a/1.png' in data set 'x', whose "
         "class may be 'animals' or 'a'"),
        (["{train,test,extra}/{a,b}/1.png"],
         "must name splits, or none, got 'test' and 'extra' in data set 'x': rename one"),
        (["{train,train_old,test}/{a,b}/1.png"], "got 'test' and 'train_old' in data set 'x'"),
        (["{bus,car,train}/{old,new}/1.png"], "must name splits, or none, got 'train' and 'bus'"),
        (["train/{a,b}/1.png", "bus/1.png"], "must name splits, or none, got 'train' and 'bus'"),
    ],
)  # fmt: skip
def test_folders_that_can_be_read_in_two_ways_are_refused(
    tmp_path: Path, patterns: list[str], sentence: str
) -> None:
    tree(tmp_path, *patterns)
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        class_folders(tmp_path, "x")


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        (
            ["extra/1.png", "cover.png"],
            "2 file(s) left out, as they lie in no split, the first 'co",
        ),
        (["train/a/{1,2}.HEIC"], "2 file(s) left out, as Pillow reads no such images, the first"),
        (["val/{1,2}.png"], "2 file(s) left out, as they lie in no class folder, the first 'val/1"),
        (["README.md", ".git/1.png", "train/a/.1.png", "__MACOSX/train/a/1.png"], ""),
    ],
)
def test_what_is_left_out_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, patterns: list[str], told: str
) -> None:
    tree(tmp_path, "{train,test}/{a,b}/{1,2}.png", *patterns)
    with caplog.at_level(logging.WARNING):
        assert counts(tmp_path) == {"train": AB, "test": AB}
    assert told in caplog.text
    assert bool(told) == bool(caplog.text)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_file_in_two_splits_is_refused(tmp_path: Path, link) -> None:
    tree(tmp_path, "{train,test}/{a,b}/1.png")
    link(tmp_path / "test/b/2.png", tmp_path / "train/a/1.png")
    with pytest.raises(
        AdaptAugError, match=r"in one split, got '.*/train/a/1.png' in 'train', the"
    ):
        class_folders(tmp_path, "x")


def test_link_to_a_folder_around_it_is_not_followed(tmp_path: Path) -> None:
    tree(tmp_path, "{train,test}/{a,b}/{1,2}.png")
    (tmp_path / "train/a/loop").symlink_to(tmp_path / "train")
    assert counts(tmp_path) == {"train": AB, "test": AB}


@pytest.mark.parametrize(
    "patterns",
    [
        ["train.parquet", "test.parquet", "logo.png"],
        ["train/{1,2}.png", "train/metadata.csv"],
        ["{1,2}.png"],
        ["notes/a.txt"],
        [],
    ],
)
def test_other_folders_are_left_to_the_library(tmp_path: Path, patterns: list[str]) -> None:
    assert class_folders(tree(tmp_path, *patterns), "x") is None


def test_folder_whose_card_names_its_files_is_left_to_the_library(tmp_path: Path) -> None:
    tree(tmp_path, "{train,test}/{a,b}/{1,2}.png")
    card = "---\nconfigs:\n- config_name: default\n  data_files: '*.png'\n---\n"
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert class_folders(tmp_path, "x") is None


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("seg_train", "train"),
        ("Test-00000-of-00001", "test"),
        ("my val 2", "validation"),
        ("trainset", None),
        ("contest", None),
        ("train_test", None),
        ("", None),
    ],
)
def test_split_in_a_name_is_a_whole_word(name: str, split: str | None) -> None:
    assert split_in(name) == split
