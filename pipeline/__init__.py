"""Headcount's library: pure stages, ports and their adapters. Knows nothing of processes (services/)."""
