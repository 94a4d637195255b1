"""The price model: its encoders, trees and intervals, the bundle that stores it, and explanations.

It may import numpy, ``tasador.arrays``, ``tasador.errors``, ``tasador.machine.files``,
``tasador.listings`` and ``tasador.engine``, and nothing else of the project. Training is in
``tasador.training``.
"""
