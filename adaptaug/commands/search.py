"""`adaptaug search`: how to search a policy."""

HOW_TO_SEARCH = """\
A search runs from a checkout of AdaptAug, because the installed package holds only what it takes
to use a policy. In the root of the checkout:

    make search NAME=digits
    make search NAME=mine ARGS="--dataset path/or/hub-id --n-train 500"

The first searches on scikit-learn's digits, the second on your own data: a hub id, or a folder
that `datasets.load_dataset` reads. Both install the extra `search` into .venv, search, compare the
policy with its baselines on seeds that the search never saw, and write runs/NAME. Without make:

    pip install -e ".[search]"
    python -m experiments.train_policy --name mine --dataset path/or/hub-id --n-train 500

`python -m experiments.train_policy --help` explains every setting. Afterwards:

    adaptaug show runs/mine/policy"""
