"""What the camera adapter and the decode stage share about containers and time."""
