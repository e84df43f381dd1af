"""State of the Responses protocol where no provider keeps it: stored responses and the conversations they make.

A client may continue a stored response by its id, refer to its items, read it, list its input and delete it. What one
key has stored does not exist for any other.
"""
