"""What a request costs: the gateway beside nginx and bare Granian, on this machine, in one run. `python -m bench`."""
