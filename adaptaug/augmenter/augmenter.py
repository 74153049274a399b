"""The `Augmenter` of a user's training loop: augments each batch as a policy decides."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from adaptaug.augmenter.batch_check import as_tensor, check_pixels
from adaptaug.augmenter.checks import (
    check_counts,
    check_device,
    check_process,
    check_seed,
    check_without_held_out,
)
from adaptaug.augmenter.decisions import pilot
from adaptaug.augmenter.encodings import Encodings, encodings
from adaptaug.augmenter.held_out import HeldOut, own_examples
from adaptaug.augmenter.learning_rate import LearningRate, PeakFraction, optimizer_of
from adaptaug.augmenter.model_view import model_dtype
from adaptaug.augmenter.normalisation import PerChannel, as_given, normalisation
from adaptaug.augmenter.notices import Notices
from adaptaug.augmenter.plan import Plan
from adaptaug.augmenter.setup import Setup, set_up
from adaptaug.augmenter.state import check_state, restore, resume
from adaptaug.augmenter.targets import soften
from adaptaug.controllers import Controller
from adaptaug.data.batches import hard, to_float
from adaptaug.data.examples import Examples
from adaptaug.data.from_user import to_examples
from adaptaug.data.lexicon import Lexicon
from adaptaug.data.vocabulary import Vocabulary
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer
from adaptaug.ops import Op
from adaptaug.policy.policy import Policy
from adaptaug.utils.compiling import outside_graphs

if TYPE_CHECKING:
    from adaptaug.tensorboard import Board


class Augmenter:
    """Augments the batches of one training run at magnitudes that a policy picks during the run.

    Call it on every batch before the step, and call `record` with loss and accuracy after the step.
    If the policy reads losses of the model, it is evaluated at each decision, in evaluation mode
    and with the code of the search, on the first training examples and on the held-out data if
    there are any. The model's mode and all random state are restored afterwards.
    """

    def __init__(
        self,
        policy: str | Path | Policy | Controller,
        model: nn.Module,
        held_out: HeldOut | None = None,
        *,
        total_steps: int | None = None,
        n_train: int | None = None,
        batch_size: int | None = None,
        loader: DataLoader[Any] | None = None,
        epochs: int | None = None,
        optimizer: Optimizer | None = None,
        scheduler: LRScheduler | None = None,
        accumulate: int | None = None,
        learning_rate: LearningRate = None,
        mean: PerChannel | None = None,
        std: PerChannel | None = None,
        always_soft: bool = False,
        ops: Sequence[str | Op] | None = None,
        decisions: int | None = None,
        vocabulary: Vocabulary | None = None,
        lexicon: str | Path | Lexicon | None = None,
        train: tuple[Tensor, Tensor] | Examples | None = None,
        classes: Sequence[str] = (),
        metric: str | None = None,
        seed: int | None = None,
        board: "Board | None" = None,
    ) -> None:
        """Prepares for the first batch.

        Args:
            policy: what `load_policy` takes, a loaded policy, or any controller.
            model: maps float images (B, C, H, W) in [0, 1], or normalised ones if `mean` and `std`
                are given, to logits (B, K), or int64 ids (B, L) to logits (B, K), in tagging
                (B, L, K). It may return them in a tuple, a dict or a `ModelOutput`. It is already
                on its device.
            held_out: examples that are not trained on: images (N, C, H, W), uint8 or float in
                [0, 1], or normalised as the batches, and labels (N,) in 0..K-1; or a Dataset or a
                DataLoader of such pairs, or of dicts; or ids (N, L), padded on the right with 0,
                and labels (N,) or tags (N, L), -100 at padding. Without them a policy takes the
                mean of its search for what it would observe on them, and what does not fit is
                refused at the first batch, or here if `train` is given.
            total_steps: batches in the whole run; the Augmenter is called once for each. With
                `accumulate` it counts optimizer steps. A run that goes on is planned anew.
            n_train: training examples in one epoch; None takes the length of the loader's data set.
            batch_size: examples in a call; None takes the loader's, or the size of the first batch.
            loader: the training DataLoader, for what is not given of the three above.
            epochs: epochs in the whole run; with `loader` it replaces `total_steps`.
            optimizer: counted, to find how many calls make one of its steps, and the source of the
                learning rate.
            scheduler: the same for its optimizer; the `total_steps` of a OneCycleLR replaces
                `total_steps` and counts optimizer steps.
            accumulate: calls to an optimizer step, where gradients are accumulated.
            learning_rate: where the policy reads the learning rate: an optimizer or a scheduler
                (see `adaptaug.augmenter.learning_rate`), or a function that returns the rate as a
                fraction of its peak. None takes `scheduler` or `optimizer`, and without them
                assumes the search's schedule: one-cycle over the run, with its peak at 30%.
            mean: what the user's pipeline subtracts from pixels in [0, 1], one number or one for
                each channel, if the batches are normalised. Floating-point images are taken as
                normalised then, uint8 ones as pixels; augmented ones are returned normalised.
            std: what it divides by.
            always_soft: whether targets are label distributions (B, K) in every batch, not only
                where an op mixes labels.
            ops: the ops of a plain controller; a policy brings its own.
            decisions: decisions in the run; None takes those of the policy, or 8 for a plain
                controller.
            vocabulary: the words of the ids, or a tokenizer of `transformers` or `tokenizers`; text
                and tagging need one. With a tokenizer, sentences may be mappings, which hold their
                `labels` or not; see `adaptaug.augmenter.token_batch`.
            lexicon: synonyms, or what `adaptaug.data.load_lexicon` reads. Without it, ops that need
                synonyms stay off, and a warning names them.
            train: the whole training set: inputs, and labels or tags. Tagging ops take tokens and
                mentions from it. Ops that generate samples train their generator on it in this
                call, which takes minutes. Other ops do not need it.
            classes: in tagging, the names of the tags in BIO form; the position is the label. For
                pretrained generators, the names of the classes.
            metric: the score that the policy observes, 'accuracy' or 'f1'; None takes the metric of
                its search, and accuracy for a plain controller.
            seed: seeds every random draw of the ops. None takes torch's initial seed, that of
                `torch.manual_seed`, so that runs with other seeds draw otherwise; the global random
                state is not changed.
            board: receives magnitudes, images and held-out scores at each decision.

        Raises:
            AdaptAugError: the policy cannot be loaded, or none of its ops applies to such data; the
                held-out data do not fit the model, or are missing and the controller needs them; a
                number is below 1; or an argument is missing or does not go with the others.
        """
        if not isinstance(model, nn.Module):
            raise AdaptAugError(f"model must be an nn.Module, got {type(model).__name__}")
        self._notices = Notices()
        optimizer = optimizer or getattr(scheduler, "optimizer", None)
        self._plan = Plan(
            self._notices, total_steps=total_steps, n_train=n_train, batch_size=batch_size,
            loader=loader, epochs=epochs, optimizer=optimizer or optimizer_of(learning_rate),
            scheduler=scheduler, accumulate=accumulate,
        )  # fmt: skip
        check_counts(decisions=decisions)
        check_seed(seed)
        chosen = pilot(policy, ops, decisions)
        rate = PeakFraction(optimizer if learning_rate is None else learning_rate)
        Scorer(metric or chosen.metric)
        self._model, self._device = model, next(model.parameters(), torch.empty(0)).device
        self._norm = normalisation(mean, std, self._device)
        self._encodings = encodings(vocabulary)
        if train is not None and (self._norm is not None or self._encodings is not None):
            train = self._examples(train, "train")
        self._names = chosen.op_space.names
        self._rules = {  # what a state must have in common
            "ops": list(self._names),
            "controller": type(chosen.controller).__name__,
            "uses_held_out": held_out is not None,
        } | ({} if seed is None else {"seed": int(seed)})
        self._seed = torch.initial_seed() % 2**31 if seed is None else int(seed)
        self._set_up = partial(
            set_up, pilot=chosen, model=model, norm=self._norm, notices=self._notices, rate=rate,
            validate=held_out is not None, encodings=self._encodings, lexicon=lexicon, train=train,
            vocabulary=None if self._encodings is not None else vocabulary,
            classes=classes, metric=metric, always_soft=always_soft,
        )  # fmt: skip
        self._held_out: Examples | None = None
        self._setup: Setup | None = None  # without held-out data None until the first batch
        self._loaded: Mapping[str, Any] | None = None  # a state that waits for the first batch
        if held_out is None:
            check_without_held_out(chosen.controller)
        else:
            self._held_out = self._examples(held_out, "held_out")
            self._setup = self._made(self._held_out, "held_out")
        self._always_soft, self._board = always_soft, board
        self._step = 0

    @property
    def magnitudes(self) -> dict[str, float]:
        """Current magnitude of every op, in [0, 1]; 0 before the first batch."""
        if self._setup is not None:
            current = self._setup.decisions.magnitudes
        elif self._loaded is not None:
            current = self._loaded["decisions"]["loop"]["magnitudes"]
        else:
            current = [0.0] * len(self._names)
        return dict(zip(self._names, current, strict=True))

    @property
    def total_steps(self) -> int:
        """Batches in the whole run, as planned now."""
        return self._plan.total

    @outside_graphs  # the call is left out of the graph of a step that is compiled whole
    def __call__(self, inputs: Any, targets: Any = None) -> Any:
        """Augments the next batch; at a decision, picks the magnitudes first.

        Args:
            inputs: images (B, C, H, W), uint8 or float in [0, 1], or normalised (see `mean`), or
                ids (B, L) of any length L, padded on the right with 0; on the model's device.
                NumPy arrays are taken as tensors. With a tokenizer also a mapping of tensors.
            targets: classes (B,), -100 where ignored; for images also label distributions (B, K);
                in tagging tags (B, L), -100 at padding; None if the mapping holds them as `labels`.

        Returns:
            Images in [0, 1], or normalised, of the type of the model's parameters and in the memory
            layout of those given; or int64 ids (B, L), in which words beyond L are cut off when
            others are inserted. The targets are distributions (B, K) if an op mixes examples or
            with `always_soft`, in tagging the tags of the new tokens, otherwise those given. In a
            distribution, the row of an ignored label is all zeros. A mapping comes back as a dict
            whose masks and types are those of the new tokens; alone, if it held the targets.

        Raises:
            AdaptAugError: a shape, type or device does not fit, pixels lie outside [0, 1] or are
                not finite, ids lie outside the vocabulary, labels lie outside 0..K-1 or do not sum
                to 1, or tags are not in BIO form. On a GPU the values are checked in the first
                batch only. Without held-out data the first batch may also not fit the model or the
                other arguments. The call comes from a worker of a DataLoader.
        """
        check_process()
        place = f"batch {self._step}"
        with _outside_inference():
            if self._encodings is not None:
                return self._encoded(self._encodings, inputs, targets, place)
            batch = as_tensor(inputs, "inputs", place), as_tensor(targets, "targets", place)
            inputs, targets = self._augmented(*batch, place)
            return _trainable(inputs), _trainable(targets)

    def _encoded(self, encodings: Encodings, inputs: Any, targets: Any, place: str) -> Any:
        """Augments a batch of a tokenizer; returns the form in which it was given."""
        read = self._step == 0 or self._device.type == "cpu"
        batch = encodings.batch(inputs, targets, place, read=read)
        codes, targets = self._augmented(batch.codes, _trainable(batch.targets), place)
        return batch.given(codes, targets)

    def _augmented(self, inputs: Tensor, targets: Tensor, place: str) -> tuple[Tensor, Tensor]:
        """Checks a batch, decides if a decision is due, and augments."""
        pixels = self._pixels(inputs, place)
        setup = self._setup or self._begun(pixels, targets, place)
        setup.check(pixels, targets, self._step)
        setup.witness.stop()
        self._setup, self._loaded = setup, None
        self._step = self._plan.follow(len(inputs), self._step)
        if setup.decisions.steps != self._plan.total:
            setup.decisions.replan(self._step, self._plan.total)
        pixels = to_float(pixels).float() if pixels.ndim == 4 else pixels.long()
        targets = targets.float() if targets.is_floating_point() else targets.long()
        setup.decisions.keep(pixels, hard(targets), self._plan.n_train)
        deciding = setup.decisions.due(self._step)
        if deciding:
            setup.decisions.trusts_record &= setup.witness.report()
            setup.decisions.decide(self._step, self._plan.epochs)
        if self._always_soft or setup.mixes():
            targets = soften(targets, setup.num_classes)
        with torch.autocast(inputs.device.type, enabled=False):  # half precision blurs warps
            augmented, targets = setup.op_space.apply(
                pixels, targets, setup.decisions.magnitudes, setup.draws, setup.num_classes
            )
        if deciding and self._board is not None:
            self._show(self._board, setup, pixels, augmented)
        if pixels.ndim == 4:
            dtype = model_dtype(self._model)
            augmented = as_given(inputs, pixels, augmented, self._norm, dtype)
        if setup.witness.due(targets) or (
            setup.decisions.observes and self._step and (deciding or self._step == 1)
        ):
            setup.witness.watch(augmented, targets)
        self._step += 1
        return augmented, targets

    @outside_graphs
    def record(self, loss: Tensor | float, accuracy: Tensor | float) -> None:
        """Records loss and accuracy of the step.

        Tensors are not read before the next decision, so a GPU is not synchronised. What cannot be
        a mean loss and an accuracy, or does not fit what the model returned, is warned of once.

        Args:
            loss: mean cross-entropy of the augmented batch, in nats.
            accuracy: share of correct predictions in the augmented batch, in [0, 1].

        Raises:
            AdaptAugError: there was no batch yet, or a value is not one number.
        """
        if self._setup is None:
            raise AdaptAugError("record follows the call on a batch, got no batch before it")
        self._setup.decisions.record(loss, accuracy)
        self._setup.witness.hear(loss)

    def state_dict(self) -> dict[str, Any]:
        """State of the run for a checkpoint, as tensors and plain data."""
        if self._setup is None:
            loaded = self._loaded or {}
            parts: dict[str, Any] = {name: loaded.get(name) for name in ("generator", "decisions")}
        else:
            draws, decisions = self._setup.draws.get_state(), self._setup.decisions.state_dict()
            parts = {"generator": draws, "decisions": decisions}
        return self._rules | {
            "seed": self._seed,
            "total_steps": self._plan.told,
            "planned": self._plan.total,
            "n_train": self._plan.n_train,
            "batch_size": self._plan.batch_size,
            "step": self._step,
            **parts,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores a `state_dict`; the run then continues bit for bit.

        A run of another length, batch size or number of training examples goes on with its own; a
        warning names what has changed, and the rest of the run is planned for it. Without a seed of
        its own it takes that of the state.

        Raises:
            AdaptAugError: the state is damaged, or belongs to another op space, kind of controller
                or seed, or to a run that has held-out data where this one has none, or the other
                way round.
        """
        check_state(state, self._rules)
        if state.get("seed") not in (None, self._seed):
            self._seed = state["seed"]
            if self._held_out is not None:
                self._setup = self._made(self._held_out, "held_out")
        if self._held_out is not None and self._setup is not None:
            restore(self._setup, state)
        else:
            self._setup = None
            self._loaded = None if state["decisions"] is None else state
        self._step = resume(self._plan, state, self._notices)

    def _examples(self, data: Any, place: str) -> Examples:
        """A user's examples; sentences of a tokenizer as codes."""
        if self._encodings is not None:
            return self._encodings.examples(data, place)
        return own_examples(data, place, self._norm)

    def _made(self, examples: Examples, place: str) -> Setup:
        """Prepares the run from its first examples."""
        return self._set_up(examples, place, total_steps=self._plan.total, seed=self._seed)

    def _begun(self, inputs: Tensor, targets: Tensor, place: str) -> Setup:
        """Prepares the run from its first batch, and continues a loaded state if there is one."""
        check_device(inputs, self._device, place)
        if inputs.ndim == 4:
            check_pixels(inputs, place)
        first = inputs, hard(targets)
        examples = Examples(*first) if self._encodings else to_examples(first, place)
        setup = self._made(examples, place)
        if self._loaded is not None:
            restore(setup, self._loaded)
        return setup

    def _pixels(self, inputs: Tensor, place: str) -> Tensor:
        """Images without their normalisation, if they have one; ids unchanged."""
        if self._norm is None:
            return inputs
        check_device(inputs, self._device, place)
        read = self._step == 0 or inputs.device.type == "cpu"
        return self._norm.undone(inputs, place, read=read)

    def _show(self, board: "Board", setup: Setup, inputs: Tensor, augmented: Tensor) -> None:
        """Writes a decision to TensorBoard."""
        board.magnitudes(self._names, setup.decisions.magnitudes, self._step)
        observation = setup.decisions.observation
        if observation is not None and self._held_out is not None:
            seen = observation.validation
            board.child_curves(
                {"held_out_loss": [seen.loss], "held_out_score": [seen.score]}, self._step
            )
        if inputs.ndim == 4 and inputs.shape[1] in (1, 3):
            board.image_grid(inputs, augmented, self._step)


def _outside_inference() -> AbstractContextManager[object]:
    """Leaves inference mode within the block, if it is on."""
    return torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()


def _trainable(values: Tensor) -> Tensor:
    """The tensor, or a copy that can be trained on if it was made in inference mode."""
    return values.clone() if values.is_inference() else values
