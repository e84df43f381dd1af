"""For users' own test suites: a real gateway and a real simulated provider as context managers."""
