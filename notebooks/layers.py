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
# # Layers: where the equation of motion can be seen with the naked eye
#
# Some layers have a symmetry: the loss $f$ without weight decay does not notice a certain change of their weights. Then one number of theirs obeys a law
# of its own, which can be solved on paper, in gradient flow, in the equation of motion of every order and in gradient descent itself. Where these laws
# differ, a training run decides.

# %%
# %matplotlib inline

import math
from dataclasses import replace

from eomsym import Training
from eomsym.derivation import decay_law
from eomsym.models import default_model
from eomsym.verification import scale, translation

# %% tags=["parameters"]
DATA, STEPS = "digits", 2000  # before a softmax
NORMALISED, DECAY = "digits-small", 0.01  # before a normalisation

# %% [markdown]
# ## 1. The layer before a softmax
#
# Softmax does not change if the same number is added to all its arguments. So the weights of one input to *all classes* may be moved together: the gradient of $f$
# has no component along that direction, and their sum $a$ feels nothing but weight decay. Gradient descent multiplies it by $1-\eta\lambda$ in each step, so it decays with the rate
#
# $$-\frac{\ln(1-\eta\lambda)}{\eta} = \lambda + \frac{\eta\lambda^2}{2} + \frac{\eta^2\lambda^3}{3} + \dots$$
#
# Gradient flow has the first term of this series, the equation of motion of order $N$ has $N+1$ of them. In trees these are the chains $g, g'g, g'g'g, \dots$, with
# their coefficients $1, \frac12, \frac13, \dots$; all other trees vanish on a linear gradient.

# %%
model = replace(default_model(DATA), weight_decay=0.01)
study = translation(Training(model, DATA, eta=0.01), steps=STEPS)

print(study.model, "on", study.dataset, "- loss", round(study.losses[0], 3), "to", round(study.losses[1], 3))
for prediction in study.predictions:
    print(f"order {prediction.order}: {prediction.rate:.19f}   off by {prediction.error:.1e}")
print(f"exact:   {study.exact_rate:.19f}")
print(f"measured {study.measured_rate:.19f}   off by {abs(study.measured_rate - study.exact_rate):.1e}")

# %% [markdown]
# Gradient flow is wrong in the seventh decimal, and that is no matter of taste: the measurement is finer by ten orders of magnitude. Even the error of order 2 can be seen.
# (The sums are rounded once each, and the round-off of some thousand steps has either sign, so it averages out.)

# %%
study.plot()

# %% [markdown]
# The same law for any step size; `decay_law` computes in 80 digits, because the orders agree in most of theirs:

# %%
for eta in (0.01, 0.1, 1.0, 10.0):
    law = decay_law(eta, 0.05, range(4))
    print(f"eta {eta:5}: exact {float(law.exact):.12f}  errors", *(f"{float(error):.1e}" for error in law.errors))

# %% [markdown]
# ## 2. Weights before a normalisation
#
# Divide the weights of each hidden unit by their norm (weight normalisation), and $f$ does not change when they are multiplied: $w \cdot q = 0$ for the gradient $q$ of $f$. With $N = \lVert w\rVert^2$,
#
# | | law of the norm |
# |---|---|
# | gradient flow | $\dot N = -2\lambda N$ |
# | order 1 | adds $\eta(\lVert q\rVert^2 - \lambda^2 N)$ |
# | order 2 | adds $\eta^2(q^\top H_f (q_{\mathrm{all}} + \lambda\theta_{\mathrm{other}}) - \frac23 \lambda^3 N)$ |
# | gradient descent | $N^+ = (1-\eta\lambda)^2 N + \eta^2 \lVert q\rVert^2$ |
#
# Without weight decay gradient flow would *conserve* the norm; gradient descent makes it grow in every step.

# %%
model = replace(default_model(NORMALISED), weight_decay=DECAY, normalization="weight")
norms = scale(Training(model, NORMALISED))

print(norms.model, "on", norms.dataset, "-", norms.groups, "groups")
for record in norms.orders:
    print(
        f"order {record.order}: slope {record.slope:.3f}, measured over predicted error",
        f"{record.extrapolated_ratio:.4f}, the kernel obeys the law to {norms.law_defects[record.order]:.0e}",
    )
assert norms.passed
norms.plot()

# %% [markdown]
# ## 3. Equilibrium: growth against decay
#
# In the long run growth and decay balance. The smallest model of this is $f = c\,\arg(w)$ in the plane, whose gradient always points along the circle with length $c/\lVert w\rVert$. Gradient descent settles at
# $\lVert w\rVert^4 = \eta c^2/(2\lambda-\eta\lambda^2)$ and turns by $\arccos(1-\eta\lambda)$ a step. Gradient flow has no equilibrium at all. The equation of motion of order 1
# has one at $\lVert w\rVert^4 = \eta c^2/(2\lambda+\eta\lambda^2)$.

# %%
eta, decay, w = 0.1, 0.1, 1 + 0j  # c = 1
for _ in range(3000):
    before, w = w, w - eta * (1j / w.conjugate() + decay * w)
print(f"gradient descent: |w|^4 = {abs(w) ** 4:.12f}, by the formula {eta / (2 * decay - eta * decay**2):.12f}")
print(f"order 1:          |w|^4 = {eta / (2 * decay + eta * decay**2):.12f}")
turn = w / before
print(f"a step turns by {abs(math.atan2(turn.imag, turn.real)):.12f}, by the formula {math.acos(1 - eta * decay):.12f}")

# %% [markdown]
# **Next:** `terms.ipynb` looks at which terms of the series matter. On the command line: `eomsym layers translation` and `eomsym layers scale --normalization batch`.
