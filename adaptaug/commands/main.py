"""Entry point of the console command `adaptaug`."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from adaptaug.commands.audit import audited
from adaptaug.commands.search import HOW_TO_SEARCH
from adaptaug.commands.show import card
from adaptaug.errors import AdaptAugError
from adaptaug.policy.policy import load_policy

DESCRIPTION = """\
AdaptAug learns when and how strongly to augment. A policy is a small folder that sets the
magnitudes of augmentation ops while your model trains; `adaptaug.Augmenter` applies it.
"""

EXAMPLES = """\
examples:
  adaptaug show digits             the policy that comes with the package
  adaptaug show runs/mine/policy   one of your own
  adaptaug show someone/policy     one on the Hugging Face hub
  adaptaug search                  how to search a policy on your own data
  adaptaug audit path/or/hub-id    which ops keep the labels of your own data
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand.

    Args:
        arguments: the command line without the program's name; None takes the process's.

    Returns:
        The exit code: 0, or 2 after a mistake, which is one sentence on stderr.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        print(_text(options))
    except AdaptAugError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _text(options: argparse.Namespace) -> str:
    """What the subcommand prints."""
    if options.command == "search":
        return HOW_TO_SEARCH
    if options.command == "audit":
        return audited(options.dataset, options.lexicon, options.figure)
    return card(options.policy, load_policy(options.policy))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="adaptaug",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("adaptaug"))
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    explanation = "print a policy's card: its ops, what it was searched on, how to use it"
    show = commands.add_parser("show", help=explanation, description=explanation)
    show.add_argument(
        "policy", metavar="POLICY", help="a bundled policy's name, a folder, or a hub id"
    )
    explanation = "say how to search a policy, on digits or on your own data"
    commands.add_parser("search", help=explanation, description=explanation)
    explanation = "say which ops keep the labels of a data set, at three strengths; seconds"
    audit = commands.add_parser("audit", help=explanation, description=explanation)
    audit.add_argument("dataset", metavar="DATASET", help="'digits', a folder, or a hub id")
    audit.add_argument("--lexicon", metavar="FILE", help="synonyms, for sentences; or 'wordnet'")
    audit.add_argument(
        "--figure", metavar="FILE", help="PNG of the worst op's images; default audit.png"
    )
    return parser
