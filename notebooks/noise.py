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
# # What noise adds
#
# Gradient descent on random batches: where is a run on average, how far do runs scatter, what does the noise cost in loss? To weak order 1 in the learning rate $\eta$ the
# mean $\mu$ and the covariance $\eta S$ of the parameters obey
#
# $$\dot\mu=-g-\tfrac\eta2\bigl(g'g+g''(S)\bigr),\qquad\dot S=-HS-SH+\Sigma,\qquad S(0)=0,$$
#
# $\Sigma$ the covariance of a batch's gradient, $H=g'$. The first correction is that of gradient descent without noise, the second is what noise adds. An expectation is
# $\mathbb E\,\varphi=\varphi(\mu)+\tfrac\eta2\varphi'':S$, up to $O(\eta^2)$.

# %%
# %matplotlib inline

import numpy as np
from matplotlib.figure import Figure

import eomsym

# %% tags=["parameters"]
STEPS, RUNS, RANK = 112, 400, 64
ROUNDS, ROUND_RUNS, ROUND_STEPS = 2, 200, 56  # of the runs that visit each sample once

# %% [markdown]
# ## Digits, batches of 32, two epochs
#
# A 64-32-10 network, 2410 parameters: the covariance is kept as 64 columns and the diagonal of the rest. Beside it 400 real runs; bars are two standard errors.

# %%
data = eomsym.models.dataset("digits").arrays
model = eomsym.models.MLP([64, 32, 10], activation="tanh", loss="cross-entropy")
kernel = eomsym.load(eomsym.generate(model, order=2, output="kernels"))
theta, eta, batch = model.initial(0), 0.1, 32

training = eomsym.Training(kernel, data, eta=eta, batches=eomsym.Batches(batch, "replacement"))
found = eomsym.noise(
    training, STEPS, rank=RANK, every=max(1, STEPS // 14), ensemble=RUNS, observables=("loss", "norm2")
)
print(found)

# %%
found.plot()

# %% [markdown]
# The loss is larger with noise than without: its curvature times the covariance, and what $g''(S)$ has changed of the path. Weights grow less, though the scatter alone adds
# the trace of the covariance to $\|\theta\|^2$: here the drift takes more than twice as much away.
#
# ## What is not predicted: rounds that visit each sample once
#
# The equations are for batches drawn independently. Most loops shuffle once a round instead; then what one batch has too much the others have too little, and by the end of a
# round (step 56, step 112) most of the noise is taken back: a sixth and an eighth of the trace is left.

# %%
runs = ROUND_RUNS
generator, states = np.random.default_rng(1), np.tile(theta, (runs, 1))
inputs, targets = data[0][:1792], data[1][:1792]
traces = [0.0]
for _ in range(ROUNDS):
    orders = [generator.permutation(len(inputs)).reshape(-1, batch) for _ in range(runs)]
    for step in range(ROUND_STEPS):
        for run, order in enumerate(orders):
            states[run] -= eta * kernel.gradient(states[run], inputs[order[step]], targets[order[step]])
        traces.append(((states - states.mean(axis=0)) ** 2).sum() / (runs - 1))


def beside(found, traces):
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.steps, found.traces, label="drawn independently, predicted")
    drawn = found.ensemble
    axes.errorbar(found.steps, drawn.traces, 2 * drawn.trace_errors, fmt="o", markersize=3, label=f"{drawn.runs} runs")
    axes.plot(traces, label=f"each sample once a round, {runs} runs")
    axes.set(xlabel="step", ylabel="trace of the covariance")
    axes.legend(frameon=False)
    return figure


beside(found, traces)

# %% [markdown]
# ## The modified generator
#
# To weak order $N$ expectations obey $\mathbb E\,\varphi(\theta_k)=e^{k\eta\mathcal L}\varphi$. The generator is derived exactly, as the logarithm of the averaged step, in index
# notation: repeated indices are summed, $\partial$ before $g$ or $\Sigma$ in brackets differentiates these, the last ones differentiate $\varphi$.

# %%
print(eomsym.modified_generator(2))

# %% [markdown]
# $L_1$ is the stochastic modified equation of Li, Tai and E. With $L_2$ it ends: no stochastic differential equation has a third derivative in its generator.
