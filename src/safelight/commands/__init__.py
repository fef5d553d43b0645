"""What users and workers do: a function an intention, a transaction each, events told after the commit."""
