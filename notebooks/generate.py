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
# # Generate: from a description of a network to fast code
#
# The counter terms $\xi_k$ of the equation of motion contain derivatives of the loss up to order $k+2$. Nobody writes those by hand for a network,
# and the usual ways of automatic differentiation slow down exponentially with the order. `eomsym` **generates a program** for them: one plain Python
# file for one network, compiled by numba, whose cost grows like a polynomial in the order.
#
# The trick: run gradient descent itself, but with *truncated power series in the learning rate* $\eta$ in place of numbers. A few steps
# $y_{j+1} = y_j - \eta\,g(y_j)$ in this arithmetic hold everything there is to know, and
#
# $$\eta\,\tilde f = \sum_{n \ge 1} \frac{(-1)^{n+1}}{n}\,\Delta^n y_0, \qquad \tilde f = -g - \eta\,\xi_0 - \eta^2\,\xi_1 - \dots$$
#
# reads the vector field off: it is the logarithm of the step. No tree is ever evaluated.

# %%
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp
from threadpoolctl import threadpool_limits

import eomsym
from eomsym.models import MLP, dataset

folder = Path(tempfile.mkdtemp(prefix="eomsym-"))  # any folder will do

# %% tags=["parameters"]
DATA = "digits"
LAYERS = [64, 32, 10]
ORDER = 5
ETA, STEPS = 0.25, 60  # of the run at the end
REPEATS = 15  # of each timing

# %% [markdown]
# ## 1. One call
#
# A network is described by its widths, activation and loss. The data are scikit-learn's hand-written digits, 1797 images of 8 × 8 pixels.

# %%
data = dataset(DATA)
model = MLP(LAYERS, activation="tanh", loss="cross-entropy")
path = eomsym.generate(model, order=ORDER, output=folder)

print(path.name, f"({path.stat().st_size / 1000:.0f} kB)")
print("the network has", model.size, "parameters,", len(data.inputs), "samples")

# %% [markdown]
# What was written is meant to be read. It opens with what it is, and imports nothing but numpy, numba and math:

# %%
print("\n".join(path.read_text().splitlines()[:24]))

# %% [markdown]
# Its second line says what it is a kernel of. `load` imports the file like any module and puts checks of your arguments before the compiled functions.

# %%
start = time.perf_counter()
kernel = eomsym.load(path)
print(f"compiled (or taken from numba's cache) in {time.perf_counter() - start:.1f} s")

theta = model.initial(seed=0)
terms = kernel.counterterms(theta, *data.arrays)
print("loss", round(kernel.loss(theta, *data.arrays), 4), "- rows of counterterms: g, ξ_0, …:", terms.shape)


# %% [markdown]
# ## 2. Is it right?
#
# Ask something that does not know the formulas. Row 0 must be the gradient of the loss: compare with finite differences of the loss. Row 1 must be
# $\xi_0 = \tfrac12 H g = \tfrac14 \nabla \lVert g \rVert^2$: compare with a finite difference of the gradient along $g$.


# %%
def loss(point):
    return kernel.loss(point, *data.arrays)


random = np.random.default_rng(1)
direction = random.standard_normal(model.size)
direction /= np.linalg.norm(direction)
h = 1e-5

by_difference = (loss(theta + h * direction) - loss(theta - h * direction)) / (2 * h)
print("gradient along a direction:", by_difference, "and", terms[0] @ direction)

g = terms[0]
hessian_g = (kernel.gradient(theta + h * g, *data.arrays) - kernel.gradient(theta - h * g, *data.arrays)) / (2 * h)
print("largest difference of ξ_0: ", np.abs(terms[1] - hessian_g / 2).max(), "of", np.abs(terms[1]).max())


# %% [markdown]
# ## 3. How large are the terms, and what do they cost?
#
# The terms grow by a factor that is close to the largest curvature $\lambda$ of the loss. So the series is good for $\eta\lambda < 1$: a step that does not
# overshoot. The right picture shows the processor time for all terms up to an order, in units of one gradient of the same kernel.


# %%
def seconds(order, repeats=REPEATS):
    """The least processor time of several, for all terms up to an order: others on the machine disturb it little."""
    best = np.inf
    with threadpool_limits(limits=1, user_api="blas"):
        for _ in range(repeats):
            begin = time.process_time()
            kernel.counterterms(theta, *data.arrays, order=order)
            best = min(best, time.process_time() - begin)
    return best


orders = range(ORDER + 1)
costs = np.array([seconds(order) for order in orders])
sizes = np.linalg.norm(terms, axis=1)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.semilogy(range(len(sizes)), sizes, "o-", color="C0")
left.set_xticks(range(len(sizes)), ["g", *(rf"$\xi_{k}$" for k in range(ORDER))])
left.set(ylabel="Euclidean norm", title="size of the terms")
right.plot(orders, costs / costs[0], "o-", color="C1")
right.set(xlabel="order", ylabel="time in gradients", title=f"one gradient takes {1000 * costs[0]:.2g} ms", ylim=0)
right.set_xticks(orders)
plt.show()
print("growth from term to term:", *(f"{ratio:.2f}" for ratio in sizes[1:] / sizes[:-1]))

# %% [markdown]
# ## 4. Train by solving a differential equation
#
# `kernel.field` is $-g - \eta\,\xi$, ready for any integrator. Here is the training of the network three times: as gradient descent, as the gradient flow (order 0) and as
# the equation of motion.

# %%
eta, steps = ETA, STEPS


def train_by_flow(order):
    def velocity(now, point):
        return kernel.field(point, eta, *data.arrays, order=order)

    return solve_ivp(velocity, (0, eta * steps), theta, t_eval=eta * np.arange(steps + 1), rtol=1e-8, atol=1e-10).y.T


descent = [theta]
for _ in range(steps):
    descent.append(descent[-1] - eta * kernel.gradient(descent[-1], *data.arrays))
descent = np.array(descent)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot([loss(point) for point in descent], "o", color="crimson", markersize=3, label="gradient descent")
shown = (0, 1, ORDER)
distances = {}
for order, colour in zip(shown, plt.cm.viridis(np.linspace(0, 0.85, len(shown))), strict=True):
    points = train_by_flow(order)
    distances[order] = np.linalg.norm(points - descent, axis=1)
    name = "gradient flow" if order == 0 else f"order {order}"
    left.plot([loss(point) for point in points], color=colour, label=name)
    right.semilogy(range(1, steps + 1), distances[order][1:], color=colour, label=name)
left.set(xlabel="step", ylabel="loss")
left.legend(fontsize=8)
right.set(xlabel="step", ylabel="distance to gradient descent")
right.legend(fontsize=8)
plt.show()

assert distances[ORDER][-1] < distances[1][-1] < distances[0][-1]

# %% [markdown]
# In the loss the curves can hardly be told apart, which is why gradient flow passes for a good model of training. In the space of weights it is the
# equation of motion that stays with gradient descent.
#
# **Next:** `verify.ipynb` measures *how fast* the distance shrinks with the learning rate, and compares it with theory. On the command line:
# `eomsym generate mlp --layers 64,32,10 --activation tanh --loss cross-entropy --order 4 --output kernels`.
