"""An S3 server on loopback that checks every signature by itself (moto, with its access control switched on)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

BUCKET = "results"
_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


class S3Server:
    """`client` is the vendor's own, for looking into the bucket; it and nobody else may do so without a signature."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client = self._open("s3", "root", "root")
        self.client.create_bucket(Bucket=BUCKET)
        people = self._open("iam", "root", "root")
        people.create_user(UserName="gateway")
        people.put_user_policy(UserName="gateway", PolicyName="all", PolicyDocument=_ALL)
        key = people.create_access_key(UserName="gateway")["AccessKey"]
        self.access_key, self.secret_key = key["AccessKeyId"], key["SecretAccessKey"]
        self.client = self._open("s3", self.access_key, self.secret_key)

    def keys(self) -> set[str]:
        """The names of all objects."""
        return {one["Key"] for one in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())}

    @contextmanager
    def strict(self) -> Iterator[None]:
        """Within it a request without a right signature in its header is refused."""
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0.0
        try:
            yield
        finally:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")

    def _open(self, service: str, access: str, secret: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=access,
            aws_secret_access_key=secret,
        )


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A running server with an empty bucket and one user."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}")
    finally:
        server.stop()
