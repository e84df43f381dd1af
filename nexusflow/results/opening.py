"""From the plan's words to a place for results."""

import os
from collections.abc import Mapping
from pathlib import Path

from nexusflow.ir.plan import CredentialRef, ResultsAt
from nexusflow.ir.secret import Secret, read_secret
from nexusflow.results.disk import DiskResults
from nexusflow.results.results import Results, ResultsError
from nexusflow.results.s3 import S3Results, bucket_url
from nexusflow.results.signing import results_key
from nexusflow.results.sigv4 import Signer


def open_results(at: ResultsAt, root: Path, pepper: bytes, environ: Mapping[str, str] = os.environ) -> Results:
    """The place that `at` names; a relative path lies below `root`. Nothing is made and nobody is asked yet.

    Links to a folder are signed with a key derived from `pepper` (see `results_key`). Raises `ResultsError` when a
    key of the bucket is missing.
    """
    if at.kind == "disk":
        return DiskResults(root / at.path, results_key(pepper))
    access = _needed(at.access_key, "access_key", environ)
    signer = Signer(access.reveal(), _needed(at.secret_key, "secret_key", environ), at.region)
    return S3Results(bucket_url(at.bucket, at.region, at.endpoint), at.prefix, signer)


def _needed(reference: CredentialRef | None, field: str, environ: Mapping[str, str]) -> Secret:
    secret = read_secret(reference, environ) if reference is not None else None
    if secret is None:
        where = f"{reference.source} {reference.name}" if reference is not None else "nowhere"
        raise ResultsError(f"stores.results.{field} is empty or missing ({where}).")
    return secret
