"""The serving engine: what evaluates the trees of a model.

It may import numpy, ``tasador.arrays`` and ``tasador.errors``, and nothing else of the project.
"""
