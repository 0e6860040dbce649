"""Students with teachers, and the papers' formulas written out in plain Python."""

import copy
import math

import torch


def frozen(network):
    return copy.deepcopy(network).eval().requires_grad_(False)


def softmax(row, temperature=1.0):
    highest = max(row)
    powers = [math.exp((value - highest) / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def kl(target, row, temperature=1.0):
    pairs = zip(softmax(target, temperature), softmax(row, temperature), strict=True)
    return sum(p * (math.log(p) - math.log(q)) for p, q in pairs)


def mean_kl(targets, rows, *, temperature=1.0, weights=None):
    """The mean over the batch of sums over classes, samples weighed."""
    weights = weights or [1.0] * len(rows)
    pairs = zip(weights, targets.tolist(), rows.tolist(), strict=True)
    return sum(w * kl(target, row, temperature) for w, target, row in pairs) / len(rows)


def mean_cross_entropy(rows, y):
    return -sum(math.log(softmax(row)[label]) for row, label in zip(rows.tolist(), y.tolist(), strict=True)) / len(y)


def class_relabelled(network, order):
    """The affine network whose class i is class order[i] of the old one."""
    relabelled = copy.deepcopy(network)
    with torch.no_grad():
        relabelled.weight.copy_(network.weight[order])
        relabelled.bias.copy_(network.bias[order])
    return relabelled
