"""The picture of the README can be drawn again, from what a comparison writes."""

import io
from typing import Any

from PIL import Image

from docs.images.digits import ARMS, OPS, SHOWN, draw


def test_the_picture_is_drawn_from_a_summary_and_records() -> None:
    gain = {"mean": 0.01, "ci95": [0.0, 0.02], "n": 2}
    arms: dict[str, Any] = {arm: {"accuracy": gain, "minus_none": gain} for arm in ARMS}
    tasks = [{"n_train": n_train, "steps": steps} for n_train, steps in SHOWN]
    records = [
        task | {"arm": "learned", "ops": list(OPS), "magnitudes": [[0.1] * len(OPS)] * 8}
        for task in tasks
    ]
    drawn = draw([{"task": task, "arms": arms} for task in tasks], records)
    width, height = Image.open(io.BytesIO(drawn)).size
    assert width > 2 * height > 1000
