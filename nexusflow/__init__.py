"""NexusFlow: a self-hosted AI gateway, compiled from one gateway.yaml."""

__version__ = "0.1.0"
