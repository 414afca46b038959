"""The small tree that a file leaves behind once its attachments have passed: local names, text, attributes."""

from __future__ import annotations

from gateway.edxml.findings import EdxmlError


class Node:
    """One element. Prefixes are dropped: real files bind them wrongly, or not at all."""

    __slots__ = ("attributes", "children", "name", "pieces")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Node] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.pieces).strip()

    def all(self, *names: str) -> list[Node]:
        return [child for child in self.children if child.name in names]

    def child(self, *names: str) -> Node | None:
        for child in self.children:
            if child.name in names:
                return child
        return None

    def value(self, *names: str) -> str:
        """The text of the first child of one of these names that has any."""
        for child in self.children:
            if child.name in names and (text := child.text):
                return text
        return ""

    def only(self, *names: str) -> Node | None:
        """As `child`, where a second one would leave open which of them is meant, and which was signed.

        Raises `EdxmlError("repeated")`.
        """
        found = self.all(*names)
        if len(found) > 1:
            raise EdxmlError("repeated", f"{found[1].name} stands twice", self.name)
        return found[0] if found else None
