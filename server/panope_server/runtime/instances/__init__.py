"""The worker processes of one model: queue, frames, supervision."""
