"""Addresses that must never be connected to, in every spelling we could think of (SEC-20 to SEC-22).

`{port}` stands for the port of a server on loopback that watches. `NAMES` are names and what the resolver answers.
"""

import ipaddress
from collections.abc import Iterator

PRIVATE = (
    "0.0.0.0", "0.0.0.1", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.254",
    "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2",
    "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255",
)  # fmt: skip
SPELLED = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "100.100.100.200", "172.16.0.1")
"""Those that are written in every other way too."""
PRIVATE_V6 = (
    "::", "::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::0001", "0::1", "100::1",
    "64:ff9b:1::7f00:1", "2001::1", "2001:2::1", "2001:10::1", "2001:db8::1", "3fff::1", "5f00::1", "fc00::1",
    "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::a9fe:a9fe", "febf::1", "fec0::1", "ff01::1",
    "ff02::1", "ff05::2", "ff0e::1", "4000::1", "::ffff:0:0",
)  # fmt: skip
ZONES = ("fe80::1%eth0", "fe80::1%25eth0", "fe80::1%lo", "fe80::1%1", "::1%lo", "::1%251", "ff02::1%eth0")

PUBLIC = "93.184.216.34"
NAMES: dict[str, tuple[str, ...]] = {
    "localhost": ("127.0.0.1",),
    "localhost.localdomain": ("127.0.0.1",),
    "ip6-localhost": ("::1",),
    "loop.test": ("127.0.0.1",),
    "loop6.test": ("::1",),
    "any.test": ("0.0.0.0",),
    "ten.test": ("10.0.0.1",),
    "cgnat.test": ("100.64.0.1",),
    "metadata.google.internal": ("169.254.169.254",),
    "metadata.test": ("169.254.169.254",),
    "metadata6.test": ("fd00:ec2::254",),
    "mapped.test": ("::ffff:127.0.0.1",),
    "mappedten.test": ("::ffff:10.0.0.1",),
    "nat64.test": ("64:ff9b::7f00:1",),
    "six2four.test": ("2002:7f00:1::",),
    "teredo.test": ("2001:0:7f00:1::1",),
    "compat.test": ("::7f00:1",),
    "linklocal.test": ("fe80::1%eth0",),
    "multicast.test": ("224.0.0.1",),
    "mixed.test": (PUBLIC, "127.0.0.1"),
    "mixedlast.test": (PUBLIC, "2606:4700::1111", "fd00::1"),
    "mixedfirst.test": ("10.0.0.1", PUBLIC),
    "127.0.0.1.nip.test": ("127.0.0.1",),
    "spoofed.burp.test": ("127.0.0.1",),
    "xn--lcalhost-z7a.test": ("127.0.0.1",),
    "kubernetes.default.svc": ("10.96.0.1",),
    "host.docker.internal": ("192.168.65.2",),
}
REBINDING = "rebind.test"
"""Answers with a public address first and with loopback ever after."""

