"""The version of the library; what is stored carries it."""

__version__ = "0.1.0"
