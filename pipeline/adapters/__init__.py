"""One outside system each; an adapter is the only importer of its client."""
