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
# # Watch your run
#
# A training loop is there already. How far is it from a flow, *which order* of the discretization matters at this step, and where does the theory stop to hold? The
# run answers itself: on the slow manifold $\eta\tilde f(\theta_k)=\sum_{n\ge1}\frac{(-1)^{n+1}}{n}\Delta^n\theta_k$ with its own iterates, so that
# $\|\Delta^n\theta\|/(n\|\Delta\theta\|)$ is the share of order $n-1$ in a step. No gradient more is needed.
#
# Four loops on scikit-learn's digits, in plain NumPy; for PyTorch it is `with eomsym.torch.track(optimizer) as run:` around the loop.

# %%
# %matplotlib inline
import numpy as np

import eomsym

pixels, labels = eomsym.models.dataset("digits").arrays
pixels, targets = pixels[:512], np.eye(10)[labels[:512]]
WIDTH = 32


def initial(seed=0):
    """Weights and biases of a 64-32-10 network, uniform in ±1/√(inputs)."""
    generator = np.random.default_rng(seed)
    bounds = [((64, WIDTH), 64), ((WIDTH,), 64), ((WIDTH, 10), WIDTH), ((10,), WIDTH)]
    return [generator.uniform(-1, 1, shape) / np.sqrt(inputs) for shape, inputs in bounds]


def gradient(weights, rows=slice(None), relu=False):
    """Backpropagation of the mean cross-entropy, with tanh or relu."""
    first, first_bias, last, last_bias = weights
    before = pixels[rows] @ first + first_bias
    hidden = np.maximum(before, 0) if relu else np.tanh(before)
    scores = np.exp(hidden @ last + last_bias)
    error = (scores / scores.sum(axis=1, keepdims=True) - targets[rows]) / len(scores)
    back = error @ last.T * (before > 0 if relu else 1 - hidden**2)
    return [pixels[rows].T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


# %% [markdown]
# ## A series: momentum with a cosine schedule
#
# The tracker is called after each step with the number of steps made and the parameters. Momentum 0.9 forgets its start to a hundredth in 88 steps; before, the verdict is
# *transient*: what holds there is the equation of the whole state.


# %%
def momentum(run, steps=400, rate=0.1, beta=0.9):
    weights, velocity = initial(), [0.0] * 4
    for step in range(1, steps + 1):
        velocity = [beta * v + g for v, g in zip(velocity, gradient(weights), strict=True)]
        now = rate * (1 + np.cos(np.pi * (step - 1) / steps)) / 2
        weights = [w - now * v for w, v in zip(weights, velocity, strict=True)]
        run(step, weights)
    return run


run = momentum(eomsym.Tracker(order=3, every=20, forgets=88))
print(run)

# %% [markdown]
# Each order is a tenth of the one before or less, so here the first correction, $\xi_0$, is what matters, and $\xi_1$ where one wants four digits.

# %%
run.plot()


# %% [markdown]
# ## Kinks: the same with relu
#
# The gradient of a relu network jumps. The third and the fourth difference are as large as the second: from order 2 on the terms mean nothing, whatever the algebra says.


# %%
def descent(run, steps=400, rate=0.1, relu=False, batch=None):
    generator, weights = np.random.default_rng(1), initial()
    for step in range(1, steps + 1):
        rows = slice(None) if batch is None else generator.integers(len(pixels), size=batch)
        weights = [w - rate * g for w, g in zip(weights, gradient(weights, rows, relu), strict=True)]
        run(step, weights)
    return run


print(descent(eomsym.Tracker(order=3, every=50), relu=True))

# %% [markdown]
# ## Noise: batches of eight
#
# Second differences know nothing of one another (the mean cosine of two in a row is −1/2 where steps are independent draws), and the shares do not fall at all: this run is not
# that of a flow of $\theta$, but of a flow with noise.

# %%
print(descent(eomsym.Tracker(order=3, every=50), batch=8))


# %% [markdown]
# ## The edge of stability
#
# A network 8-16-16-1 on random data, learning rate 0.2: the largest eigenvalue of the Hessian rises to $2/\eta$ and stays there, and the iterates alternate. The cosine of
# second differences goes to −1.

# %%
model = eomsym.models.MLP([8, 16, 16, 1], activation="silu", loss="mse")
kernel = eomsym.load(eomsym.generate(model, order=1, output="kernels"))
draws = np.random.default_rng(0)
inputs, outputs = draws.standard_normal((128, 8)), draws.standard_normal((128, 1))

theta, run = model.initial(0), eomsym.Tracker(order=3, every=50)
for step in range(1, 1001):
    theta = theta - 0.2 * kernel.gradient(theta, inputs, outputs)
    run(step, theta)
print(run)

# %%
run.plot()
