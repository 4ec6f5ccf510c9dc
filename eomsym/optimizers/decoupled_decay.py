"""Heavy ball with decoupled weight decay (SGDW): ``v⁺ = β v + g(θ)``, ``θ⁺ = θ − η (v⁺ + λ θ)``.

Coupled decay, where ``λ θ`` is part of the gradient and passes through the momentum, is ``heavy-ball`` with
``MLP(..., weight_decay=λ)``; without momentum (β = 0) the two are the same.
"""

from __future__ import annotations

from dataclasses import replace

from eomsym.optimizers import heavy_ball
from eomsym.optimizers.variants import decoupled_decay

OPTIMIZER = replace(
    decoupled_decay(heavy_ball.OPTIMIZER),
    name="sgdw",
    aliases=("decoupled-weight-decay",),
    summary="v⁺ = β v + g(θ), θ⁺ = θ − η (v⁺ + λ θ)",
    source="Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019",
    limits="holds after the transient β^k; a schedule of eta multiplies the decay too",
)
