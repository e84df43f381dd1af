"""Sans-I/O plumbing: bytes in, bytes out, no protocol knowledge beyond HTTP, JSON and SSE framing."""
