"""What tasks made, kept until it expires: in a folder or in an S3 bucket, reached by links that end (contract 2.8)."""
