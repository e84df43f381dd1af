"""Simulated providers of images and videos: jobs that take time, results to fetch, faces of several vendors."""
