"""Makes of one aligned face what cameras could have made of it; pure: values and dice in, values out."""
