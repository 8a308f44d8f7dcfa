"""The recipes, a file each (training/recipe.py)."""
