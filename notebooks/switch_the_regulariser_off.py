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
# # Switch the regulariser off
#
# A step of gradient descent adds a counter term to the flow, $\dot\theta=-g-\eta\xi$. Its first part is the gradient of $\tfrac14\|g\|^2$, the *implicit regulariser*. What does it
# do in *this* training? Train without it, with half of it, with twice of it:
#
# $$\dot\theta = -g-(1-\text{strength})\,\eta\,\xi .$$
#
# `corrected_step(order, strength)` derives on rooted trees the step that has this equation of motion, exactly, for any strength; it takes gradients only. In PyTorch it is
# `eomsym.torch.Corrected(sgd, order, strength)`, in optax `eomsym.jax.with_counterterm(order, strength)`.

# %%
# %matplotlib inline
import numpy as np
from scipy.integrate import solve_ivp

import eomsym
from eomsym.derivation import corrected_step
from eomsym.drawing import COLOURS, panels

for strength in (1, 0, -1, "1/3"):
    print(f"strength {strength}: weights {', '.join(map(str, corrected_step(2, strength).weights))}")

# %% [markdown]
# Strength 1 at order 2 is Kutta's method of order 3, strength 0 is gradient descent. That the others are what they should be is what `derive` says of their tableaux:

# %%
print(eomsym.derive("gradient-descent", order=3))
print()
print(eomsym.derive(corrected_step(3, "1/3").optimizer, order=3))

# %% [markdown]
# ## On the digits

# %%
data = eomsym.models.dataset("digits-small").arrays
model = eomsym.models.MLP([8, 16, 10], activation="tanh", loss="cross-entropy")
kernel = eomsym.load(eomsym.generate(model, order=1, output="kernels"))
start, eta, steps = model.initial(0), 0.4, 150


def gradient(theta):
    return kernel.gradient(theta, *data)


times = eta * np.arange(steps + 1)
flow = solve_ivp(lambda _, y: -gradient(y), (0, times[-1]), start, "DOP853", times, rtol=1e-11, atol=1e-13).y.T


def path(order, strength):
    step, points = corrected_step(order, strength).optimizer.step, [start]
    for _ in range(steps):
        points.append(step(gradient, (points[-1],), eta)[0])
    return np.array(points)


runs = {
    "descent": (path(0, 0), COLOURS[0], "-"),
    "half": (path(2, "1/2"), COLOURS[1], "-"),
    "twice": (path(2, -1), COLOURS[2], "-"),
    "without, order 1": (path(1, 1), COLOURS[3], "--"),
    "without, order 2": (path(2, 1), COLOURS[4], "--"),
    "without, order 3": (path(3, 1), COLOURS[5], "--"),
}

# %% [markdown]
# Left: how far each is from gradient flow. Half of the counter term is half as far, twice of it twice as far; without it each order is a step nearer. Right: the squared gradient,
# which the regulariser makes smaller, relative to gradient flow: the more of it, the smaller.


# %%
def compare():
    figure, (left, right) = panels(10, 3.8, 2)
    size = np.array([gradient(point) @ gradient(point) for point in flow])
    for name, (points, colour, style) in runs.items():
        distance = np.linalg.norm(points - flow, axis=1)[1:] / np.linalg.norm(flow - start, axis=1)[1:]
        left.plot(times[1:], distance, style, color=colour, label=name)
        if style == "-":
            squares = np.array([gradient(point) @ gradient(point) for point in points])
            right.plot(times, squares / size - 1, style, color=colour, label=name)
    left.set(yscale="log", xlabel="time nη", ylabel="distance from gradient flow / moved")
    right.set(xlabel="time nη", ylabel="‖g‖² over that of gradient flow, − 1")
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


compare()
