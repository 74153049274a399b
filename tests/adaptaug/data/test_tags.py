"""Tags in BIO form."""

import re

import pytest
import torch

from adaptaug.data import IGNORED
from adaptaug.data.tags import check_bio, may_follow, tag_names, tag_parts
from adaptaug.errors import AdaptAugError

CLASSES = ("O", "B-X", "I-X", "B-Y", "I-Y")


def test_tags_are_parsed_into_prefix_and_type() -> None:
    assert tag_names(["X", "Y"]) == CLASSES
    assert [tag_parts(tag) for tag in ("O", "B-X", "I-a-b")] == [
        ("O", ""),
        ("B", "X"),
        ("I", "a-b"),
    ]


@pytest.mark.parametrize("tag", ["X", "", "B", "B-", "E-X", "o", "O-X", "-X"])
def test_tag_not_in_bio_form_is_refused(tag: str) -> None:
    sentence = f"'O', 'B-TYPE' or 'I-TYPE' (BIO form), got '{tag}' in the classes"
    with pytest.raises(AdaptAugError, match=re.escape(sentence)):
        tag_parts(tag)


def test_only_inside_tags_depend_on_the_tag_before() -> None:
    after_x = [True, True, True, True, False]
    after_y = [True, True, False, True, True]
    other = [True, True, False, True, False]
    assert may_follow(CLASSES).tolist() == [other, after_x, after_x, after_y, after_y, other]


def test_well_formed_rows_pass() -> None:
    rows = [[0, 1, 2, 2, 1], [1, 3, 4, 0, IGNORED], [3, IGNORED, IGNORED, IGNORED, IGNORED]]
    check_bio(torch.tensor(rows), CLASSES, "x")


@pytest.mark.parametrize(
    ("row", "tag", "place"),
    [
        ([2, 2, 0], "I-X", "at the start in row 1, token 0"),
        ([0, 2, 0], "I-X", "after 'O' in row 1, token 1"),
        ([1, 4, 0], "I-Y", "after 'B-X' in row 1, token 1"),
        ([3, 4, 2], "I-X", "after 'I-Y' in row 1, token 2"),
    ],
)
def test_iob1_is_refused_by_name(row: list[int], tag: str, place: str) -> None:
    sentence = (
        f"tags must be in BIO form, where '{tag}' only follows 'B{tag[1:]}' or '{tag}', got it "
        f"{place} of x (this looks like IOB1: convert it to BIO)"
    )
    with pytest.raises(AdaptAugError, match=f"^{re.escape(sentence)}$"):
        check_bio(torch.tensor([[1, 2, 0], row]), CLASSES, "x")
