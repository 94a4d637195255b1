"""The array type that every numeric module shares."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
