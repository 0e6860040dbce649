"""Square: its schedule, its draws, its result."""

from __future__ import annotations

import pytest
import torch

from fairbench.attacks import square
from fairbench.attacks.keyed_bits import below, image_keys, random_bits, signs
from fairbench.attacks.network import Network
from fairbench.attacks.square_bumps import SquareBumps, bump_pattern
from fairbench.attacks.square_search import PIXELS_AHEAD, SquareLinf, block_of, square_pixels, square_side


def test_sides_follow_the_published_schedule():
    # p = 0.8, halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 queries; side = sqrt(p * 28 * 28).
    table = {0: 25, 10: 25, 11: 18, 50: 18, 51: 13, 201: 9, 501: 6, 1001: 4, 2001: 3, 4001: 2, 6001: 2, 8001: 1}
    assert {query: square_side(query, 28, 28) for query in table} == table
    assert square_side(10_000, 8, 8) == 1
    assert square_side(0, 8, 20) == 8


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)])
def test_blocks_follow_each_other_and_hold_equal_squares(shape):
    at = 1
    while at < 9000:
        block = block_of(at, *shape)
        assert block.start == at
        assert all(block_of(iteration, *shape) == block for iteration in {at, (at + block.stop) // 2, block.stop - 1})
        sides = {square_side(iteration - 1, *shape[1:]) for iteration in block}
        assert len(sides) == 1
        assert len(block) == 1 or len(block) * shape[0] * sides.pop() ** 2 <= PIXELS_AHEAD
        at = block.stop


def test_pixels_form_a_square_in_every_channel():
    bits = random_bits(image_keys(0, torch.arange(200), "square"), 3)
    pixels = square_pixels(bits, 3, 2, 7, 9)
    assert pixels.shape == (200, 18)
    for row in pixels.tolist():
        channel, place = zip(*(divmod(pixel, 63) for pixel in row), strict=True)
        assert sorted(channel) == [0] * 9 + [1] * 9
        rows, columns = {p // 9 for p in place}, {p % 9 for p in place}
        assert len(rows) == len(columns) == 3
        assert max(rows) - min(rows) == max(columns) - min(columns) == 2
    assert len({row[0] for row in pixels.tolist()}) > 10


def test_draws_are_uniform_and_belong_to_the_image():
    keys = image_keys(1, torch.arange(4000), "square")
    bits = random_bits(keys, 17)
    counts = torch.bincount(below(bits, 0, 10), minlength=10)
    assert counts.min() > 330
    assert counts.max() < 470
    assert signs(bits, 40, 3).mean(dim=0).abs().max() < 0.06
    together = torch.stack([below(bits, 0, 2), below(bits, 20, 2), (bits >> 40) & 1], dim=1)
    assert torch.bincount(together @ torch.tensor([1, 2, 4]), minlength=8).min() > 420
    shuffled = torch.randperm(4000)
    assert torch.equal(random_bits(image_keys(1, shuffled, "square"), 17), bits[shuffled])
    assert not torch.equal(random_bits(keys, 18), bits)
    assert not torch.equal(image_keys(2, torch.arange(4000), "square"), keys)
    assert not torch.equal(image_keys(1, torch.arange(4000), "other"), keys)


@pytest.mark.parametrize(
    ("search", "size_of"),
    [
        (SquareLinf(0.1, 0, 60), lambda delta: delta.abs().amax(dim=1)),
        (SquareBumps(1.0, "l2", 0, 60), lambda delta: delta.norm(dim=1)),
        (SquareBumps(4.0, "l1", 0, 60), lambda delta: delta.abs().sum(dim=1)),
    ],
    ids=["linf", "l2", "l1"],
)
def test_the_margin_never_falls_and_points_stay_inside(digits, images_of, search, size_of):
    x, y = digits.x[:24], digits.y[:24]
    images = images_of(x, y)
    network = Network(digits.network, digits.network, (24,))
    state = search.begin(images)
    scores = []
    for iteration in range(60):
        points, _ = search.advance(network, images, state, iteration)
        best = search.last_points(images, state)
        for candidate in (points, best):
            assert size_of((candidate - x).flatten(1)).max() <= search.eps + 1e-6
            assert candidate.min() >= 0
            assert candidate.max() <= 1
        scores.append(state.score)
    history = torch.stack(scores)
    assert (history[1:] >= history[:-1]).all()
    assert (history[-1] > history[0]).float().mean() > 0.5
    with torch.no_grad():
        logits = digits.network(search.last_points(images, state))
    truth = logits.gather(1, y[:, None]).squeeze(1)
    best_other = logits.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    torch.testing.assert_close(best_other - truth, state.score, atol=1e-5, rtol=1e-4)


def test_a_linf_change_is_plus_or_minus_the_radius(digits, images_of):
    x, y = digits.x[:6], digits.y[:6]
    search, images = SquareLinf(0.1, 0, 5), images_of(x, y)
    network = Network(digits.network, digits.network, (6,))
    state = search.begin(images)
    for iteration in range(5):
        points, _ = search.advance(network, images, state, iteration)
        extremes = torch.stack([(x - 0.1).clamp(0, 1), (x + 0.1).clamp(0, 1)])
        assert ((points - extremes).abs().amin(dim=0) < 1e-6).all()


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("l1", 1)])
def test_the_pattern_is_a_bump_above_its_negative(norm, order):
    for side in (3, 5, 9):
        pattern = bump_pattern(side, norm)
        assert torch.linalg.vector_norm(pattern, order).item() == pytest.approx(1, abs=1e-6)
        assert (pattern[: side // 2] > 0).all()
        assert (pattern[side // 2 :] < 0).all()
    # Eq. 3 for a bump of 2 x 5 pixels: rings 2, 1, 0, 1, 2 around the middle of the lower row.
    steps = [1.0, 1 / 4, 1 / 9] if norm == "l2" else [1.0, 1 / 16, 1 / 81]
    inside = [steps[0] + steps[1] + steps[2], steps[1] + steps[2], steps[2]]
    middle, beside, far = inside
    bump = torch.tensor([[far, beside, beside, beside, far], [far, beside, middle, beside, far]])
    expected = bump / torch.linalg.vector_norm(bump, order)
    found = bump_pattern(5, norm)[:2]
    torch.testing.assert_close(found / torch.linalg.vector_norm(found, order), expected)


def test_more_queries_break_no_less(digits):
    x, y = digits.x[:60], digits.y[:60]
    few = square(digits.network, x, y, eps=digits.eps, queries=5).robust
    many = square(digits.network, x, y, eps=digits.eps, queries=300).robust
    assert (few | ~many).all()
    assert many.sum() < few.sum()
