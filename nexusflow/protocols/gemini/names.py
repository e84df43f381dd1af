"""Function names that Google does not take, in a spelling that it does, and back (protocols 2.6).

Google wants a letter or `_` first, then letters, digits and `_ . : -`, at most 128 in all.
"""

import re

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}").fullmatch
_PREFIX = "nx__"
_ODD = re.compile(r"[^A-Za-z0-9_-]")
_SPELLED = re.compile(r":([0-9a-f]{1,6}):")
_OWN = ("default_api.", "default_api:")


def accepted(name: str) -> str:
    """`name` as Google takes it: itself as a rule, else marked, with odd characters as their code points."""
    if _PLAIN(name) and not name.startswith(_PREFIX):
        return name
    return _PREFIX + _ODD.sub(lambda found: f":{ord(found[0]):x}:", name)


def restored(name: str) -> str:
    """The caller's name again. Google sometimes puts a name space of its own before it, which no other protocol's names
    can hold."""
    for own in _OWN:
        name = name.removeprefix(own)
    if not name.startswith(_PREFIX):
        return name
    return _SPELLED.sub(lambda found: chr(min(int(found[1], 16), 0x10FFFF)), name[len(_PREFIX) :])
