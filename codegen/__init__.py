"""The compiler: from gateway.yaml to the artifact that the gateway serves."""
