"""Providers of images and videos, each described by the requests it takes and the answers it gives."""
