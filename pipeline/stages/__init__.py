"""The pure steps from a segment to a visit: values in, values out; none imports another."""