TRICKS = (
    # users, which some read as hosts
    "//user@127.0.0.1/", "//user:pw@127.0.0.1/", "//public.test@127.0.0.1/", "//public.test:80@127.0.0.1:{port}/",
    "//127.0.0.1@public.test/", "//@127.0.0.1/", "//:@127.0.0.1/", "//a@b@127.0.0.1/", "//public.test%40127.0.0.1/",
    "//public.test#@127.0.0.1/", "//127.0.0.1#@public.test/", "//127.0.0.1?@public.test/", "//127.0.0.1;@public.test/",
    "//public.test&@127.0.0.1#@public.test/", "//[user@::1]/", "//user@[::1]/",
    # backslashes, which some read as slashes
    "//public.test\\@127.0.0.1/", "//127.0.0.1\\@public.test/", "//public.test\\.127.0.0.1/", "\\\\127.0.0.1\\",
    "/\\127.0.0.1/", "\\/127.0.0.1/", "//127.0.0.1\\/", "//\\127.0.0.1/", "//127.0.0.1:{port}\\@public.test:80/",
    # control characters and blanks, which some leave out
    "//127.0.0.1\t/", "//127.0.\t0.1/", "//127.0.0.1\n/", "//127.0.0.1\r\nHost: public.test/", "//127.0.0.1 /",
    "// 127.0.0.1/", "//127.0.0.1\x00/", "//127.0.0.1\x00.public.test/", "//\x01127.0.0.1/", "//127.0.0.1\x7f/",
    "//127.0.0.1\x0b/", "//127.0.0.1%00/", "//127.0.0.1%00.public.test/", "//127.0.0.1%09/", "//127.0.0.1%20/",
    "//127.0.0.1%0d%0aX:y/", "//public.test%0d%0a127.0.0.1/", "//public.test/\r\nHost:127.0.0.1",
    # letters and dots that become others
    "//127\u30020\u30020\u30021/", "//127\uff0e0\uff0e0\uff0e1/", "//127\uff610\uff610\uff611/",
    "//\u2460\u2461\u2466.0.0.1/", "//\uff11\uff12\uff17.0.0.1/", "//loc\u0430lhost/",
    "//\u24db\u24de\u24d2\u24d0lhost/",
    "//localho\u017ft/", "//\u2488\u2488\u2488\u2488/", "//127.0.0.1\u200b/", "//\u200b127.0.0.1/",
    "//127.0.0.1\u00ad/",
    "//127.0.0.\u0661/", "//lo\u0441alhost/", "//LOCALHO\u1e9eT/", "//\u2170.test/", "//[::\uff11]/",
    # percent signs where none belong
    "//%31%32%37.0.0.1/", "//%31%32%37%2e%30%2e%30%2e%31/", "//127%2e0%2e0%2e1/", "//%6c%6f%63%61%6c%68%6f%73%74/",
    "//localhos%74/", "//%5b::1%5d/", "//127.0.0.1%2f@public.test/", "//%00127.0.0.1/", "//loop%2etest/",
    # dots
    "//127.0.0.1./", "//127.0.0.1../", "//.127.0.0.1/", "//localhost./", "//localhost../", "//.localhost/",
    "//LOCALHOST/", "//LocalHost./", "//loop.test./", "//LOOP.TEST/", "//metadata.google.internal./",
    # ports
    "//127.0.0.1:{port}/", "//localhost:{port}/", "//[::1]:{port}/", "//0.0.0.0:{port}/", "//127.1:{port}/",
    "//2130706433:{port}/", "//0x7f000001:{port}/", "//loop.test:{port}/", "//[::ffff:127.0.0.1]:{port}/",
    "//127.0.0.1:0/", "//127.0.0.1:65536/", "//127.0.0.1:-1/", "//127.0.0.1:+80/", "//127.0.0.1:0x50/",
    "//127.0.0.1: 80/", "//127.0.0.1:80:80/", "//127.0.0.1:\uff18\uff10/", "//127.0.0.1:00080/", "//127.0.0.1:/",
    "//127.0.0.1:22/", "//127.0.0.1:6379/", "//127.0.0.1:80/", "//127.0.0.1:443/", "//127.0.0.1:8_0/",
    "//public.test:22/", "//public.test:6379/", "//public.test:{port}/", "//public.test:80@127.0.0.1/",
    # brackets
    "//[127.0.0.1]/", "//[127.0.0.1/", "//127.0.0.1]/", "//[]/", "//[::1/", "//::1/", "//[[::1]]/", "//[::1]x/",
    "//[::1].public.test/", "//public.test[::1]/", "//[v1.127.0.0.1]/", "//[::1%]/", "//[0:0:0:0:0:0:0:0:1]/",
    # no host, or too many slashes
    "", "///127.0.0.1/", "////127.0.0.1/", ":127.0.0.1/", "/127.0.0.1/", "127.0.0.1", "///", "//", "//?127.0.0.1",
    "//#127.0.0.1", "//:{port}/", "//:80/",
)  # fmt: skip
WHOLE = (
    "", " ", "127.0.0.1", "127.0.0.1:{port}", "//127.0.0.1:{port}/", "localhost:{port}", "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_a",
    "dict://127.0.0.1:{port}/", "ldap://127.0.0.1:{port}/", "tftp://127.0.0.1/", "sftp://127.0.0.1/", "ws://127.0.0.1/",
    "wss://127.0.0.1/", "jar:http://127.0.0.1!/", "netdoc:///etc/passwd", "data:text/plain,x", "javascript:alert(1)",
    "about:blank", "unix:///run/docker.sock", "http+unix://%2frun%2fdocker.sock/", "redis://127.0.0.1:{port}/",
    "http:127.0.0.1", "http:/127.0.0.1/", "https:127.0.0.1", "HTTP://127.0.0.1/", "hTTp://127.0.0.1:{port}/",
    " http://127.0.0.1/", "\thttp://127.0.0.1/", "http://127.0.0.1/ ", "ht\ntp://127.0.0.1/", "http\x00://127.0.0.1/",
    "url:http://127.0.0.1/", "http://http://127.0.0.1/", "http://http:127.0.0.1/", "https://http/127.0.0.1",
    "view-source:http://127.0.0.1/", "blob:http://127.0.0.1/", "mailto:a@127.0.0.1",
)  # fmt: skip


def spellings(address: str) -> Iterator[str]:
    """An IPv4 address as resolvers and browsers of some time have read it."""
    a, b, c, d = (int(part) for part in address.split("."))
    number = int(ipaddress.IPv4Address(address))
    yield from (str(number), hex(number), f"0X{number:X}", f"0{number:o}", f"0x{number:016x}", f"0{number:022o}")
    yield from (f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{c << 8 | d}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b}.0{c:o}.{d}", f"000{a:o}.{b}.{c}.{d}")
    yield from (f"{a:#x}.{number & 0xFFFFFF:#x}", f"0{a:o}.{number & 0xFFFFFF}", f"{a + 256}.{b}.{c}.{d}")
    yield str(number + 2**32)
    high, low = number >> 16, number & 0xFFFF
    for prefix in ("::ffff:", "::", "::ffff:0:", "64:ff9b::", "64:ff9b:1::", "0:0:0:0:0:ffff:", "::FFFF:"):
        yield f"[{prefix}{address}]"
    yield from (f"[::ffff:{high:x}:{low:x}]", f"[::{high:x}:{low:x}]", f"[64:ff9b::{high:x}:{low:x}]")
    yield from (f"[2002:{high:x}:{low:x}::]", f"[2002:{high:x}:{low:x}::1]")
    # Teredo hides the client's address inverted, and its server's as it is.
    yield from (f"[2001:0:{high:x}:{low:x}::1]", f"[2001::{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}]")


def urls() -> list[str]:
    """All of them, each once."""
    hosts = [*PRIVATE, *(f"[{one}]" for one in (*PRIVATE_V6, *ZONES)), *NAMES, REBINDING]
    hosts += [spelled for address in SPELLED for spelled in spellings(address)]
    found = [f"{scheme}://{host}/latest" for host in hosts for scheme in ("https", "http")]
    found += [f"{scheme}:{trick}" for trick in TRICKS for scheme in ("https", "http")]
    return list(dict.fromkeys((*found, *WHOLE)))
