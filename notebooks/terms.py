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
# # Terms: which ones matter, how far the equation of motion can be trusted
#
# The equation of motion is a series in the learning rate. Here we look at its terms along a training run: their sizes, their directions, their trees; and
# at what follows from them: how large the error will be, which learning rate an accuracy allows, and where the series ends.

# %%
# %matplotlib inline

import eomsym
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.dynamics import integrate_equation_of_motion
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.runs import run_optimizer
from eomsym.models import MLP, dataset
from eomsym.verification import recommend_order
from eomsym.verification.figures import tree_share_figure, truncation_figure

# %% tags=["parameters"]
DATA, LAYERS, ORDER = "digits-small", [8, 16, 10], 4
STEPS, POINTS = 200, 9

# %% [markdown]
# ## 1. Along a run
#
# `terms` trains by gradient descent, stops at some of the iterates and measures there $\eta^{k+1}\lVert\xi_k\rVert/\lVert g\rVert$, the cosine of the angle between $\xi_k$ and $g$, and $\eta$ times the sharpness, the
# largest eigenvalue of the Hessian.

# %%
model = MLP(LAYERS)
training = eomsym.Training(model, DATA)
study = eomsym.terms(training, STEPS, ORDER, points=POINTS)
first, last = study.points[0], study.points[-1]
print(study.model, "on", study.dataset, f"- eta {study.eta:g}, loss {first.loss:.3f} to {last.loss:.3f}")
study.plot()

# %% [markdown]
# The terms fall fast in the beginning, when the steep directions are used up. $\xi_0$ keeps pointing along $g$: gradient descent runs *faster* than gradient flow along steep directions.
# Higher terms turn away from the gradient as training goes on.
#
# ## 2. Tree by tree
#
# Every tree is evaluated on its own, by derivatives along straight lines and nothing else. Added up with their exact coefficients, they must give the counter terms of the kernel, which uses no trees at all.

# %%
worst = max(term.defect for point in study.points for term in point.terms)
print(f"largest relative difference between the sum over trees and the kernel: {worst:.1e}")
assert study.passed
tree_share_figure(study, step=0)

# %% [markdown]
# ## 3. The error, before anybody has made it
#
# Along gradient flow the error of order $N$ is $\eta^{N+1} E_N(t)$ with $E_N' = -H E_N + \xi_N$. So one integration tells the error for all learning rates. Measured over predicted:

# %%
data = dataset(DATA).arrays
kernel = kernel_for(KernelSpec(model, ORDER + 1))  # from the user's cache, made if it is not there
theta = model.initial(seed=0)
eta = study.eta

etas = [eta, eta / 2, eta / 4, eta / 8]
time = 8 * eta
predicted = predict_discretization_error(kernel, theta, time, [0, 1, 2], data)


def ratio(order, step):
    descended = run_optimizer(kernel, theta, step, round(time / step), data).theta
    moved = integrate_equation_of_motion(kernel, theta, step, time, data, order=order).theta
    return float(((moved - descended) ** 2).sum() ** 0.5 / predicted.error(order, step))


for order in predicted.orders:
    print(f"order {order}, time {time:.3g}:", *(f"{ratio(order, step):.4f}" for step in etas))

# %% [markdown]
# Turned round: which learning rate is allowed, if the equation of motion shall be this near to gradient descent at the end? The advice is tried out, and one step less would not do:

# %%
for order, accuracy in ((0, 1e-2), (1, 1e-3), (2, 1e-4)):
    (advice,) = eomsym.recommend(training, accuracy, 8 * eta, [order]).advice
    found = f"eta = {advice.eta:.4f} ({advice.steps} steps), measured {advice.measured_error:.2e}"
    print(f"order {order}, accuracy {accuracy:g}: {found}")

# %% [markdown]
# ## 4. Where the series ends
#
# What order $N$ leaves out in one step is $\eta^{N+2}\lVert\xi_N\rVert$. While $\eta\lambda_{\max} < 1$ it falls with the order; beyond, the terms turn and grow. A ring marks the order to stop at.

# %%
sharpness = study.points[0].sharpness
advices = [recommend_order(training.at(factor / sharpness)) for factor in (0.5, 0.9, 1.3, 1.7)]
for factor, advice in zip((0.5, 0.9, 1.3, 1.7), advices, strict=True):
    found = f"stop at order {advice.order}, turns: {advice.turns}; error of one step"
    print(f"eta lambda_max = {factor}: {found}", *(f"{error:.1e}" for error in advice.measured))
truncation_figure(advices)

# %% [markdown]
# The errors say something else too: beyond $\eta\lambda_{\max}=1$ the error of one step does not fall to zero with more orders, it stops. Gradient descent multiplies the sharpest component by $1-\eta\lambda < 0$;
# a flow cannot change its sign. The chains say the same: their sum $\log(1-\eta\lambda)/\eta$ does not exist there. Gradient descent itself is stable up to $\eta\lambda = 2$: between 1 and 2 is training that no smooth equation of motion describes, and `eomsym terms` warns of it.

# %%
unstable = eomsym.terms(training.at(1.5 / sharpness), 10, ORDER, points=3)
print(*unstable.warnings)
