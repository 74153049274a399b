"""Models as people write them: what they return, their types, and whether they are compiled."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptaug import AdaptAugError, Augmenter, Constant
from adaptaug.augmenter.model_view import ModelView, find_logits
from adaptaug.children import SmallCNN
from adaptaug.data.examples import Split

Batch = Callable[..., tuple[Tensor, Tensor]]
Make = Callable[..., Augmenter]
Named = namedtuple("Named", "logits aux")
LOGITS, WIDE = torch.arange(6.0).view(2, 3), torch.zeros(2, 8)


class Output(dict[str, Any]):
    """As a `ModelOutput` of transformers: a dict with attributes."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


class Data:
    """As an output that is a dataclass."""

    logits = LOGITS


class Wrapped(nn.Module):
    """A linear model that returns its logits in some form."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.linear, self.wrap = nn.Linear(64, 10), wrap

    def forward(self, images: Tensor) -> Any:
        return self.wrap(self.linear(images.flatten(1)))


@pytest.mark.parametrize(
    "output",
    [
        LOGITS,
        (LOGITS,),
        [LOGITS],
        (LOGITS, LOGITS + 1),
        (torch.tensor(1.5), LOGITS),  # loss and logits
        (LOGITS, (WIDE, WIDE)),  # and hidden states
        Named(LOGITS, WIDE),
        {"logits": LOGITS, "features": WIDE},
        {"loss": torch.tensor(1.5), "out": LOGITS},
        Output(loss=None, logits=LOGITS, hidden_states=(WIDE,)),
        Data(),
        LOGITS[..., None, None],
        LOGITS.double(),
        LOGITS.bfloat16(),
    ],
    ids=lambda output: type(output).__name__,
)
def test_logits_are_found(output: Any) -> None:
    assert torch.equal(find_logits(output, 2).float(), LOGITS)
    assert find_logits({"logits": LOGITS[None]}, 3).shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("output", "got"),
    [
        (None, "NoneType"),
        (LOGITS.numpy(), "ndarray"),
        (LOGITS.argmax(1), r"torch.int64 \(2,\)"),
        (torch.zeros(2, 3, 4, 4), r"\(2, 3, 4, 4\)"),
        ((WIDE, LOGITS), r"tuple of \(2, 8\), \(2, 3\)"),
        ({"loss": torch.tensor(1.5)}, r"dict of \(\)"),
        ((), "tuple"),
    ],
)
def test_what_has_no_logits_is_refused(output: Any, got: str) -> None:
    with pytest.raises(AdaptAugError, match=rf"must return logits \(B, K\).*got {got}"):
        find_logits(output, 2)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: (logits, logits),
        lambda logits: {"logits": logits},
        lambda logits: logits.double(),
        lambda logits: logits[..., None, None],
        lambda logits: logits.softmax(1),
        lambda logits: logits.log_softmax(1),
    ],
)
def test_every_form_of_output_is_observed_alike(
    augmenter: Make, batch: Batch, watch: Any, wrap: Callable[[Tensor], Any]
) -> None:
    seen = []
    for each in (wrap, lambda logits: logits):
        torch.manual_seed(0)
        watched = watch()
        using = augmenter(watched, Wrapped(each))
        for step in range(4):
            using(*batch(step))
        seen.append(watched.seen[1].flat())
    assert seen[0] == pytest.approx(seen[1], abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("images", [torch.uint8, torch.float32, None])
def test_models_of_any_type_are_trained(
    augmenter: Make, batch: Batch, dtype: torch.dtype, images: torch.dtype | None
) -> None:
    model = Wrapped(lambda logits: logits).to(dtype)
    using = augmenter(model=model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    for step in range(12):
        pixels, targets = batch(step)
        if images != torch.uint8:
            pixels = (pixels / 255).to(images or dtype)
        augmented, mixed = using(pixels, targets)
        assert augmented.dtype == dtype
        logits = model(augmented)
        loss = F.cross_entropy(logits, mixed)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        using.record(loss, (logits.argmax(1) == targets).float().mean())
    assert max(using.magnitudes.values()) > 0
    assert model.linear.weight.isfinite().all()


class Autocast(nn.Module):
    """Its forward runs under autocast, so that it returns half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.net = SmallCNN(1, (8, 8), 10, 4)

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits: Tensor = self.net(images)
            return logits


@pytest.mark.parametrize("around", [False, True])
def test_autocast_in_the_model_or_around_everything(
    augmenter: Make, batch: Batch, around: bool
) -> None:
    with torch.autocast("cpu", torch.bfloat16, enabled=around):
        using = augmenter(model=SmallCNN(1, (8, 8), 10, 4) if around else Autocast())
        for step in range(12):
            augmented, _ = using(*batch(step))
            assert augmented.dtype == torch.float32
            using.record(torch.tensor(2.0, dtype=torch.bfloat16), 0.5)
    assert max(using.magnitudes.values()) > 0


