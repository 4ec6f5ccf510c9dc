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
# # Optimisers: one principle for all of them
#
# Gradient descent is the start, not the end: networks are trained with momentum, on mini-batches, with Adam. Each of these moves along a smooth curve as
# well, and the curve's equation is found by one principle. Write the iterates as $\theta(s)=\sum_m \eta^m p_m(s)$, with *polynomials* $p_m$ in the step
# number $s$; put that into the update rule; solve one power of $\eta$ after the other. The velocity at $s=0$ is the equation of motion. A memory, like the
# velocity of heavy ball, is a polynomial too: that is the state into which it settles once its start is forgotten.

# %%
# %matplotlib inline
from fractions import Fraction

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter

import eomsym
from eomsym.derivation import modified_loss
from eomsym.drawing import COLOURS, MARKERS
from eomsym.models import MLP, Dataset, dataset
from eomsym.optimizers import REGISTRY

# %% tags=["parameters"]
ORDERS = range(4)
MEASURED = {
    "heavy-ball": {"beta": "1/2"},
    "random-reshuffling": {},
    "adam(inside=yes, corrected=no)": {"beta1": "1/3", "beta2": "2/5", "epsilon": "1/10"},
}

# %%
for entry in REGISTRY.values():
    print(f"{entry.name:22} {entry.summary}")

# %% [markdown]
# ## Momentum
#
# The coefficients are rational functions of $\beta$, exactly. The first says that heavy ball descends with the learning rate $\eta/(1-\beta)$, the next
# ones what that picture leaves out.

# %%
print(eomsym.derive("heavy-ball", order=2).text())
print()
print(eomsym.derive("heavy-ball", order=2, beta="9/10").text())

# %% [markdown]
# ## Adam
#
# Adam divides componentwise, so its terms are no trees any more, but products of three things: derivatives of $g$, powers of $g$, and powers of
# $r=\sqrt{g^2+\epsilon}$, where ε is inside the root; PyTorch's, `adam`, has it outside. The first counter term is the one that is known from the literature. The second is not, and comes from the same program.

# %%
adam = eomsym.derive("adam(inside=yes, corrected=no)", order=2)
print(adam.text())

# %% [markdown]
# ## Which loss is descended?
#
# On mini-batches in random order, the mean over all orders descends $L+\frac{\eta}{4m}\sum_i\|\nabla L_i\|^2$ to first order: noise prefers flat places.
# `modified_loss` finds this, and says where a counter term is no gradient at all, so that no loss is being descended.

# %%
for name in ("gradient-descent", "random-reshuffling", "mini-batches"):
    found = modified_loss(name, order=1 if name == "mini-batches" else 2)
    print(f"{name}: a gradient at each power of η? {found.is_gradient}")
    print(found.text(), end="\n\n")

# %% [markdown]
# ## Do they hold?
#
# A kernel is generated for each and its equation of motion compared with the optimiser itself, whose memory begins on the slow manifold: at
# values that forget fast, since at those that people use the slow manifold says little. The distance at a fixed time must fall like $\eta^{N+1}$, and be of the size that theory predicts (dashes).

# %%
teacher = dataset("teacher")
samples = Dataset("a few samples", teacher.inputs[:24].copy(), teacher.targets[:24].copy())
model = MLP([2, 3, 1], "tanh", "mse")
studies = [
    eomsym.verify(eomsym.Training(model, samples, name, **values), ORDERS, state="slow")
    for name, values in MEASURED.items()
]
for study in studies:
    slopes = ", ".join(f"{slope:.3f}" for slope in study.slopes)
    ratios = ", ".join(f"{record.extrapolated_ratio:.3f}" for record in study.orders)
    print(f"{study.optimizer:20} slopes {slopes}; measured/predicted {ratios}")
assert all(study.passed for study in studies)

# %%
figure, axes = plt.subplots(1, len(studies), figsize=(4 * len(studies), 3.4), layout="constrained", squeeze=False)
for axis, study in zip(axes[0], studies, strict=True):
    for record in study.orders:
        colour, marker = COLOURS[record.order], MARKERS[record.order]
        axis.loglog(record.etas, record.errors, marker, color=colour, label=f"order {record.order}")
        axis.loglog(record.etas, record.predicted_errors, "--", color=colour, linewidth=1.1)
    axis.set(title=study.optimizer, xlabel=r"learning rate $\eta$")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.spines[["top", "right"]].set_visible(False)
axes[0][0].set_ylabel("distance from the optimiser")
axes[0][0].legend(frameon=False)
plt.show()


# %% [markdown]
# ## One of your own
#
# An optimiser is one function of a gradient, a state and a step size. Here is quasi-hyperbolic momentum, which the package does not know; `docs/own_optimizer.md`
# tells the whole story.


# %%
def step(gradient, state, eta, beta, nu):
    theta, average = state
    slope = gradient(theta)
    average = beta * average + (1 - beta) * slope
    return theta - eta * ((1 - nu) * slope + nu * average), average


unit = (Fraction(0), Fraction(1), Fraction(1, 2))  # range and default value
own = eomsym.optimizers.Optimizer(
    name="quasi-hyperbolic-momentum",
    aliases=(),
    summary="d⁺ = β d + (1−β) g(θ), θ⁺ = θ − η ((1−ν) g(θ) + ν d⁺)",
    source="Ma & Yarats, ICLR 2019",
    parameters=(
        eomsym.optimizers.Parameter("beta", "β", "memory", *unit),
        eomsym.optimizers.Parameter("nu", "ν", "share of the average", *unit),
    ),
    step=step,
    memory=("average",),
)
print(eomsym.derive(own, order=2).text())

# %% [markdown]
# **On the command line:** `eomsym optimizers` lists them, `eomsym derive adam --order 2` and `eomsym verify --optimizer heavy-ball --set beta=1/2` do
# what was done here.
