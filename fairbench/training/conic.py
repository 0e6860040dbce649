"""The same class weights from a conic solver: slow, written as the problem reads, and the oracle of the closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from fairbench.training.dro import Divergence, worst_case_weights


def conic_weights(losses: Tensor, tau: float, divergence: Divergence = "reverse_kl") -> Tensor:
    """``worst_case_weights`` of one problem, posed to cvxpy.

    Args:
        losses: (K,) float, one loss per class.
        tau: radius of the ball around uniform, at least 0.
        divergence: as in ``worst_case_weights``.

    Returns:
        (K,) in the dtype and on the device of ``losses``.

    Raises:
        ValueError: for losses of another shape, or where ``worst_case_weights`` raises one.
        cvxpy.SolverError: if the solver gives up.

    Source: FAAL (Zhang et al., CVPR 2024), Eq. 7-8.
    """
    import cvxpy  # noqa: PLC0415 - takes a second to load, and only this needs it
    from cvxpy.constraints.nonpos import NonNeg  # noqa: PLC0415
    from cvxpy.constraints.zero import Zero  # noqa: PLC0415

    if losses.ndim != 1:
        raise ValueError(f"expected losses of shape (K,), got {tuple(losses.shape)}")
    if tau == 0 or len(losses) == 1:
        return worst_case_weights(losses, tau, divergence)
    values = losses.detach().double().cpu().numpy()
    weights = cvxpy.Variable(len(values))
    uniform = cvxpy.Constant([1 / len(values)] * len(values))
    pair = (uniform, weights) if divergence == "reverse_kl" else (weights, uniform)
    constraints = [Zero(cvxpy.sum(weights) - 1), NonNeg(weights), NonNeg(tau - cvxpy.sum(cvxpy.kl_div(*pair)))]
    problem = cvxpy.Problem(cvxpy.Maximize(weights @ values), constraints)
    problem.solve(solver=cvxpy.CLARABEL)
    return torch.as_tensor(weights.value, dtype=losses.dtype, device=losses.device)