def test_images_keep_their_memory_layout(augmenter: Make) -> None:
    images, labels = torch.rand(4, 3, 8, 8), torch.arange(4)
    ops = ["rotate", "hue", "noise", "blur", "mixup", "cutmix", "posterize", "solarize"]
    model = Wrapped(lambda logits: logits[:, :4])
    model.linear = nn.Linear(192, 10)
    settings: dict[str, Any] = {"model": model, "held_out": (images, labels)}
    for op in [*([op] for op in ops), ops]:
        using = augmenter(Constant([1.0] * len(op)), ops=op, **settings)
        for each in (images, (images * 255).byte()):
            out, _ = using(each, labels)
            assert out.view(len(out), -1).shape == (4, 192)
            last, _ = using(each.to(memory_format=torch.channels_last), labels)
            assert last.is_contiguous(memory_format=torch.channels_last)
    idle = augmenter(Constant([0.0]), ops=["rotate"], **settings)
    assert idle(images, labels)[0].data_ptr() == images.data_ptr()


class Flattening(nn.Module):
    """The first line of most tutorials, which needs images that are contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(images.view(images.size(0), -1))
        return logits


def test_models_that_flatten_by_view_are_observed(augmenter: Make) -> None:
    images, labels = torch.rand(20, 3, 8, 8), torch.arange(20) % 10
    using = augmenter(model=Flattening(), held_out=(images, labels))
    for _ in range(12):
        using(images, labels)
    assert max(using.magnitudes.values()) > 0


def test_the_view_leaves_the_model_unchanged() -> None:
    model = Wrapped(lambda logits: logits)
    names = [name for name, _ in model.named_modules()]
    view = ModelView(model, None, tagging=False)
    view.eval()
    assert [name for name, _ in model.named_modules()] == names
    assert torch.equal(view(torch.zeros(1, 1, 8, 8)), model(torch.zeros(1, 1, 8, 8)))


# torch.compile


def compiles() -> int:
    """Frames compiled so far in this process."""
    return int(torch._dynamo.utils.counters["frames"]["ok"])


@pytest.fixture
def dynamo() -> Any:
    """A compiler that has seen nothing."""
    torch._dynamo.reset()
    yield torch._dynamo
    torch._dynamo.reset()


@pytest.mark.parametrize("how", ["wrapped", "in place"])
def test_decisions_do_not_compile(
    augmenter: Make, batch: Batch, child: Callable[..., SmallCNN], dynamo: Any, how: str
) -> None:
    model: Any = child()
    plain = augmenter(model=child(), seed=0)
    if how == "wrapped":
        model = torch.compile(model, backend="eager")
    else:
        model.compile(backend="eager")
    before = compiles()
    using = augmenter(model=model, seed=0)
    assert compiles() == before
    for step in range(12):
        augmented, _ = using(*batch(step))
        assert torch.equal(augmented, plain(*batch(step))[0])
        model(augmented)
        if step == 0:
            after_one = compiles()
    assert compiles() == after_one > before


def test_a_step_that_is_compiled_whole_equals_one_that_is_not(
    augmenter: Make, batch: Batch, dynamo: Any
) -> None:
    def run(compiled: bool) -> tuple[list[Tensor], dict[str, float]]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        using = augmenter(model=model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        def step(images: Tensor, targets: Tensor) -> Tensor:
            augmented, labels = using(images, targets)
            logits = model(augmented)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            using.record(loss, (logits.argmax(1) == targets).float().mean())
            return loss

        do = torch.compile(step, backend="eager") if compiled else step
        losses = []
        for index in range(12):
            losses.append(do(*batch(index)).detach())
            optimizer.step()
            optimizer.zero_grad()
        return losses, using.magnitudes

    (losses, magnitudes), (expected, wanted) = run(True), run(False)
    assert [float(loss) for loss in losses] == pytest.approx([float(loss) for loss in expected])
    assert magnitudes == pytest.approx(wanted, abs=1e-4)
    assert max(magnitudes.values()) > 0


def test_batches_of_inference_mode_can_be_trained_on(
    augmenter: Make, batch: Batch, child: Callable[..., SmallCNN]
) -> None:
    for magnitudes in ([0.5] * 4, [0.0] * 4):
        model = child()
        using = augmenter(Constant(magnitudes), model)
        with torch.inference_mode():
            images, targets = batch(0)[0] / 255, batch(0)[1] + 0
            augmented, labels = using(images, targets)
            using.record(torch.tensor(2.0), 0.5)
        assert not augmented.is_inference()
        assert not labels.is_inference()
        F.cross_entropy(model(augmented), labels).backward()
        using(*batch(1))


def test_numpy_batches_are_taken(augmenter: Make, batch: Batch) -> None:
    images, targets = batch(0)
    expected = augmenter()(images, targets)
    got = augmenter()(images.numpy(), targets.numpy())  # type: ignore[arg-type]
    assert all(torch.equal(*pair) for pair in zip(got, expected, strict=True))
    flipped = augmenter(Constant([0.0] * 4))(np.flip(images.numpy(), 3), targets)[0]  # type: ignore[arg-type]
    assert torch.equal(flipped, images.flip(3) / 255)


def test_a_model_must_be_a_module(augmenter: Make, digits: Split) -> None:
    with pytest.raises(AdaptAugError, match=r"model must be an nn.Module, got function"):
        augmenter(model=lambda images: images)
