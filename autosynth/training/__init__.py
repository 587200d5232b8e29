"""Training: data on the device, one loop, metrics."""
