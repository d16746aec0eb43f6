"""The task fill-mask: from texts with masks to the tokens that fill them."""
