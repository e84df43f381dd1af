"""What a gateway tells about itself: metrics of all workers in one place, and one line for each request."""
