"""The domain of the cockpit: what to look at, what is wrong, what to do, what happened."""

__version__ = "0.1.0"
