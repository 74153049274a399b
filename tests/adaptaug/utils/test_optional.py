"""A missing package is named with its extra; other import errors are passed on."""

import sys

import pytest

from adaptaug.errors import AdaptAugError
from adaptaug.utils.optional import needs


def test_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seqeval", None)  # what `import` takes for missing
    with pytest.raises(AdaptAugError) as raised, needs("search", "the metric 'f1'"):
        import seqeval.metrics  # noqa: F401
    sentence = "the metric 'f1' needs the package seqeval: pip install 'adaptaug[search]'"
    assert str(raised.value) == sentence


def test_installed_package_is_imported() -> None:
    with needs("search", "this test"):
        import json
    assert json.dumps(1) == "1"


def test_missing_module_of_adaptaug_is_not_taken_for_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"adaptaug\.nothing"), needs("search", "this"):
        import adaptaug.nothing  # noqa: F401


def test_missing_name_is_not_taken_for_an_extra() -> None:
    with pytest.raises(ImportError, match="no_such_name"), needs("search", "this test"):
        from json import no_such_name  # noqa: F401
