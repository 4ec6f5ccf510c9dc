# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # High order: how many terms there are, when they can be seen, and when they stop helping
#
# Order 4 is enough for most purposes. This notebook goes further, for three questions. How many terms are there, and how large are their
# coefficients? Does order 10 really keep its promise, an error that falls like $\eta^{11}$? And does it go on like that for ever?

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np

import eomsym
from eomsym.models import MLP, Dataset, dataset

# %% tags=["parameters"]
NODES = 20  # of the largest trees
ORDERS = 2, 6, 10  # that are verified

# %% [markdown]
# ## 1. All trees
#
# Order $N$ has one term for every rooted tree with up to $N+1$ nodes. A table holds the coefficients of all of them, exactly, as integers over a common
# denominator.

# %%
table = eomsym.tree_table(NODES)
sizes = range(1, NODES + 1)
coefficients = [table.numerator(n) / table.denominator(n) for n in sizes]
print("nodes      trees   of them 0   largest |b|   sum of |b|/σ")
for n, b in zip(sizes, coefficients, strict=True):
    if n % 4 == 0:
        total = np.sum(np.abs(b) / table.symmetry(n))
        print(f"{n:5} {len(b):10,} {np.count_nonzero(b == 0):11,} {np.abs(b).max():13.4g} {total:14.4g}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.semilogy(sizes, [len(b) for b in coefficients], "o-", color="#0072B2")
left.set(xlabel="nodes", ylabel="rooted trees", xticks=range(4, NODES + 1, 4))
shown = coefficients[-1] / table.symmetry(NODES)
shown = np.log10(np.abs(shown[shown != 0]))
right.hist(shown, bins=60, color="#D55E00")
right.set(xlabel=rf"$\log_{{10}}|b|/\sigma$ of trees with {NODES} nodes", ylabel="trees", yscale="log")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# Each node more means nearly three times as many trees, but most have tiny coefficients: what is spread over millions of trees adds up to little. No kernel
# evaluates trees one by one; in series arithmetic the cost grows like the cube of the order.
#
# ## 2. The promise of order 10
#
# The distance to gradient descent falls like $\eta^{N+1}$. At order 10 halving $\eta$ gains three digits, and doubles, which have sixteen, run out at once.
# Here is a tiny network on a few samples, in doubles:

# %%
teacher = dataset("teacher-small")
few = Dataset("a few samples", teacher.inputs[:8].copy(), teacher.targets[:8].copy())
network = MLP([2, 3, 1], activation="tanh", loss="mse")

training = eomsym.Training(network, few)
doubles = eomsym.verify(training, ORDERS)
for record in doubles.orders:
    print(f"order {record.order:2}: {record.points_above_floor} of {len(record.etas)} errors above the floor")
doubles.plot()

# %% [markdown]
# The hollow markers are lost in round-off. Double-double arithmetic, pairs of doubles with 32 digits, follows the lines further down. Everything that is compared is
# computed in it: the iterates, the counter terms and the integration.

# %%
pairs = eomsym.verify(training.with_(precision="double-double"), ORDERS)
for record in pairs.orders:
    smallest = min(record.errors)
    ratio = record.extrapolated_ratio
    print(
        f"order {record.order:2}: slope {record.slope:.3f}, measured/predicted {ratio:.3f}, smallest error {smallest:.1e}"
    )
assert pairs.passed
pairs.plot()

# %% [markdown]
# ## 3. For ever?
#
# No. The sizes of the terms, in as many digits as are needed, follow two laws, one after the other. First each term is the last one times the largest curvature
# $\lambda$: a geometric series, which converges for $\eta|\lambda|<1$. But gradient flow, followed into complex time, meets a singularity at some distance $T$,
# and that gives the terms a part that grows like $(N+1)!/(2\pi T)^{N+2}$. Sooner or later the factorial wins, at every $\eta$. So there is a best order for each $\eta$:
# the page `docs/high_order.md` shows it for a small network, to order 30.

# %% [markdown]
# **On the command line:** `eomsym verify --precision double-double --orders 0:12`. The pages `docs/high_order.md` and `docs/tree_tables.md` have the
# details, and how all of this is checked.
