"""The configuration: which file, what it says, and everything that is wrong with it at once."""

from cockpit.config.find import ConfigProblems, example, find, glance
from cockpit.config.read import load
from cockpit.config.record import Config, IncidentSettings, ScreenSettings

__all__ = [
    "Config",
    "ConfigProblems",
    "IncidentSettings",
    "ScreenSettings",
    "example",
    "find",
    "glance",
    "load",
]
