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

from matplotlib.figure import Figure

import eomsym

# %% tags=["parameters"]
STEPS, RUNS, RANK = 112, 400, 64
ROUNDS, ROUND_RUNS, ROUND_STEPS = 2, 200, 57  # of the runs that visit each sample once

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
# ## Each sample once an epoch
#
# Most loops shuffle once an epoch instead. What one batch has too much the others have too little, and by the end of an epoch (steps 57 and 114 with the short last batch) most
# of the noise is taken back. The same equations keep it in mind, by what each of the batches would have done.

# %%
shuffled = eomsym.noise(
    training.with_(batches=batch),
    ROUNDS * ROUND_STEPS,
    rank=RANK,
    every=max(1, ROUND_STEPS // 8),
    ensemble=ROUND_RUNS,
)
print(shuffled)


def beside(*predictions):
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    for one in predictions:
        runs = one.ensemble
        (line,) = axes.plot(one.steps, one.traces, label=f"{one.loader.order}, predicted")
        axes.errorbar(
            one.steps, runs.traces, 2 * runs.trace_errors, fmt="o", markersize=3, color=line.get_color(), label="runs"
        )
    axes.set(xlabel="step", ylabel="trace of the covariance")
    axes.legend(frameon=False)
    return figure


beside(found, shuffled)

# %% [markdown]
# ## The modified generator
#
# To weak order $N$ expectations obey $\mathbb E\,\varphi(\theta_k)=e^{k\eta\mathcal L}\varphi$. The generator is derived exactly, as the logarithm of the averaged step, in index
# notation: repeated indices are summed, $\partial$ before $g$ or $\Sigma$ in brackets differentiates these, the last ones differentiate $\varphi$.

# %%
print(eomsym.modified_generator(2))

# %% [markdown]
# $L_1$ is the stochastic modified equation of Li, Tai and E. With $L_2$ it ends: no stochastic differential equation has a third derivative in its generator.
