"""`python -m nexusflow.simulator --port 0`."""

import argparse
import sys

from nexusflow.simulator.server import serve

parser = argparse.ArgumentParser(
    prog="python -m nexusflow.simulator", description="The simulated provider; prints READY <port> once it listens."
)
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8089, help="0 takes a free one")
parser.add_argument("--allow-public", action="store_true", help="allow an address that other machines can reach")
arguments = parser.parse_args()
try:
    serve(arguments.host, arguments.port, allow_public=arguments.allow_public)
except (OSError, ValueError) as error:
    sys.exit(f"error: {error}")
