"""Markdown as plain text: for the text part of mails and for chats. Tables become lines of `Name: value`, links keep their address."""

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

_markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])


def plain_text(text: str) -> str:
    """The same words without markup, its paragraphs apart by an empty line."""
    writer = _Writer()
    for token in _markdown.parse(text):
        writer.take(token)
    return "\n\n".join(block for block in writer.blocks if block.strip())


class _Writer:
    """Collects blocks; lists and table rows are lines of one block."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.row: list[str] = []
        self.lists: list[int | None] = []
        self.bullet = ""
        self.in_head = self.in_table = False

    def take(self, token: Token) -> None:
        match token.type:
            case "inline" if self.in_table:
                self.row.append(_words(token.children or []))
            case "inline":
                self._write(_words(token.children or []))
            case "fence" | "code_block":
                self._write("\n".join(f"    {line}" for line in token.content.rstrip("\n").split("\n")))
            case "hr":
                self._write("---")
            case "bullet_list_open" | "ordered_list_open":
                self.lists.append(int(token.attrGet("start") or 1) if token.type.startswith("ordered") else None)
            case "bullet_list_close" | "ordered_list_close":
                self.lists.pop()
            case "list_item_open":
                self._begin_item()
            case "table_open":
                self.in_table = True
                self.blocks.append("")
            case "table_close":
                self.in_table = False
            case "thead_open" | "thead_close":
                self.in_head = token.type == "thead_open"
            case "tr_close":
                self._end_row()

    def _begin_item(self) -> None:
        indent, number = "  " * (len(self.lists) - 1), self.lists[-1]
        self.bullet = f"{indent}- " if number is None else f"{indent}{number}. "
        if number is not None:
            self.lists[-1] = number + 1

    def _write(self, text: str) -> None:
        if not self.lists:
            self.blocks.append(text)
            return
        lines = text.split("\n")
        room = " " * len(self.bullet or "  " * len(self.lists))
        item = "\n".join([f"{self.bullet or room}{lines[0]}", *(f"{room}{line}" for line in lines[1:])])
        is_next = self.blocks and self.blocks[-1].lstrip().startswith(("- ", *(f"{n}" for n in range(10))))
        if is_next and self.bullet:
            self.blocks[-1] += f"\n{item}"
        else:
            self.blocks.append(item)
        self.bullet = ""

    def _end_row(self) -> None:
        """The head of a table of two columns says nothing that its rows do not."""
        row, self.row = self.row, []
        if self.in_head and len(row) == 2:
            return
        line = f"{row[0]}: {row[1]}" if len(row) == 2 else " | ".join(row)
        self.blocks[-1] = f"{self.blocks[-1]}\n{line}".strip("\n")


def _words(children: Sequence[Token]) -> str:
    """The words of a line. The address of a link stands behind its words, unless they are the address."""
    found: list[str] = []
    targets: list[tuple[str, int]] = []
    for child in children:
        match child.type:
            case "text" | "code_inline":
                found.append(child.content)
            case "softbreak" | "hardbreak":
                found.append("\n")
            case "image":
                found.append(f"{child.content} ({child.attrGet('src')})")
            case "link_open":
                targets.append((str(child.attrGet("href") or ""), len(found)))
            case "link_close" if targets:
                href, since = targets.pop()
                if href and href != "".join(found[since:]).strip():
                    found.append(f" ({href})")
    return "".join(found)
