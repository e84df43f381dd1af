"""Documents given as text, for protocols that have only text (protocols 2.1.2)."""

from nexusflow.ir.chat import Document


def text_of(document: Document) -> str:
    """The document with its title, source and context ahead of it."""
    head = " — ".join(line for line in (document.title, document.source) if line)
    return "\n".join(line for line in (head, document.context, document.text) if line)
