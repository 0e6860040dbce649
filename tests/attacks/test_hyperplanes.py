"""Projections on a hyperplane inside the box, against linear programming and the reference package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyautoattack.fab_projections import projection_l1, projection_l2, projection_linf
from scipy.optimize import linprog

from fairbench.attacks.hyperplanes import project_on_hyperplane


def case(seed, dimension=30, batch=16, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(batch, dimension, generator=generator)
    corner = torch.rand(batch, dimension, generator=generator)
    points = torch.where(corner < 0.2, 0.0, torch.where(corner > 0.85, 1.0, points))
    normal = torch.randn(batch, dimension, generator=generator)
    normal[torch.rand(batch, dimension, generator=generator) < 0.1] = 0
    return points, normal, torch.randn(batch, generator=generator) * scale


@given(seed=st.integers(0, 10_000), norm=st.sampled_from(["linf", "l2", "l1"]))
@settings(max_examples=25, deadline=None)
def test_the_point_is_on_the_plane_or_at_the_end_of_the_box(seed, norm):
    points, normal, excess = case(seed, scale=3.0)
    found = project_on_hyperplane(points, normal, excess, norm)
    moved = points + found.movement
    assert moved.min() >= -1e-6
    assert moved.max() <= 1 + 1e-6
    left = excess + (normal * found.movement).sum(dim=1)
    corner = torch.where(normal * excess[:, None] > 0, 0.0, 1.0)
    reachable = excess.sign() * (excess + (normal * (corner - points)).sum(dim=1)) <= 0
    assert (left[reachable].abs() < 1e-4).all()
    at_corner = (moved - corner).abs() * (normal != 0)
    assert at_corner[~reachable].max(dim=-1).values.sum() < 1e-4 if (~reachable).any() else True


def test_linf_against_a_linear_programme():
    points, normal, excess = case(3, dimension=12, batch=8)
    found = project_on_hyperplane(points, normal, excess, "linf")
    for row in range(8):
        p, w, c = (t[row].numpy().astype(float) for t in (points, normal, excess))
        size = len(p)
        cost = np.r_[np.zeros(size), 1.0]
        inside = np.block([[np.eye(size), -np.ones((size, 1))], [-np.eye(size), -np.ones((size, 1))]])
        solved = linprog(
            cost,
            A_ub=inside,
            b_ub=np.zeros(2 * size),
            A_eq=np.r_[w, 0.0][None],
            b_eq=[-c],
            bounds=[(-v, 1 - v) for v in p] + [(0, None)],
        )
        if solved.success:
            assert found.length[row].item() == pytest.approx(solved.fun, abs=1e-5)
            assert found.movement[row].abs().max().item() == pytest.approx(solved.fun, abs=1e-5)


def test_l1_against_a_linear_programme():
    points, normal, excess = case(4, dimension=12, batch=8)
    found = project_on_hyperplane(points, normal, excess, "l1")
    solved = 0
    for row in range(8):
        p, w, c = (t[row].numpy().astype(float) for t in (points, normal, excess))
        room = [(0, 1 - value) for value in p] + [(0, value) for value in p]
        shortest = linprog(np.ones(2 * len(p)), A_eq=np.r_[w, -w][None], b_eq=[-c], bounds=room)
        if shortest.success:
            solved += 1
            assert found.length[row].item() == pytest.approx(shortest.fun, abs=1e-5)
            assert found.movement[row].abs().sum().item() == pytest.approx(shortest.fun, abs=1e-5)
    assert solved > 4


@pytest.mark.parametrize(
    ("norm", "reference"), [("linf", projection_linf), ("l2", projection_l2), ("l1", projection_l1)]
)
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_against_the_reference_package(norm, reference, scale):
    points, normal, excess = case(5, dimension=60, batch=64, scale=scale)
    normal = torch.where(normal == 0, 1e-3, normal)
    offset = (normal * points).sum(dim=1) - excess
    expected = reference(points, normal, offset)
    found = project_on_hyperplane(points, normal, excess, norm)
    torch.testing.assert_close(found.movement, expected, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_rows_do_not_see_each_other(norm):
    points, normal, excess = case(7, dimension=64, batch=33, scale=2.0)
    together = project_on_hyperplane(points, normal, excess, norm).movement
    for row in (0, 7, 32):
        alone = project_on_hyperplane(points[row : row + 1], normal[row : row + 1], excess[row : row + 1], norm)
        assert torch.equal(alone.movement[0], together[row])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_flat_function_moves_nothing(norm):
    found = project_on_hyperplane(torch.rand(2, 5), torch.zeros(2, 5), torch.tensor([1.0, -1.0]), norm)
    assert not found.movement.any()
    assert not found.length.any()
