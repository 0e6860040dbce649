"""The projection on an L1 ball and the box, against linear programming and the reference package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyautoattack.autopgd_base import L1_projection
from scipy.optimize import linprog

from fairbench.attacks.l1_ball import project_on_l1_ball


def case(seed, dimension=12, batch=6, size=1.0):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(batch, dimension, generator=generator)
    corner = torch.rand(batch, dimension, generator=generator)
    points = torch.where(corner < 0.2, 0.0, torch.where(corner > 0.85, 1.0, points))
    movement = torch.randn(batch, dimension, generator=generator) * size
    movement[torch.rand(batch, dimension, generator=generator) < 0.1] = 0
    return points, movement


@given(seed=st.integers(0, 10_000), radius=st.floats(0.0, 12.0), size=st.sampled_from([0.01, 0.3, 3.0]))
@settings(max_examples=40, deadline=None)
def test_the_end_is_in_the_ball_and_in_the_box_and_uses_what_room_there_is(seed, radius, size):
    points, movement = case(seed, dimension=40, batch=8, size=size)
    found = project_on_l1_ball(movement, points, radius)
    length = found.abs().sum(dim=1)
    assert (length <= radius + 1e-7).all()
    assert (points + found).min() >= -1e-6
    assert (points + found).max() <= 1 + 1e-6
    boxed = (points + movement).clamp(0, 1) - points
    fits = boxed.abs().sum(dim=1) <= radius * (1 - 1e-5)
    torch.testing.assert_close(found[fits], boxed[fits], atol=1e-6, rtol=0)
    assert (length[~fits] >= radius * (1 - 3e-5) - 1e-6).all()


@pytest.mark.parametrize(("seed", "radius"), [(0, 0.7), (1, 2.0), (2, 4.0)])
def test_no_point_of_the_set_lies_further_in_the_direction_of_the_given_one(seed, radius):
    """p is the projection of v on a convex set when (v - p)(z - p) <= 0 for all z of it: a linear programme over z."""
    points, movement = case(seed)
    found = project_on_l1_ball(movement, points, radius).double().numpy()
    size = points.shape[1]
    for start, wanted, nearest in zip(points.double().numpy(), movement.double().numpy(), found, strict=True):
        gap = wanted - nearest
        room = [(0, 1 - value) for value in start] + [(0, value) for value in start]
        best = linprog(np.r_[-gap, gap], A_ub=np.ones((1, 2 * size)), b_ub=[radius], bounds=room)
        assert -best.fun - gap @ nearest < 1e-4


@pytest.mark.parametrize("radius", [0.5, 5.0, 60.0])
def test_against_the_reference_package(radius):
    points, movement = case(7, dimension=300, batch=32)
    expected = movement + L1_projection(points, movement, radius)
    torch.testing.assert_close(project_on_l1_ball(movement, points, radius), expected, atol=2e-5, rtol=1e-4)


def test_rows_do_not_see_each_other():
    points, movement = case(3, dimension=64, batch=33)
    together = project_on_l1_ball(movement, points, 4.0)
    for row in (0, 7, 32):
        assert torch.equal(project_on_l1_ball(movement[row : row + 1], points[row : row + 1], 4.0)[0], together[row])
