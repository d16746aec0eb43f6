"""The routes that divide images into segments."""
