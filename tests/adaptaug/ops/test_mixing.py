"""Mixed images and label weights against arithmetic by hand."""

import torch
from torch import Generator

from adaptaug.ops import mixing

LABELS = torch.eye(4)


def _batch():
    """Four images that are flat in 0.1, 0.2, 0.3 and 0.4, one for each class."""
    return (torch.arange(1, 5) / 10).view(4, 1, 1, 1).expand(4, 3, 8, 8)


def _partners(seed=0):
    return torch.randperm(4, generator=Generator().manual_seed(seed))


def test_mixup_weighs_partner_and_label_by_the_amount():
    amount = torch.tensor([0.0, 0.1, 0.25, 0.5])
    images, labels = mixing.mixup(_batch(), LABELS, amount, Generator().manual_seed(0))
    partner = _partners()
    assert (partner != torch.arange(4)).any()
    for sample, weight in enumerate(amount.tolist()):
        other = int(partner[sample])
        value = (1 - weight) * (sample + 1) / 10 + weight * (other + 1) / 10
        torch.testing.assert_close(images[sample], torch.full((3, 8, 8), value))
        expected = (1 - weight) * LABELS[sample] + weight * LABELS[other]
        torch.testing.assert_close(labels[sample], expected)


def test_cutmix_label_weights_equal_the_pasted_area():
    amount = torch.tensor([0.0, 0.1, 0.25, 0.5])
    images, labels = mixing.cutmix(_batch(), LABELS, amount, Generator().manual_seed(0))
    partner = _partners()
    sides = [0, 3, 4, 6]  # 8 * sqrt(amount), rounded
    for sample, side in enumerate(sides):
        other = int(partner[sample])
        expected = (1 - side**2 / 64) * LABELS[sample] + side**2 / 64 * LABELS[other]
        torch.testing.assert_close(labels[sample], expected)
        if other != sample:
            pasted = images[sample, 0] == _batch()[other, 0]
            assert pasted.sum() == side**2
            assert (images[sample, 0][~pasted] == _batch()[sample, 0, 0, 0]).all()


def test_arguments_are_unmodified():
    given, labels = _batch().clone(), LABELS.clone()
    for function in (mixing.mixup, mixing.cutmix):
        function(given, labels, torch.full((4,), 0.5), Generator().manual_seed(0))
    assert torch.equal(given, _batch())
    assert torch.equal(labels, LABELS)
