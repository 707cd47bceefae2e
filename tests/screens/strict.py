"""The app as tests show it: a fault in a screen ends it, and so fails the test."""

from __future__ import annotations

from textual.app import App

from screens.app import CockpitApp


class StrictApp(CockpitApp):
    """A person gets a toast instead."""

    _handle_exception = App._handle_exception
