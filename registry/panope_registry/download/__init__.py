"""Downloads: resumed, verified, never half there."""
