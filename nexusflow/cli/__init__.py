"""The command line: one file per verb. Only here may `codegen` be imported, and only inside functions."""
