"""The commands of `headcount-train`, a module each; each imports what it needs when it runs, so that --help does not wait for torch."""
