"""The configuration: which file, what it says, and everything that is wrong with it at once."""

from cockpit.config.read import load
from cockpit.config.record import Config, IncidentSettings, ScreenSettings
from cockpit.config_file import ConfigProblems, example, find, glance

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
