"""Cross-validated kernel ridge regression: a classifier in closed form."""

import torch
from torch import Tensor


def cross_validated_r2(
    kernel: Tensor, targets: Tensor, count: int, folds: int, ridge: float
) -> float:
    """R² of predictions of the first examples, each from the rows that are not of its fold.

    With A the inverse of the regularised kernel, the residuals r of the rows F of one fold solve
    A[F, F] r = (A targets)[F]: the block form of Rasmussen and Williams (2006), equation 5.12. So
    one inverse serves all folds.

    Args:
        kernel: float32 (C * N, C * N) of C copies of N examples, one copy after the other: the
            examples themselves and, say, an op's outputs of them. Adding equal copies changes
            nothing.
        targets: float32 (C * N, K), centred.
        count: N; the folds are consecutive rows of each copy, equally many.
        folds: number of folds F, a divisor of N.
        ridge: regularisation, added to the kernel's diagonal once for each copy.

    Returns:
        1 - squared residuals / squared targets, over the first N rows; 0 if these targets are 0.
    """
    copies, size = len(kernel) // count, count // folds
    noise = ridge * copies * torch.eye(len(kernel), device=kernel.device)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel + noise))
    shape = (copies, folds, size)
    within = inverse.view(*shape, *shape).diagonal(dim1=1, dim2=4)  # (C, size, C, size, F)
    blocks = within.permute(4, 0, 1, 2, 3).reshape(folds, copies * size, copies * size)
    fitted = (inverse @ targets).view(*shape, -1).transpose(0, 1).flatten(1, 2)  # (F, C * size, K)
    residuals = torch.linalg.solve(blocks, fitted)[:, :size]
    total = targets[:count].square().sum()
    return float(1 - residuals.square().sum() / total) if total > 0 else 0.0
