"""The tracker as a callback of those who run the loop: transformers and Lightning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from eomsym.errors import InputError, MissingExtraError
from eomsym.torch.track import track


def trainer_callback(make: Callable[..., track] = track) -> Any:
    """A callback of ``transformers.Trainer`` that tracks its optimiser; ``run`` is the tracker of the last training.

    ``make`` is called with the optimiser and ``step=``, ``enabled=`` as training begins: ``track`` with options of its
    own, as ``partial(track, order=2)``.  Process 0 looks.  Raises ``MissingExtraError`` without transformers.
    """
    base: Any = _imported("transformers").TrainerCallback

    class Tracking(base):  # type: ignore[misc, valid-type, unused-ignore]
        run: track | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, optimizer: Any = None, **more: Any) -> None:
            self.run = _begun(make, [optimizer], state.global_step, state.is_world_process_zero)

        def on_train_end(self, *call: Any, **more: Any) -> None:
            _end(self.run)

    return Tracking()


def lightning_callback(make: Callable[..., track] = track) -> Any:
    """The same of ``lightning.Trainer``.  Raises ``MissingExtraError`` without Lightning.

    Raises ``InputError`` as training begins with several optimisers.
    """
    base: Any = _imported("lightning").pytorch.Callback

    class Tracking(base):  # type: ignore[misc, valid-type, unused-ignore]
        run: track | None = None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            self.run = _begun(make, trainer.optimizers, trainer.global_step, trainer.is_global_zero)

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            _end(self.run)

        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            _end(self.run)

    return Tracking()


def _begun(make: Callable[..., track], optimizers: Sequence[Any], step: int, enabled: bool) -> track:
    if len(optimizers) != 1:
        raise InputError(
            f"optimizers: {len(optimizers)} are there; a tracker looks at one, track each in your own loop"
        )
    (optimizer,) = optimizers
    while hasattr(optimizer, "optimizer"):  # accelerate's, around the one that makes the steps
        optimizer = optimizer.optimizer
    return make(optimizer, step=step, enabled=enabled).__enter__()


def _end(run: track | None) -> None:
    if run is not None:
        run.__exit__()


def _imported(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError(f"the package {package} is not installed; pip install {package}") from error
