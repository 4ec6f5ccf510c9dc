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
# # Verify: does the equation keep its promise?
#
# An equation of motion of order $N$ promises that its curve stays closer and closer to the optimiser as the learning rate $\eta$ gets smaller: the
# distance after a fixed training time falls like $\eta^{N+1}$. This notebook puts the promise to the test on a small network that learns to read hand-written
# digits (256 of them, by their first eight principal components, so that it runs in a minute; `digits` in their place is all 1797), in three steps: is the **speed** right, is the **size** right, and would the test have noticed if it were not?

# %%
# %matplotlib inline
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import eomsym
from eomsym.models import MLP, dataset
from eomsym.verification.figures import error_ratio_figure

# %% tags=["parameters"]
DATA, LAYERS = "digits-small", [8, 16, 10]
ORDERS = range(5)
HIGHEST = 12  # order of the last kernel

# %% [markdown]
# ## 1. One call
#
# `verify` trains with several learning rates, each half of the one before, and solves the equation of motion of every order over the same
# training time, far more accurately than the differences that it looks for.

# %%
model = MLP(LAYERS)
training = eomsym.Training(model, DATA)
study = eomsym.verify(training, ORDERS)

print(f"{study.dataset}: {study.model}; training time {study.time:g}, largest curvature {study.spectral_radius:.3f}\n")
print("order  expected slope  slope    measured/predicted  passed")
for record in study.orders:
    print(f"{record.order:5}  {record.expected_slope:14}  {record.slope:.4f}", end="")
    print(f"  {record.extrapolated_ratio:18.4f}  {record.passed}")
assert study.passed

# %%
study.plot()

# %% [markdown]
# **The speed.** In this picture a power law $\eta^{N+1}$ is a straight line with slope $N+1$, and every order has its own. The gradient flow (order 0) improves only in
# step with $\eta$; it takes order 4 to gain a factor of 32 by halving. Where a line would bend to the right at its lower end, round-off takes over: such points
# do not count, and the study says which they are (`at_floor`).
#
# ## 2. The size
#
# A slope says how the error falls, not how large it is. But the theory predicts that as well: the error is $\eta^{N+1} E(T)$ with
#
# $$\dot E = -H E + \xi_N, \qquad E(0) = 0,$$
#
# the first term that was left out, carried along by the linearised flow. So measured over predicted error must tend to 1. It is a far sharper test:
# a slope can look right by luck, a ratio of 1.000 cannot.

# %%
error_ratio_figure(study)


# %% [markdown]
# The curves run into 1 in straight lines, because the next term of the series is left out of the prediction. The table above holds the value at
# $\eta = 0$ by a line through the two smallest learning rates.
#
# ## 3. Would it have noticed?
#
# A test that cannot fail shows nothing. So take the same kernel and falsify one coefficient: let $\xi_0$ be one per cent too large. Order 1 then
# claims more than it can keep.


# %%
class Falsified:
    """The kernel with one counter term one per cent too large."""

    def __init__(self, kernel):
        self.kernel, self.model, self.order, self.size = kernel, kernel.model, kernel.order, kernel.size
        self.gradient, self.hessian_vector = kernel.gradient, kernel.hessian_vector

    def counterterms(self, theta, *data, order=None):
        rows = self.kernel.counterterms(theta, *data, order=order)
        rows[1:2] *= 1.01
        return rows

    def field(self, theta, eta, *data, order=None):
        rows = self.counterterms(theta, *data, order=order)
        return -(eta ** np.arange(len(rows))) @ rows


folder = tempfile.mkdtemp(prefix="eomsym-")
kernel = eomsym.load(eomsym.generate(model, order=max(ORDERS) + 1, output=folder))
(record,) = eomsym.verify(training.with_(model=Falsified(kernel)), [1]).orders
print("local slopes:", *(f"{slope:.2f}" for slope in record.local_slopes))
print("passed:", record.passed, "-", record.reason)
assert not record.passed

# %% [markdown]
# The error of one per cent hides while $\eta$ is large and then takes over: the slope falls from 2 back towards 1.
#
# ## 4. Where more terms do not help
#
# $\xi$ is a power series in $\eta$, and a power series is good as far as its terms get smaller. Take a kernel of high order and look at them, at the start of the
# training and for several learning rates. The measure is $\eta\lambda$ with $\lambda$ the largest curvature of the loss: at $\eta\lambda = 1$ a step along the steepest
# direction lands in the middle of the valley, and up to $\eta\lambda = 2$ gradient descent is stable.

# %%
deep = eomsym.load(eomsym.generate(model, order=HIGHEST, output=folder))
theta = model.initial(seed=0)
gradient, *counterterms = np.linalg.norm(deep.counterterms(theta, *dataset(DATA).arrays), axis=1)
products = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)

figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
for product, colour in zip(products, plt.cm.coolwarm(np.linspace(0, 1, len(products))), strict=True):
    eta = product / study.spectral_radius
    sizes = [eta ** (k + 1) * size / gradient for k, size in enumerate(counterterms)]
    axes.semilogy(range(len(sizes)), sizes, "o-", color=colour, markersize=4, label=rf"$\eta\lambda = {product}$")
axes.set(xlabel="k", ylabel=r"$\eta^{k+1}\,\|\xi_k\| \; / \; \|g\|$", title="size of the counter terms")
axes.set_xticks(range(len(counterterms)))
axes.legend(fontsize=8, ncols=2, loc="lower left")
plt.show()

# %% [markdown]
# Below $\eta\lambda = 1$ every further order adds less than the one before, and the smaller $\eta\lambda$ the quicker. Above it the terms grow: there the series says
# nothing, however many terms are kept, although gradient descent itself still works. `verify` therefore chooses learning rates up to $\eta\lambda = 0.8$, and warns when
# it is given one beyond 1.
#
# **On the command line:** `eomsym verify --dataset digits --orders 0:4 --plot slopes.png`; the exit status is 0 if every order keeps its promise.
