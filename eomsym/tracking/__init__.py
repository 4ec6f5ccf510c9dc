"""What a run says of itself: the share of each order in its steps, from its own iterates."""

from __future__ import annotations

from eomsym.tracking.lines import json_lines, scalars
from eomsym.tracking.record import Measurement
from eomsym.tracking.tracker import Tracker

__all__ = ["Measurement", "json_lines", "scalars"]
