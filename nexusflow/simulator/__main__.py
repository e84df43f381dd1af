"""`python -m nexusflow.simulator --port 0`."""

import argparse

from nexusflow.simulator.server import serve

parser = argparse.ArgumentParser(description="The simulated provider; prints READY <port> once it listens.")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8089)
arguments = parser.parse_args()
serve(arguments.host, arguments.port)
