"""The phase types of the recipes, by what they are for."""
