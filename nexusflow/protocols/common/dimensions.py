"""The wanted length of an embedding against the lengths that a lane's model can make."""

from nexusflow.ir.capabilities import Capabilities
from nexusflow.ir.errors import Kind, refuse


def check(wanted: int | None, path: str, capabilities: Capabilities) -> None:
    """Refuse a length that the catalogue knows to be impossible (422). Where it lists none, the provider decides."""
    possible = capabilities.embedding_dimensions
    if wanted is not None and possible and wanted not in possible:
        listed = ", ".join(map(str, possible))
        raise refuse(Kind.PARAM, f"`{path}` must be one of: {listed}", param=path, status=422)
