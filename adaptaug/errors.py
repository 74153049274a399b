"""The exception for mistakes that a user can correct."""


class AdaptAugError(ValueError):
    """A user's mistake, in one sentence that gives the rule, the value and the place.

    Scripts print the sentence to stderr and exit with code 2; the library raises it.
    """
