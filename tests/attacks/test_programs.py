"""What runs without Python: the bits of the function, or the function itself."""

from __future__ import annotations

import pytest
import torch

from fairbench.attacks import autoattack
from fairbench.attacks.prepare import search_network
from fairbench.attacks.programs import program_of
from fairbench.attacks.rectified import rectify_
from fairbench.attacks.square_query import query


def test_a_program_has_the_bits_of_its_function_whatever_the_number_of_rows():
    def function(x, y):
        x.mul_(2)
        return x.sum(dim=1).sin(), y + x[:, 0]

    x, y = torch.rand(20, 7), torch.rand(20)
    before = x.clone()
    program = program_of(function, x, y)
    assert program is not function
    assert torch.equal(x, before)
    for rows in (1, 5, 20, 33):
        mine, theirs = torch.rand(rows, 7), torch.rand(rows)
        found, expected = mine.clone(), mine.clone()
        assert all(torch.equal(a, b) for a, b in zip(program(found, theirs), function(expected, theirs), strict=True))
        assert torch.equal(found, expected)


@pytest.mark.filterwarnings("error")
def test_what_draws_or_cannot_be_traced_stays_a_function(monkeypatch):
    def draws(x):
        return x + torch.rand_like(x)

    def refuses(x):
        raise ArithmeticError("no")

    def honest(x):
        return x + 1

    def counts(x):
        return x + len(x)

    assert program_of(draws, torch.rand(3)) is draws
    assert program_of(counts, torch.rand(4)) is counts
    assert program_of(refuses, torch.rand(3)) is refuses
    monkeypatch.delattr(torch.jit, "trace")
    assert program_of(honest, torch.rand(3)) is honest


def test_memory_that_does_not_suffice_is_no_reason_to_go_on():
    def hungry(x):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        program_of(hungry, torch.rand(3))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_results_are_the_same_without_programs(digits, monkeypatch, precision):
    def attack():
        x, y = digits.x[:40], digits.y[:40]
        return autoattack(
            digits.network,
            x,
            y,
            eps=digits.eps,
            attacks=["fab-t", "square"],
            square_queries=60,
            micro_batch=32,
            search_precision=precision,
        )

    copied, _ = search_network(digits.network, precision, digits.x[:32])
    assert all(isinstance(program, torch.jit.ScriptFunction) for program in copied.programs.values())
    assert set(copied.programs) == {"logits", "query"}
    with_programs = attack()
    monkeypatch.delattr(torch.jit, "trace")
    assert torch.equal(attack().x_adv, with_programs.x_adv)


def test_a_query_keeps_what_helps_and_takes_back_the_rest():
    def logits_of(x):
        return torch.stack([x.flatten(1).sum(dim=1), torch.full((len(x),), 2.0)], dim=1)

    points = torch.full((3, 1, 2, 2), 0.6)
    y = torch.zeros(3, dtype=torch.long)
    score = 2 - points.flatten(1).sum(dim=1)
    pixels = torch.tensor([[0], [1], [2]])
    values = torch.tensor([[0.5], [0.7], [0.0]])
    found, broken = query(logits_of, points, y, score, pixels, values)
    torch.testing.assert_close(found, torch.tensor([-0.3, -0.4, 0.2]))
    assert broken.tolist() == [False, False, True]
    torch.testing.assert_close(points.flatten(1)[:, :3], torch.tensor([[0.5, 0.6, 0.6], [0.6] * 3, [0.6, 0.6, 0.0]]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shape", [(4, 3, 6, 5), (4, 7)])
def test_a_relu_by_integers_is_a_relu(dtype, shape):
    x = torch.randn(shape).to(dtype)
    x.flatten()[:4] = torch.tensor([0.0, -0.0, torch.inf, -torch.inf])
    downstream = torch.randn(shape).to(dtype)

    def ask(rectify):
        leaf = x.clone().requires_grad_()
        answer = rectify(leaf * 1)
        return answer.detach(), torch.autograd.grad(answer, leaf, downstream)[0], rectify(x.clone())

    assert all(torch.equal(a, b) for a, b in zip(ask(rectify_), ask(torch.relu), strict=True))
