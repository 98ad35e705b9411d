"""A look over protobuf bytes before they are parsed: known fields only, and not too many.

A parser keeps unknown fields, lets the last of a repeated singular field win, and makes an object of about
a hundred bytes from an empty message of two. So the bytes are walked first, making nothing.
"""

from __future__ import annotations

from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from sft_shared.errors import MalformedMessage

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: _FIXED64,
    FieldDescriptor.TYPE_FIXED64: _FIXED64,
    FieldDescriptor.TYPE_SFIXED64: _FIXED64,
    FieldDescriptor.TYPE_FLOAT: _FIXED32,
    FieldDescriptor.TYPE_FIXED32: _FIXED32,
    FieldDescriptor.TYPE_SFIXED32: _FIXED32,
    FieldDescriptor.TYPE_STRING: _LENGTH,
    FieldDescriptor.TYPE_BYTES: _LENGTH,
    FieldDescriptor.TYPE_MESSAGE: _LENGTH,
}
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10


def scan(data: bytes, message_class: type[Message], *, max_fields: int) -> None:
    """Walk ``data`` as a message of type ``message_class``, nested messages included.

    Raises MalformedMessage: ``unknown-field`` for a field the schema lacks or writes otherwise,
    ``too-large`` for more than ``max_fields`` fields in all, ``undecodable`` for a singular field given
    twice and for bytes that end early.
    """
    descriptor = cast(Descriptor, message_class.DESCRIPTOR)  # the stubs give its C twin a type of its own
    _Walk(max_fields).message(memoryview(data), descriptor)


class _Walk:
    def __init__(self, max_fields: int) -> None:
        self.max_fields = max_fields
        self.num_fields = 0

    def message(self, data: memoryview, descriptor: Descriptor) -> None:
        seen: set[int] = set()
        position = 0
        while position < len(data):
            self.num_fields += 1
            if self.num_fields > self.max_fields:
                raise MalformedMessage("too-large", f"more than {self.max_fields} protobuf fields")
            tag, position = _varint(data, position)
            field = descriptor.fields_by_number.get(tag >> 3)
            if field is None or tag & 7 != _wire_type(field):
                raise MalformedMessage(
                    "unknown-field",
                    f"{descriptor.name}: field {tag >> 3} of wire type {tag & 7} is not in the schema",
                )
            if field.number in seen and not field.is_repeated:
                raise MalformedMessage("undecodable", f"{descriptor.name}.{field.name} is given twice")
            seen.add(field.number)
            position = self.value(data, position, field)

    def value(self, data: memoryview, position: int, field: FieldDescriptor) -> int:
        """Step over one value and return where it ends."""
        wire_type = _wire_type(field)
        if wire_type == _VARINT:
            return _varint(data, position)[1]
        if wire_type == _LENGTH:
            length, position = _varint(data, position)
        else:
            length = _FIXED_BYTES[wire_type]
        end = position + length
        if end > len(data):
            raise MalformedMessage("undecodable", f"{field.full_name} goes on beyond the end of the bytes")
        if field.message_type is not None:
            self.message(data[position:end], field.message_type)
        return end


def _wire_type(field: FieldDescriptor) -> int:
    """Return the wire type that proto3 writers use; repeated numbers are packed."""
    if field.is_repeated:
        return _LENGTH
    return _WIRE_TYPES.get(field.type, _VARINT)


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for offset, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * offset)
        if byte < 0x80:
            return value, position + offset + 1
    raise MalformedMessage("undecodable", "a number goes on beyond the end of the bytes")
