"""Speech as it is spoken: audio that comes piece by piece, and what is said in it when it is known."""
