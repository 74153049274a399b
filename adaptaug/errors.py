"""The one exception type for what a user can put right."""


class AdaptAugError(ValueError):
    """A user's mistake, told in one sentence that gives the rule, the value and the place.

    Scripts print the sentence to stderr and exit with code 2; the library raises it.
    """
