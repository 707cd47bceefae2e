"""How much of MySQL's answer is taken: PyMySQL reads what a server sends, as long as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymysql.connections import Connection
from pymysql.cursors import DictCursor
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from cockpit.connect.sql.limits import MOST, MOST_ROWS, MOST_VALUES, AnswerTooLarge

if TYPE_CHECKING:
    Driver = Connection[DictCursor]
else:
    Driver = Connection

_MOST_COLUMNS = 4096
"""As many as a table may have."""


class BoundedMysql(Driver):
    """One whose answers are bounded, each from `begin` on."""

    _taken = _rows = _columns = 0

    def begin(self) -> None:
        """What comes now is another answer."""
        self._taken = self._rows = self._columns = 0

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._taken += num_bytes  # before it is waited for: the reader would keep it
        if self._taken > MOST:
            raise AnswerTooLarge
        read: bytes = super()._read_bytes(num_bytes)  # type: ignore[misc]  # the stubs lack it
        return read

    def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> MysqlPacket:
        if packet_type is FieldDescriptorPacket:
            self._columns += 1
        else:
            self._rows += 1
        values = self._rows * self._columns
        if self._rows > MOST_ROWS or self._columns > _MOST_COLUMNS or values > MOST_VALUES:
            raise AnswerTooLarge
        packet: MysqlPacket = super()._read_packet(packet_type)  # type: ignore[no-untyped-call]
        return packet
