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
# # Derive: the differential equation that gradient descent follows
#
# Gradient descent jumps: $\theta_{k+1} = \theta_k - \eta\, g(\theta_k)$ with $g = \nabla L$. People like to think of it as a smooth
# curve, the gradient flow $\dot\theta = -g(\theta)$, because curves come with tools: conservation laws, rates, symmetries.
# But for the learning rates that are used in practice the flow is not what gradient descent does.
#
# This notebook derives the curve that gradient descent *does* follow, its **equation of motion**
#
# $$\dot\theta = -g(\theta) - \eta\,\xi(\theta), \qquad \xi = \xi_0 + \eta\,\xi_1 + \eta^2\,\xi_2 + \dots$$
#
# Numerical analysts call it the *modified equation* and the method *backward error analysis*; $\xi$ is the *counter term*,
# because it cancels what the flow gets wrong. **Order** $N$ means that $\xi_0 \dots \xi_{N-1}$ are kept; order 0 is gradient flow.

# %%
import matplotlib.pyplot as plt
import numpy as np
import sympy
from IPython.display import HTML, Math
from scipy.integrate import solve_ivp

import eomsym

# %% tags=["parameters"]
ORDER = 4  # the highest one of the equation of motion

# %% [markdown]
# ## 1. Where the first term comes from
#
# Walk along the unknown curve for one step, that is for a time $\eta$. Taylor says
#
# $$\theta(\eta) = \theta + \eta\,\dot\theta + \tfrac{\eta^2}{2}\,\ddot\theta + \dots
#  = \theta - \eta\,g - \eta^2\,\xi_0 + \tfrac{\eta^2}{2}\,H g + O(\eta^3), \qquad H = \nabla^2 L,$$
#
# because $\ddot\theta = \frac{d}{dt}(-g) = H g$ to leading order. Gradient descent arrives at $\theta - \eta\,g$. So the two agree to this
# order if and only if $\xi_0 = \tfrac12 H g$. The program goes on where the patience of a person ends:

# %%
motion = eomsym.derive("gradient-descent", order=ORDER)
Math(motion.latex())

# %% [markdown]
# Every coefficient is an exact rational number. The same result as plain text and as data:

# %%
print(motion)
print()
print(eomsym.derive(order=1).to_json())

# %% [markdown]
# ## 2. Every term is a tree
#
# Differentiating $g(\theta(t))$ again and again with the chain rule puts $g$ and its derivatives into each other, and every such nesting is a
# **rooted tree**. A node with $m$ children is the $m$-th derivative of $g$, its children are what it is applied to. A leaf is $g$ itself. So
# $g''(g, g'g)$ is a root with two children, one of them a leaf and the other with a leaf of its own.
#
# The term $\xi_k$ is a sum over all trees with $k+2$ nodes:

# %%
from eomsym.notation import tree_svg, tree_text
from eomsym.notation.coefficients import coefficient_text

rows = "".join(
    f"<tr><td><i>ξ</i><sub>{index}</sub></td>"
    + "".join(
        f"<td style='text-align:center; vertical-align:bottom'>{tree_svg(tree)}<br>"
        f"{coefficient_text(coefficient)}<br><code>{tree_text(tree)}</code></td>"
        for tree, coefficient in row.items()
    )
    + "</tr>"
    for index, row in enumerate(motion.rows[1:4])
)
HTML(f"<table>{rows}</table>")

# %% [markdown]
# How does a tree get its coefficient? Think of the iterates as a *polynomial in the step number* $s$, one polynomial $P_\tau(s)$ for every
# tree. One step of the optimiser is a shift $s \to s+1$, which ties the polynomial of a tree to those of its children. For gradient descent
# $P_\tau(s)$ counts something: in how many ways the nodes can be given step numbers below $s$ so that every child gets a smaller one than its
# parent. The slope of the curve at its start is the coefficient of $s^1$, and that is the number we want. Here for chains and for bushes:

# %%
from eomsym.derivation import tree_table
from eomsym.trees import Tree

table = tree_table(6)


def chain(nodes):
    return Tree() if nodes == 1 else Tree([chain(nodes - 1)])


def bush(leaves):
    return Tree([Tree()] * leaves)


print("chains of 1, 2, … nodes: ", [str(table.coefficient(chain(n))) for n in range(1, 7)])
print("bushes of 0, 1, … leaves:", [str(table.coefficient(bush(n))) for n in range(6)])

# %% [markdown]
# Chains give $(-1)^{n-1}/n$, the coefficients of the logarithm; bushes give the Bernoulli numbers $1, -\tfrac12, \tfrac16, 0, -\tfrac1{30}, 0$. Both are theorems, so
# this is a check that the program did not make up.
#
# ## 3. A network that fits on a page
#
# Two weights in a row, one input, one target: the network computes $x \cdot y$ and should learn the value 1.
# Its loss is $L(x, y) = \tfrac12 (1 - xy)^2$. For a concrete loss the counter terms are concrete expressions:

