"""The engines that come with Panope."""
