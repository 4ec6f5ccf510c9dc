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
# # Momentum and Adam as they are
#
# Heavy ball at $\beta=0.9$ and Adam at PyTorch's defaults, from the first step on, at the learning rates that people use. The memory of these methods can be
# eliminated: then $\theta$ moves on a *slow manifold*, and that is what the literature describes. This notebook shows where that picture ends, and what goes on:
# the equation of motion of the *whole state*, $\theta$ together with its memory.

# %%
# %matplotlib inline
import tempfile

import matplotlib.pyplot as plt
import numpy as np

import eomsym
from eomsym.drawing import COLOURS
from eomsym.dynamics import optimizer_path, shadow_start
from eomsym.dynamics.spectrum import largest_eigenvalue
from eomsym.models import MLP, dataset
from eomsym.optimizers import get

# %% tags=["parameters"]
DATA, LAYERS = "digits", [64, 32, 10]
ORDERS = 0, 1, 2, 4
SLOW_STEPS, ADAM_STEPS = 400, 500

# %%
samples = dataset(DATA)
folder = tempfile.mkdtemp(prefix="eomsym-")
kernel = eomsym.load(eomsym.generate(MLP(LAYERS, activation="tanh", loss="cross-entropy"), order=4, output=folder))
theta = kernel.model.initial(0)
curvature = largest_eigenvalue(kernel, theta, samples.arrays)
print(f"{kernel.size} parameters, largest curvature {curvature:.3g}")

# %% [markdown]
# ## The slow manifold, and where it ends
#
# With the velocity eliminated heavy ball descends with the learning rate $\eta/(1-\beta)$, and counter terms follow.

# %%
print(eomsym.derive("heavy-ball", order=2, beta="9/10", start=True).text())

# %% [markdown]
# The coefficients grow like $(1-\beta)^{-2k-1}$. On a quadratic the series converges for $\eta\lambda<(1-\sqrt\beta)^2$ only, Nesterov's for
# $\eta\lambda<((1-\beta)/(1+\beta))^2$:

# %%
from eomsym.derivation import series_radius

for name in ("heavy-ball", "nesterov"):
    radii = {
        beta: series_radius(get(name).rule(**get(name).complete({"beta": beta}))) for beta in ("1/2", "9/10", "99/100")
    }
    print(name, ", ".join(f"β = {beta}: ηλ < {radius:.2g}" for beta, radius in radii.items()))

# %% [markdown]
# Inside, it is a fine description, from the first step if it starts at its *shadow start* $\hat\theta_0=\theta_0+\eta c_1+\eta^2c_2+\dots$: the run begins with
# velocity zero and falls behind before it is up to speed; the shadow start is where a run that always had its speed would have been.

# %%
small = 0.3 * series_radius(get("heavy-ball").rule(**get("heavy-ball").complete({}))) / curvature
path = optimizer_path(kernel, theta, small, SLOW_STEPS, samples.arrays, optimizer="heavy-ball")
start = shadow_start(kernel, theta, small, 2, samples.arrays, optimizer="heavy-ball")
training = eomsym.Training(kernel, samples, "heavy-ball", small)
slow = eomsym.follow(training, SLOW_STEPS, [2], state="slow")
shifted = eomsym.follow(training.with_(theta=start.at(small)), SLOW_STEPS, [2], state="slow")
moved = np.linalg.norm(path - theta, axis=1)[-1]
figure, axis = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
for label, follow, colour in (("from θ_0", slow, COLOURS[1]), ("from the shadow start", shifted, COLOURS[2])):
    axis.semilogy(np.linalg.norm(follow.paths[2] - path, axis=1)[1:] / moved, color=colour, label=label)
axis.set(xlabel="step", ylabel="distance to heavy ball / distance moved", title="slow manifold, order 2, ηλ = 0.0008")
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
plt.show()

# %% [markdown]
# ## The whole state
#
# People train at $\eta\lambda$ between 0.01 and 3.8. There the motion oscillates, and no equation for $\theta$ alone has it. So do not eliminate: as soon as
# $1-\beta$ is small the memory is slow too. With $\eta=h^2$, $1-\beta=\gamma h$ and the velocity in units of $1/h$, order 0 is the damped oscillator
# $\ddot\theta+\gamma\dot\theta+g=0$, and the next orders follow exactly.

# %%
print(eomsym.derive("heavy-ball", order=2, state="whole").text())

# %%
eta = 0.1 / curvature
momentum = eomsym.follow(eomsym.Training(kernel, samples, "torch.SGD(momentum=0.9)", eta), 40, ORDERS)
print(momentum)

# %%
momentum.plot()

# %% [markdown]
# From rest, at step 0, with nothing settled; the slow manifold beside it is off by a good part of the way at once, and has no path where
# its series diverges.
#
# ## Adam at PyTorch's defaults
#
# Bias correction is two more numbers of the state that fade, $c\leftarrow\beta c$. Its second moment begins at zero, where a root has no series: the flow begins after
# five real steps.

# %%
adam = eomsym.follow(eomsym.Training(kernel, samples, "torch.Adam()", 1e-3), ADAM_STEPS, ORDERS, after=5)
print(adam)

# %%
adam.plot()

# %% [markdown]
# ## Does each order do what theory says?
#
# In the rule's own family, $1-\beta=\gamma h$ with $h$, the error at a fixed time must fall like $h^{N+1}$, from the real start.

# %%
training = eomsym.Training(MLP([2, 3, 1], "tanh", "mse"), "teacher-small", "nesterov")
study = eomsym.verify(training, range(3), state="whole")
for record in study.orders:
    print(f"order {record.order}: slope {record.slope:.3f}, measured/predicted {record.extrapolated_ratio:.3f}")
assert study.passed
