"""Sets up a child training: draws the data, binds the ops to them, builds child and observer."""

from adaptaug.data import Examples, Source, Split, load, split
from adaptaug.data.batches import cut
from adaptaug.data.lexicon import load_lexicon
from adaptaug.errors import AdaptAugError
from adaptaug.metrics import Scorer
from adaptaug.ops import OpSpace, build_tables
from adaptaug.policy.observation import Observer
from adaptaug.training.child_run import ChildRun
from adaptaug.training.task import Task


def draw_split(task: Task, seed: int) -> Split:
    """Draws the task's training, reward-validation and test examples; `seed` fixes the draw.

    Sentences are cut to the task's `max_tokens`.

    Raises:
        AdaptAugError: the data set cannot be loaded, or lacks examples that the task asks for.
    """
    source = load(task.dataset)
    drawn = split(source, task.n_train, task.n_validation, seed, rows=task.rows, n_test=task.n_test)
    train, validation, test = (
        cut(part, task.max_tokens) for part in (drawn.train, drawn.validation, drawn.test)
    )
    return Split(train, validation, test, drawn.num_classes)


def bind(
    op_space: OpSpace, source: Source, train: Examples, lexicon: str | None, seed: int
) -> OpSpace:
    """The op space bound to what its ops need: generated samples, and the tables of token ops.

    Both are made from the child's own training examples.

    Raises:
        AdaptAugError: the lexicon cannot be read or has no word of the vocabulary, or an op cannot
            be fitted to such data.
    """
    op_space = op_space.fitted(train, source.num_classes, seed, source.classes, source.vocabulary)
    if source.vocabulary is None:
        return op_space
    synonyms = None if lexicon is None else load_lexicon(lexicon)
    try:
        tables = build_tables(source.vocabulary, synonyms, train, source.classes, source.modality)
    except AdaptAugError as error:
        names = f"lexicon {lexicon!r}, data set '{source.name}'"
        raise AdaptAugError(f"{error} ({names})") from None
    return op_space.on(tables)


def set_up(
    task: Task, seed: int, op_space: OpSpace, device: str = "cpu"
) -> tuple[ChildRun, Observer]:
    """Builds a child, ready for its first batch, and its observer; `seed` fixes both.

    Neither can reach the test split.

    Raises:
        AdaptAugError: data set, child or op space do not fit the task.
    """
    source, drawn = load(task.dataset), draw_split(task, seed)
    train = drawn.train.to(device)
    run = ChildRun(
        task, train, drawn.validation, source.num_classes,
        bind(op_space, source, train, task.lexicon, seed), seed, device, source.vocabulary,
    )  # fmt: skip
    scorer = Scorer(task.metric, source.classes)
    observer = Observer(run.op_space, run.train, run.validation, source.num_classes, seed, scorer)
    return run, observer
