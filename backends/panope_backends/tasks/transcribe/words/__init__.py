"""When the words of a window were said, by what a model looked at while it wrote them."""
