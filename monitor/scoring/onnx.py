"""``onnxruntime``, loaded so that it tells nobody.

Left alone it asks for a telemetry host and writes a device's number and the path of our Python into the home folder; it
reads the variable once, while it is loaded.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort  # noqa: E402
from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: E402

__all__ = ["ort", "state"]
