"""The desk: what the screens are given."""

from cockpit.desk.desk import Desk
from cockpit.desk.opening import Opening
from cockpit.desk.status import DeskStatus

__all__ = ["Desk", "DeskStatus", "Opening"]
