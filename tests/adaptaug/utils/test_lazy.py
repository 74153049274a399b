"""Names whose module is imported on first use."""

import sys

import pytest

import adaptaug.controllers
from adaptaug.utils.lazy import on_first_use


def test_module_is_imported_when_its_name_is_first_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    getattribute = on_first_use("package", {"rgb_to_hsv": "colorsys"})
    assert "colorsys" not in sys.modules
    assert getattribute("rgb_to_hsv")(1.0, 1.0, 1.0) == (0.0, 0.0, 1.0)
    assert "colorsys" in sys.modules


def test_unknown_name_is_an_attribute_error() -> None:
    getattribute = on_first_use("package", {"rgb_to_hsv": "colorsys"})
    with pytest.raises(AttributeError, match="module 'package' has no attribute 'hsv'"):
        getattribute("hsv")
    assert not hasattr(adaptaug.controllers, "Unknown")


def test_package_exports_a_lazy_name() -> None:
    from adaptaug.controllers.ada import ADA

    assert adaptaug.controllers.ADA is ADA
