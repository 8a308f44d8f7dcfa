"""How good a model is: figures with intervals, by gender, race label, age and face size, written and drawn; knows no torch."""
