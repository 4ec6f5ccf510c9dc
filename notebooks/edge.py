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
# # Beyond ηλ = 1: up to the edge of stability and through it
#
# The equation of motion is a series in $\eta$ that ends where $\eta$ times the largest curvature $\lambda$ is 1. Networks are often trained beyond, up to $\eta\lambda = 2$, the edge of stability. Two things go on: below 1 the series can be *resummed*; above it every *second*
# iterate has a flow, the even-step equation.

# %%
# %matplotlib inline

import warnings

import matplotlib.pyplot as plt
import numpy as np

import eomsym
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.dynamics import even_steps, optimizer_path
from eomsym.dynamics.spectrum import largest_eigenvalue
from eomsym.models import MLP

# %% tags=["parameters"]
ORDER = 8  # of the kernel
STEPS = 1000

# %% [markdown]
# A network of 8-16-16-1 units learns 128 random numbers by gradient descent at $\eta = 0.2$. Its curvature rises until $\eta\lambda = 2$, and stays there.

# %%
random = np.random.default_rng(0)
data = random.standard_normal((128, 8)), random.standard_normal((128, 1))
model = MLP([8, 16, 16, 1], activation="silu", loss="mse")
kernel = kernel_for(KernelSpec(model, order=ORDER))
theta, eta, steps = model.initial(seed=0), 0.2, STEPS

run = optimizer_path(kernel, theta, eta, steps + 2, data)
looks = range(0, steps + 1, 100)
for k in looks:
    print(
        f"step {k}: loss {kernel.loss(run[k], *data):.3f}, eta lambda {eta * largest_eigenvalue(kernel, run[k], data):.2f}"
    )

# %% [markdown]
# ## 1. Which description holds?
#
# `edge` follows two steps by the series, by the resummed series and by the even-step equation, and says which to take. `eomsym terms --edge` prints the same along a run.

# %%
training = eomsym.Training(kernel, data, eta=eta)
for k in looks:
    found = eomsym.edge(training, order=ORDER, after=k)
    errors = ", ".join(f"{name} {error:.0e}" for name, error in found.errors.items())
    print(f"step {k}, eta lambda {found.product:.2f}: {errors} -> {found.holds}")

# %% [markdown]
# ## 2. Resummation
#
# The terms of the series go like $(\eta\lambda)^k/(k+1)$ along an eigenvector. Reduced rank extrapolation finds where their sum is going: `resum=True`, from the same call of the kernel.

# %%
start = run[50]
product = eta * largest_eigenvalue(kernel, start, data)
orders = range(kernel.order + 1)
scales = [0.3, 0.6, 0.9]
figure, axes = plt.subplots(figsize=(6, 3.5))
for scale in scales:
    own = eta * scale / product
    best = kernel.field(start, own, *data, resum=True)
    distance = [np.linalg.norm(kernel.field(start, own, *data, order=n) - best) for n in orders]
    axes.semilogy(orders, distance / np.linalg.norm(best), "o-", label=f"$\\eta\\lambda$ = {scale}")
axes.set(xlabel="order of the plain sum", ylabel="distance to the resummed field")
axes.legend()
plt.show()

# %% [markdown]
# ## 3. Through the edge
#
# The even-step equation needs gradients alone: at order 2 three of them for a value of its field. Its centre and its amplitude are functions of time.

# %%
with warnings.catch_warnings(record=True) as said:
    path = even_steps(kernel, theta, eta, steps, data)
print(*(warning.message for warning in said))
print(f"{path.gradients / steps:.1f} gradients for a step of gradient descent")

times = np.arange(0, steps + 1, 10)
middles = np.array([(run[k] + 2 * run[k + 1] + run[k + 2]) / 4 for k in times])
centres = np.array([path.centre(t) for t in times])

figure, (loss, gap, size) = plt.subplots(3, 1, figsize=(7, 8), sharex=True)
loss.plot(times, [kernel.loss(point, *data) for point in middles], "k", label="gradient descent, midpoints")
loss.plot(times, [kernel.loss(point, *data) for point in centres], label="even-step equation, centre")
loss.set(ylabel="loss", yscale="log")
loss.legend()
gap.semilogy(times, np.linalg.norm(centres - middles, axis=1))
gap.set(ylabel="distance")
size.semilogy(times, [np.linalg.norm(run[k] - 2 * run[k + 1] + run[k + 2]) / 4 for k in times], "k")
size.semilogy(times, [np.linalg.norm(path.amplitude(t)) for t in times])
size.set(xlabel="step", ylabel="amplitude")
plt.show()

# %% [markdown]
# Before the edge the distance is a few thousandths at most. Then the oscillation breaks out. What alternates had fallen to round-off, $10^{-16}$, by then: **when** it breaks out is decided by the last digits of the run itself, and a run that starts $10^{-15}$ beside is as far away
# afterwards as a hundredth. No flow can do better than that.
