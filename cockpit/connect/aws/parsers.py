"""botocore's parsers with the model of an answer worked out once, not again for every element.

What a structure has to be looked through for, and how each member is read, follows from its shape;
botocore asks the shape for every member of every element, which is most of what an answer of XML
costs. Whatever is not plain (unions, attributes, headers, maps, errors) goes to botocore's own
methods, and so does each single value but text. A test gives both the same bytes.

Source: botocore.parsers 1.40, as run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from xml.etree.ElementTree import Element

from aiobotocore.parsers import (
    AioEC2QueryParser,
    AioJSONParser,
    AioQueryParser,
    AioRestJSONParser,
    AioRestXMLParser,
)
from botocore.parsers import BaseXMLResponseParser

from cockpit.connect.aws.transport import Untyped

if TYPE_CHECKING:
    from botocore.model import Shape

Read: TypeAlias = Callable[[Untyped], Untyped]
"""From an element of XML or a value of JSON to what is given on."""
_Plan: TypeAlias = tuple[tuple[str, str, Read], ...]
"""Of a structure: the name in the answer, the member, how it is read."""


class _Compiled(ABC):
    """Reads every shape by a function that is made when the shape is met first."""

    def __init__(self, **defaults: object) -> None:
        super().__init__(**defaults)
        self._readers: dict[Shape, Read] = {}

    def _parse_shape(self, shape: Shape, node: object) -> Untyped:
        return self._reader(shape)(node)

    def _reader(self, shape: Shape) -> Read:
        read = self._readers.get(shape)
        if read is None:
            read = self._readers[shape] = self._made(shape) or self._theirs(shape)
        return read

    def _theirs(self, shape: Shape) -> Read:
        default = self._default_handle  # type: ignore[attr-defined]
        return partial(getattr(self, f"_handle_{shape.type_name}", default), shape)

    def _made(self, shape: Shape) -> Read | None:
        if shape.type_name == "structure" and _plain(shape):
            return self._structure(shape)
        if shape.type_name == "list" and shape.serialization.get("location") != "header":
            return self._list(shape)
        return None

    @abstractmethod
    def _structure(self, shape: Shape) -> Read:
        """How a plain structure is read in this format."""

    @abstractmethod
    def _list(self, shape: Shape) -> Read:
        """How a list is read in this format."""

    def _plan(self, shape: Shape, named: Callable[[Shape, str], str]) -> _Plan:
        """Made at the first structure of its shape: shapes may hold themselves."""
        return tuple(
            (named(member, name), name, self._reader(member))
            for name, member in shape.members.items()
            if member.serialization.get("location") not in _LOCATED
        )


_LOCATED = ("header", "headers", "statusCode")


def _plain(shape: Shape) -> bool:
    """Whether all that a structure holds are elements by their names."""
    return not (
        shape.is_document_type
        or shape.is_tagged_union
        or shape.metadata.get("exception")
        or any(
            member.serialization.get("eventheader") or member.serialization.get("xmlAttribute")
            for member in shape.members.values()
        )
    )


class _Json(_Compiled):
    def _structure(self, shape: Shape) -> Read:
        plan: _Plan | None = None

        def read(value: Mapping[str, Untyped] | None) -> dict[str, Untyped] | None:
            nonlocal plan
            if value is None:
                return None
            if plan is None:
                plan = self._plan(shape, lambda of, name: of.serialization.get("name", name))
            get, found = value.get, {}
            for name, member, inner in plan:
                if (held := get(name)) is not None:
                    found[member] = inner(held)
            return found

        return read

    def _list(self, shape: Shape) -> Read:
        inner: Read | None = None

        def read(node: Untyped) -> list[Untyped]:
            nonlocal inner
            inner = inner or self._reader(shape.member)
            return [inner(item) for item in node]

        return read


class _Xml(_Compiled):
    def _node_tag(self, node: Element) -> str:
        return node.tag[node.tag.rfind("}") + 1 :]

    def _build_name_to_xml_node(self, parent_node: Untyped) -> dict[str, Untyped]:
        return _by_name(parent_node)

    def _made(self, shape: Shape) -> Read | None:
        ours = type(self)._handle_string is BaseXMLResponseParser._handle_string  # type: ignore[attr-defined]  # noqa: SLF001
        if shape.type_name in {"string", "character"} and ours:
            return _text
        return super()._made(shape)

    def _structure(self, shape: Shape) -> Read:
        members: dict[str, tuple[str, Read]] = {}
        tags: dict[str, tuple[str, Read]] = {}  # by whole tags, with the namespace before them

        def read(node: Untyped) -> dict[str, Untyped]:
            if not members:
                plan = self._plan(shape, self._member_key_name)  # type: ignore[attr-defined]
                members.update({name: (member, inner) for name, member, inner in plan})
            while isinstance(node, list):
                node = node[0]
            found: dict[str, Untyped] = {}
            for item in node:
                tag = item.tag
                held = tags.get(tag)
                if held is None:
                    held = members.get(tag[tag.rfind("}") + 1 :])
                    if held is None:
                        continue
                    if len(tags) < 2 * len(members):  # namespaces are whatever a server writes
                        tags[tag] = held
                member, inner = held
                if member in found:
                    return aggregated(node)
                found[member] = inner(item)
            return found

        def aggregated(node: Element) -> dict[str, Untyped]:
            """A structure in which names come again: what repeats is one list."""
            by_name = _by_name(node)
            there = ((*held, by_name[name]) for name, held in members.items() if name in by_name)
            return {member: inner(value) for member, inner, value in there}

        return read

    def _list(self, shape: Shape) -> Read:
        inner: Read | None = None
        flat = bool(shape.serialization.get("flattened"))

        def read(node: Untyped) -> list[Untyped]:
            nonlocal inner
            inner = inner or self._reader(shape.member)
            if flat and not isinstance(node, list):
                return [inner(node)]
            return [inner(item) for item in node]

        return read


def _by_name(node: Untyped) -> dict[str, Untyped]:
    """The elements below one, by their names; those that repeat a name as a list."""
    while isinstance(node, list):
        node = node[0]
    found: dict[str, Untyped] = {}
    for item in node:
        tag = item.tag
        name = tag[tag.rfind("}") + 1 :]
        held = found.setdefault(name, item)
        if held is item:
            continue
        if isinstance(held, list):
            held.append(item)
        else:
            found[name] = [held, item]
    return found


def _text(node: Untyped) -> Untyped:
    text = getattr(node, "text", node)
    return "" if text is None else text


class _Query(_Xml, AioQueryParser):  # type: ignore[misc]
    pass


class _Ec2(_Xml, AioEC2QueryParser):  # type: ignore[misc]
    pass


class _RestXml(_Xml, AioRestXMLParser):  # type: ignore[misc]
    pass


class _JsonRpc(_Json, AioJSONParser):  # type: ignore[misc]
    pass


class _RestJson(_Json, AioRestJSONParser):  # type: ignore[misc]
    pass


COMPILED: Mapping[str, Callable[..., Untyped]] = {
    "query": _Query,
    "ec2": _Ec2,
    "rest-xml": _RestXml,
    "json": _JsonRpc,
    "rest-json": _RestJson,
}
"""Protocol → its parser; one that is not here is botocore's."""
