"""Counter terms of PyTorch losses without the package's array programs: elementary differentials, nested jvp."""

import warnings

import torch
from torch.utils import _pytree as pytree

import eomsym


def flat(tree):
    """All numbers of a tree as one vector."""
    return torch.cat([leaf.detach().reshape(-1) for leaf in pytree.tree_leaves(tree)]).numpy()


def _along(function, direction):
    return lambda point: torch.func.jvp(function, (point,), (direction,))[1]


def by_trees(loss, params, order):
    """``[g, ξ_0, …]`` as flat vectors, of a loss that PyTorch differentiates rightly as often as that."""
    gradient = torch.func.grad(loss)
    known = {}

    def value(tree):
        if tree not in known:
            function = gradient
            for argument in [value(child) for child in tree.children]:
                function = _along(function, argument)
            known[tree] = function(params)
        return known[tree]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forward mode compiles its formulas by a function that is deprecated
        _, *rows = eomsym.derive(order=order).rows
        terms = [sum(float(c) * flat(value(tree)) for tree, c in row.items()) for row in rows]
        return [flat(gradient(params)), *terms]