# %%
x, y = sympy.symbols("x y")
loss = (1 - x * y) ** 2 / 2
gradient = [loss.diff(x), loss.diff(y)]
_, *terms = motion.to_sympy(loss, [x, y])

print("g    =", [sympy.factor(entry) for entry in gradient])
for index, term in enumerate(terms[:2]):
    print(f"ξ_{index}  =", [sympy.factor(entry) for entry in term])

# %% [markdown]
# Now draw three things: the points of gradient descent, the gradient flow, and the equation of motion of each order, all from the same start.

# %%
rows_of = sympy.lambdify([x, y], [gradient, *(list(term) for term in terms)])


def velocity(order, eta):
    """The right-hand side -g - eta xi_0 - ... of the given order."""
    powers = eta ** np.arange(order + 1)
    return lambda time, point: -powers @ np.array(rows_of(*point), dtype=float)[: order + 1]


def curve(order, eta, times, start):
    accuracy = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-14}
    return solve_ivp(velocity(order, eta), (0, times[-1]), start, t_eval=times, **accuracy).y.T


def descend(eta, steps, start):
    path = [np.array(start)]
    for _ in range(steps):
        path.append(path[-1] + eta * velocity(0, eta)(0, path[-1]))
    return np.array(path)


start, eta, steps = (1.6, -0.6), 0.2, 14
path = descend(eta, steps, start)
times = np.linspace(0, eta * steps, 300)

figure, axes = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
horizontal, vertical = np.meshgrid(np.linspace(1.2, 1.75, 200), np.linspace(-0.7, 0.95, 200))
axes.contourf(horizontal, vertical, (1 - horizontal * vertical) ** 2 / 2, levels=25, cmap="Greys", alpha=0.6)
colours = plt.cm.viridis(np.linspace(0, 0.9, ORDER + 1))
for order in range(ORDER + 1):
    name = "gradient flow (order 0)" if order == 0 else f"equation of motion, order {order}"
    axes.plot(*curve(order, eta, times, start).T, color=colours[order], label=name)
axes.plot(*path.T, "o", color="crimson", markersize=5, label="gradient descent")
axes.set(xlabel="weight x", ylabel="weight y", title=rf"The network $x \cdot y \to 1$, learning rate $\eta = {eta}$")
axes.legend(loc="lower left", fontsize=8)
plt.show()

# %% [markdown]
# The flow ends somewhere else in the valley of minima. Each order brings the curve closer to the points.
#
# ## 4. What the curve explains
#
# The gradient flow of this network **conserves** $Q = x^2 - y^2$, the imbalance of its layers: $\dot Q = -2(x g_x - y g_y) = 0$. Gradient descent
# does not conserve it, as the picture shows, and the flow cannot say why. The equation of motion can:

# %%
for index, term in enumerate(terms[:2]):
    drift = sympy.factor(-2 * (x * term[0] - y * term[1]) / (x**2 - y**2))
    print(f"dQ/dt / Q, part of eta^{index + 1}:", drift)


# %% [markdown]
# So $\dot Q = -\eta\,(1 - xy)^2\,\bigl(1 + \eta\,(x^2 + y^2) + \dots\bigr)\, Q$: a finite learning rate **balances the layers**, faster where the error is large, and stops when the
# training is done. The flow, blind to $\eta$, misses the effect altogether. In numbers:


# %%
def imbalance(points):
    return points[:, 0] ** 2 - points[:, 1] ** 2


figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
for order in range(ORDER + 1):
    axes.plot(times / eta, imbalance(curve(order, eta, times, start)), color=colours[order], label=f"order {order}")
axes.plot(range(steps + 1), imbalance(path), "o", color="crimson", markersize=5, label="gradient descent")
axes.set(xlabel="step", ylabel=r"imbalance $x^2 - y^2$")
axes.legend(fontsize=8, ncols=2, loc="center right", bbox_to_anchor=(1, 0.7))
plt.show()

# %% [markdown]
# ## 5. How good is an order?
#
# Halve the learning rate and look at the same training time again. At order $N$ the distance between curve and points must fall like
# $\eta^{N+1}$: by 2 for the flow, by 4 for order 1, and so on.

# %%
total = eta * steps
rates = [eta / 2**k for k in range(1, 7)]
print("learning rates:", *(f"{rate:g}" for rate in rates))
for order in range(ORDER + 1):
    errors = []
    for rate in rates:
        end = curve(order, rate, np.array([0, total]), start)[-1]
        errors.append(np.linalg.norm(end - descend(rate, round(total / rate), start)[-1]))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    print(f"order {order}: slopes", *(f"{slope:.3f}" for slope in slopes), f"-> {order + 1}")
    assert abs(slopes[-1] - (order + 1)) < 0.1

# %% [markdown]
# The slopes settle at $N+1$, so the coefficients above are right: a wrong one would show as a slope that stays too low.
#
# **Next:** `generate.ipynb` turns these terms into fast code for a network with thousands of weights; `verify.ipynb` repeats the last check on
# real data. On the command line: `eomsym derive --order 4 --format latex`.
